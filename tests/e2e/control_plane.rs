//! A real control plane on loopback: etcd and kube-apiserver, with certificates of its own and a kubectl for it.
//!
//! One etcd can carry several API servers, each under its own prefix. The playground includes this file too. No
//! kubelet, controller manager or scheduler runs: a Pod stays Pending, which is enough for every review. Dropping a
//! control plane stops its API server first and then, with the last one, etcd, and removes all files.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries;
use crate::kubectl::Kubectl;
use crate::pki::Pki;
use crate::process::{Process, free_port};

/// How long etcd and kube-apiserver may take to start, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(120);

/// The store of one or more API servers.
#[derive(Debug)]
pub(crate) struct Etcd {
    // Fields are dropped in this order: the process ends before its files go.
    _process: Process,
    url: String,
    _directory: TempDir,
}

impl Etcd {
    /// Starts etcd with an empty store.
    pub(crate) fn start() -> Result<Self> {
        let directory = TempDir::with_prefix("regate-etcd-")?;
        let (client, peer) = (free_port()?, free_port()?);
        let url = format!("http://127.0.0.1:{client}");
        let mut command = Command::new(binaries::ETCD.path()?);
        command
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &format!("http://127.0.0.1:{peer}")])
            .args(["--unsafe-no-fsync=true", "--log-level", "error"]);
        let mut process = Process::start("etcd", &mut command, &directory.path().join("etcd.log"))?;
        process.wait_ready(START, || TcpStream::connect(("127.0.0.1", client)).is_ok())?;
        Ok(Self {
            _process: process,
            url,
            _directory: directory,
        })
    }
}

/// Where an API server is to run, and who may talk to it: known before it does.
#[derive(Debug)]
pub(crate) struct Site {
    port: u16,
    url: String,
    pki: Pki,
    directory: TempDir,
}

impl Site {
    /// A free port, new certificates, and kubeconfigs for their holders.
    pub(crate) fn new() -> Result<Self> {
        let directory = TempDir::with_prefix("regate-apiserver-")?;
        let pki = Pki::create(&directory.path().join("pki"))?;
        let port = free_port()?;
        let url = format!("https://127.0.0.1:{port}");
        let site = Self {
            port,
            url,
            pki,
            directory,
        };
        for name in ["admin", "carol"] {
            let (certificate, key) = (
                site.pki.file(&format!("{name}.crt")),
                site.pki.file(&format!("{name}.key")),
            );
            let user = json!({"client-certificate": certificate, "client-key": key});
            site.write_kubeconfig(&site.kubeconfig(name), &[(name, user)])?;
        }
        Ok(site)
    }

    /// The kubeconfig of the holder of a certificate: `admin` or `carol`.
    pub(crate) fn kubeconfig(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.kubeconfig"))
    }

    /// Writes a kubeconfig with a context for each user, the first one being the current.
    pub(crate) fn write_kubeconfig(&self, path: &Path, users: &[(&str, Value)]) -> Result<()> {
        write_kubeconfig(path, &self.url, &self.pki, users)
    }

    fn start(&self, flags: &[String]) -> Result<Process> {
        let log = self.directory.path().join("kube-apiserver.log");
        Process::start(
            "kube-apiserver",
            Command::new(binaries::KUBE_APISERVER.path()?).args(flags),
            &log,
        )
    }
}

/// A running API server and who may talk to it.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    // Fields are dropped in this order: the API server needs etcd until its end.
    apiserver: Process,
    _etcd: Arc<Etcd>,
    flags: Vec<String>,
    kubectl: PathBuf,
    admin: Kubectl,
    carol: Kubectl,
    users: AtomicUsize,
    site: Site,
}

impl ControlPlane {
    /// Starts an API server under its own prefix in `etcd`, with `flags` added to those that every one here has, and
    /// waits until it is ready.
    pub(crate) fn start(etcd: Arc<Etcd>, flags: &[String]) -> Result<Self> {
        Self::start_at(Site::new()?, etcd, flags)
    }

    /// The same, where somebody has known the address before.
    pub(crate) fn start_at(site: Site, etcd: Arc<Etcd>, flags: &[String]) -> Result<Self> {
        let kubectl = binaries::KUBECTL.path()?;
        let holder = |name: &str| Kubectl::new(&kubectl, &site.kubeconfig(name), site.directory.path());
        let (admin, carol) = (holder("admin"), holder("carol"));
        let own = own_flags(&etcd, site.port, &site.pki, site.directory.path())?;
        let flags = [own.as_slice(), flags].concat();
        let mut plane = Self {
            apiserver: site.start(&flags)?,
            _etcd: etcd,
            flags,
            kubectl,
            admin,
            carol,
            users: AtomicUsize::new(0),
            site,
        };
        plane.wait_ready()?;
        Ok(plane)
    }

