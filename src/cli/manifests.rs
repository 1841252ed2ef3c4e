//! `regate manifests`: writes everything that registers Regate with an API server, and the way back.
//!
//! What the files say is decided by [`render`], which is pure; here the flags become a [`Request`], and the files are
//! stored. Every path in them is absolute, and no private key is ever copied into one.

mod admission;
mod apiserver;
mod cut;
mod exempt;
mod files;
mod request;
mod rules;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub use cut::{Cuts, cuts};
pub use files::{File, render, warnings};
pub use request::{
    AdmissionFailure, AuthzFailure, Client, Error, FailurePolicy, Name, Registered, Request, Rule, Rules,
    Service, Target, Url,
};
pub use rules::Wanted;

use super::Global;
use crate::gate::Gate;

/// Writes what registers Regate with a Kubernetes API server, and what takes it back
///
/// Ends with 0 if all is written, 1 if it is and nobody would enforce one of the policies, 2 if it could not be done.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory to write the files to
    #[arg(long, env = "REGATE_OUT", value_name = "DIR")]
    pub out: PathBuf,
    /// Address by which the API server reaches Regate
    #[arg(
        long,
        env = "REGATE_URL",
        value_name = "https://HOST:PORT",
        required_unless_present = "service",
        conflicts_with = "service"
    )]
    pub url: Option<Url>,
    /// Service by which the API server reaches Regate: for mutate and validate only
    #[arg(long, env = "REGATE_SERVICE", value_name = "NAMESPACE/NAME:PORT")]
    pub service: Option<Service>,
    /// Certificates (PEM) that vouch for Regate's own
    #[arg(long, env = "REGATE_CA", value_name = "FILE")]
    pub ca: PathBuf,
    /// Certificate (PEM) that the API server shows to Regate
    #[arg(
        long,
        env = "REGATE_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    pub client_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate that the API server shows
    #[arg(
        long,
        env = "REGATE_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    pub client_key: Option<PathBuf>,
    /// Directory in which the API server will find the files and the client's certificate and key, if they move
    #[arg(long, env = "REGATE_INSTALL_DIR", value_name = "DIR")]
    pub install_dir: Option<PathBuf>,
    /// Namespace that admission leaves alone, besides kube-system and Regate's own
    #[arg(
        long,
        env = "REGATE_EXEMPT_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ','
    )]
    pub exempt_namespace: Vec<Name>,
    /// What a gate does while Regate cannot be asked: validate=Fail|Ignore, mutate=Fail|Ignore, authz=Deny|NoOpinion
    #[arg(
        long,
        env = "REGATE_FAILURE_POLICY",
        value_name = "GATE=POLICY",
        value_delimiter = ','
    )]
    pub failure_policy: Vec<FailurePolicy>,
    /// Requests to ask admission about besides those that the policies' `match` means, like CONNECT:/pods/exec
    #[arg(long, env = "REGATE_RULE", value_name = "OPERATIONS:GROUP/RESOURCE")]
    pub rule: Vec<Rules>,
    /// Gate to register; by default each that has a policy
    #[arg(long, env = "REGATE_GATE", value_name = "GATE", value_delimiter = ',')]
    pub gate: Vec<Gate>,
}

/// Runs the command. Policies that cannot be loaded say nothing of what they need: nothing is written then.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let policies = global.resolve()?.config.policies;
    let Some(set) = super::load_policies(&policies, &super::outside::without_keys(&policies)?)? else {
        return Ok(ExitCode::from(2));
    };
    let registered = Registered::of(&set);
    std::fs::create_dir_all(&args.out).with_context(|| format!("--out {}", args.out.display()))?;
    let out = args
        .out
        .canonicalize()
        .with_context(|| format!("--out {}", args.out.display()))?;
    let request = request(args, &out, registered)?;
    let files = render(&request)?;
    for warning in warnings(&request) {
        writeln!(std::io::stderr(), "warning: {warning}")?;
    }
    for (name, content) in &files {
        let path = out.join(name);
        std::fs::write(&path, content).with_context(|| path.display().to_string())?;
        if *name == files::UNDO {
            executable(&path)?;
        }
        writeln!(std::io::stdout(), "{}", path.display())?;
    }
    let whole = cuts(&request).whole;
    for cut in &whole {
        writeln!(std::io::stderr(), "{cut}")?;
    }
    Ok(ExitCode::from(u8::from(!whole.is_empty())))
}

/// Makes a script of a file.
fn executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .with_context(|| path.display().to_string())
}

fn request(args: Args, out: &Path, registered: Registered) -> anyhow::Result<Request> {
    let target = match (args.url, args.service) {
        (_, Some(service)) => Target::Service(service),
        (Some(url), None) => Target::Url(url),
        (None, None) => anyhow::bail!("--url or --service is needed"),
    };
    if let Some(directory) = args
        .install_dir
        .as_ref()
        .filter(|directory| !directory.is_absolute())
    {
        return Err(Error::NotAbsolute(directory.clone()).into());
    }
    let client = match (&args.client_cert, &args.client_key) {
        (Some(certificate), Some(key)) => Some(client(certificate, key, args.install_dir.as_deref())?),
        _ => None,
    };
    let gates = if args.gate.is_empty() {
        by_default(&target, &registered)
    } else {
        args.gate.into_iter().collect()
    };
    Ok(Request {
        install_dir: args.install_dir.unwrap_or_else(|| out.to_owned()),
        target,
        ca: ca(&args.ca)?,
        client,
        exempt_namespaces: args.exempt_namespace.into_iter().collect(),
        failure_policies: args.failure_policy,
        rules: args.rule.into_iter().flat_map(|rules| rules.0).collect(),
        gates,
        registered,
    })
}

/// The gates that have a policy and that the API server reaches at the target.
fn by_default(target: &Target, registered: &Registered) -> BTreeSet<Gate> {
    let reached = |gate: &Gate| match target {
        Target::Service(_) => matches!(gate, Gate::Mutate | Gate::Validate),
        Target::Url(_) => true,
    };
    registered.gates.iter().copied().filter(reached).collect()
}

/// Reads the certificates that vouch for Regate's own; everyone may read them in the files.
fn ca(path: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = std::fs::read(path).with_context(|| format!("--ca {}", path.display()))?;
    let is_key = PrivateKeyDer::from_pem_slice(&pem).is_ok();
    ensure!(
        !is_key,
        "--ca {}: holds a private key, which must not get into the files",
        path.display()
    );
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.with_context(|| format!("--ca {}", path.display()))?;
    ensure!(
        !certificates.is_empty(),
        "--ca {}: holds no certificate",
        path.display()
    );
    Ok(pem)
}

/// Checks that certificate and key are what they should be, and says where the API server finds them.
fn client(certificate: &Path, key: &Path, install_dir: Option<&Path>) -> anyhow::Result<Client> {
    CertificateDer::from_pem_file(certificate)
        .with_context(|| format!("--client-cert {}", certificate.display()))?;
    PrivateKeyDer::from_pem_file(key).with_context(|| format!("--client-key {}", key.display()))?;
    Ok(Client {
        certificate: installed(certificate, install_dir)?,
        key: installed(key, install_dir)?,
    })
}

/// The path of a file on the API server's host: where it is now, or under its name in the directory it moves to.
fn installed(path: &Path, install_dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    // Not canonical: a mounted Secret is a symbolic link whose target goes away with the next certificate.
    let path = std::path::absolute(path).with_context(|| path.display().to_string())?;
    Ok(match (install_dir, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path,
    })
}