    /// Ends the API server, and starts it again after `meanwhile`.
    #[allow(dead_code, reason = "nobody restarts the playground")]
    pub(crate) fn restart(&mut self, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
        self.apiserver.stop()?;
        meanwhile()?;
        self.apiserver = self.site.start(&self.flags)?;
        self.wait_ready()
    }

    fn wait_ready(&mut self) -> Result<()> {
        let (port, admin) = (self.site.port, &self.admin);
        self.apiserver.wait_ready(START, || {
            TcpStream::connect(("127.0.0.1", port)).is_ok() && admin.must("get --raw /readyz").is_ok()
        })
    }

    /// The port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.site.port
    }

    /// The file of the authority that signed its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.site.pki.file("ca.crt")
    }

    /// kubectl as a member of `system:masters`, which no authorizer is asked about.
    pub(crate) fn admin(&self) -> &Kubectl {
        &self.admin
    }

    /// Where it listens, and the files of its authority and of the administrator's certificate and key.
    #[allow(dead_code, reason = "the playground asks by kubectl")]
    pub(crate) fn as_admin(&self) -> (SocketAddr, [PathBuf; 3]) {
        let files = ["ca.crt", "admin.crt", "admin.key"].map(|name| self.site.pki.file(name));
        (SocketAddr::from(([127, 0, 0, 1], self.site.port)), files)
    }

    /// kubectl as carol, an ordinary user whom the API server knows by her certificate, without asking Regate.
    pub(crate) fn carol(&self) -> &Kubectl {
        &self.carol
    }

    /// kubectl as whoever the API server takes the bearer of `token` for.
    pub(crate) fn bearer(&self, token: &str) -> Result<Kubectl> {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let directory = self.site.directory.path();
        let kubeconfig = directory.join(format!("bearer-{number}.kubeconfig"));
        self.site
            .write_kubeconfig(&kubeconfig, &[("bearer", json!({"token": token}))])?;
        Ok(Kubectl::new(&self.kubectl, &kubeconfig, directory))
    }

    /// Writes a kubeconfig for people: a context for the administrator, which is the current one, and one for each
    /// bearer of a token.
    #[allow(dead_code, reason = "only the playground has people")]
    pub(crate) fn write_kubeconfig(&self, path: &Path, bearers: &[(&str, &str)]) -> Result<()> {
        let pki = &self.site.pki;
        let (certificate, key) = (pki.file("admin.crt"), pki.file("admin.key"));
        let admin = json!({"client-certificate": certificate, "client-key": key});
        let bearers = bearers
            .iter()
            .map(|(name, token)| (*name, json!({"token": token})));
        let users: Vec<_> = [("admin", admin)].into_iter().chain(bearers).collect();
        self.site.write_kubeconfig(path, &users)
    }

    /// The kubectl that is used here.
    #[allow(dead_code, reason = "only the playground hands it on")]
    pub(crate) fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// The audit events of requests that are complete, one JSON object each.
    pub(crate) fn audit_events(&self) -> Result<Vec<Value>> {
        let log = fs::read_to_string(self.site.directory.path().join("audit.log"))
            .context("cannot read the audit log")?;
        // The last line may still be being written.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).context("an audit event is not JSON"))
            .collect()
    }
}

/// The flags that do not depend on how Regate is registered.
fn own_flags(etcd: &Etcd, port: u16, pki: &Pki, directory: &Path) -> Result<Vec<String>> {
    let audit_policy = directory.join("audit-policy.json");
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "None", "users": ["system:apiserver"]}, {"level": "Metadata"}],
    });
    fs::write(&audit_policy, policy.to_string()).context("cannot write the audit policy")?;
    let file = |name: &str| pki.file(name).display().to_string();
    Ok(vec![
        format!("--etcd-servers={}", etcd.url),
        format!("--etcd-prefix=/{port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", directory.display()),
        format!("--tls-cert-file={}", file("apiserver.crt")),
        format!("--tls-private-key-file={}", file("apiserver.key")),
        format!("--client-ca-file={}", file("ca.crt")),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        "--allow-privileged=true".to_owned(),
        // No controller makes the service accounts that this plugin would insist on.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        format!("--audit-policy-file={}", audit_policy.display()),
        format!("--audit-log-path={}", directory.join("audit.log").display()),
    ])
}

/// A context for each user, the first one being the current.
fn write_kubeconfig(path: &Path, server: &str, pki: &Pki, users: &[(&str, Value)]) -> Result<()> {
    let contexts = users
        .iter()
        .map(|(name, _)| json!({"name": name, "context": {"cluster": "e2e", "user": name}}));
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": {"server": server, "certificate-authority": pki.file("ca.crt")}}],
        "contexts": contexts.collect::<Vec<_>>(),
        "users": users.iter().map(|(name, user)| json!({"name": name, "user": user})).collect::<Vec<_>>(),
        "current-context": users.first().map(|(name, _)| name),
    });
    fs::write(path, kubeconfig.to_string()).with_context(|| format!("cannot write {}", path.display()))
}
