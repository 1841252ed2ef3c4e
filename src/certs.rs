//! Making certificates: for `regate cert`, for a server that was given none, and for tests.
//!
//! One authority signs one certificate for the server and one for the API server as its client. Private keys exist
//! only in files with mode 0600, written by [`write()`], and in memory while they are made.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType, string::Ia5String,
};

/// The name in the client certificate, if none is asked for.
pub const CLIENT: &str = "kube-apiserver";

/// Clocks of two machines differ: what is made now is valid since an hour ago.
const SKEW: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Why no certificate was made or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator has to move them away, or to ask for overwriting.
    #[error("{} exists already: use another directory, or --force to overwrite it", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{}: {source}", file.display())]
    File {
        /// The file or directory.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A name cannot stand in a certificate.
    #[error("`{0}` cannot be a name in a certificate")]
    Name(String),
    /// A Service is not written as `NAME.NAMESPACE`.
    #[error("`{0}` is no Service: write NAME.NAMESPACE")]
    Service(String),
    /// The time until the end cannot be expressed.
    #[error("{0} days are too many")]
    TooLong(u32),
    /// The library that makes certificates failed.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// What certificates to make.
#[derive(Clone, Debug)]
pub struct Request {
    /// DNS names and addresses of the server besides those of this machine.
    pub hosts: Vec<String>,
    /// Services in front of the server, as `NAME.NAMESPACE`.
    pub services: Vec<String>,
    /// The client's name.
    pub client_name: String,
    /// Days until all of them expire.
    pub days: u32,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            services: Vec::new(),
            client_name: CLIENT.to_owned(),
            days: 365,
        }
    }
}

/// The files of a directory with certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The authority's certificate: what the API server trusts (`caBundle`), and `--client-ca`.
    pub ca: PathBuf,
    /// The authority's key: for signing more; no server needs it.
    pub ca_key: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's key.
    pub key: PathBuf,
    /// The client's certificate.
    pub client_certificate: PathBuf,
    /// The client's key.
    pub client_key: PathBuf,
}

impl Paths {
    /// The files in `directory`.
    pub fn of(directory: &Path) -> Self {
        Self {
            ca: directory.join("ca.crt"),
            ca_key: directory.join("ca.key"),
            certificate: directory.join("tls.crt"),
            key: directory.join("tls.key"),
            client_certificate: directory.join("client.crt"),
            client_key: directory.join("client.key"),
        }
    }

    /// All of them.
    pub fn all(&self) -> [&Path; 6] {
        [
            &self.ca,
            &self.ca_key,
            &self.certificate,
            &self.key,
            &self.client_certificate,
            &self.client_key,
        ]
    }
}

/// Makes an authority and two certificates, and writes them into `directory`; what is there is kept unless `force`.
pub fn write(directory: &Path, request: &Request, force: bool) -> Result<Paths, Error> {
    let paths = Paths::of(directory);
    if !force
        && let Some(existing) = paths
            .all()
            .into_iter()
            .find(|file| file.symlink_metadata().is_ok())
    {
        return Err(Error::Exists(existing.to_owned()));
    }
    if request.client_name.is_empty() {
        return Err(Error::Name(String::new()));
    }
    let authority = Authority::new("regate CA", Validity::days(request.days)?)?;
    let server = authority.issue(&server(request)?)?;
    let client = authority.issue(&Leaf {
        common_name: request.client_name.clone(),
        usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
        ..Leaf::new(Validity::days(request.days)?)
    })?;

    fs::create_dir_all(directory).map_err(|source| Error::File {
        file: directory.to_owned(),
        source,
    })?;
    write_file(&paths.ca, &authority.pem(), 0o644)?;
    write_file(&paths.ca_key, &authority.key_pem(), 0o600)?;
    write_file(&paths.certificate, &server.certificate, 0o644)?;
    write_file(&paths.key, &server.key, 0o600)?;
    write_file(&paths.client_certificate, &client.certificate, 0o644)?;
    write_file(&paths.client_key, &client.key, 0o600)?;
    Ok(paths)
}

fn server(request: &Request) -> Result<Leaf, Error> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(request.hosts.iter().cloned());
    for service in &request.services {
        match service.split('.').collect::<Vec<_>>().as_slice() {
            [name, namespace] if !name.is_empty() && !namespace.is_empty() => {
                let host = format!("{service}.svc");
                names.extend([service.clone(), format!("{host}.cluster.local"), host]);
            }
            _ => return Err(Error::Service(service.clone())),
        }
    }
    let mut leaf = Leaf {
        common_name: "regate".to_owned(),
        usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
        ..Leaf::new(Validity::days(request.days)?)
    };
    for name in names {
        let name = host_name(name)?;
        if !leaf.names.contains(&name) {
            leaf.names.push(name);
        }
    }
    Ok(leaf)
}

/// A DNS name or an address, as a certificate holds it.
fn host_name(name: String) -> Result<SanType, Error> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) if name.is_empty() => Err(Error::Name(name)),
        Err(_) => Ia5String::try_from(name.as_str())
            .map(SanType::DnsName)
            .map_err(|_| Error::Name(name)),
    }
}

fn write_file(file: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let failed = |source| Error::File {
        file: file.to_owned(),
        source,
    };
    // A file that is replaced would keep its old mode.
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)
        .map_err(failed)?;
    written.write_all(text.as_bytes()).map_err(failed)
}

/// From when to when a certificate holds.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// Not before this.
    pub not_before: SystemTime,
    /// Not after this.
    pub not_after: SystemTime,
}

impl Validity {
    /// From now on, for so many days.
    pub fn days(days: u32) -> Result<Self, Error> {
        let now = SystemTime::now();
        let end = DAY
            .checked_mul(days)
            .and_then(|time| now.checked_add(time))
            .ok_or(Error::TooLong(days))?;
        Ok(Self {
            not_before: now - SKEW,
            not_after: end,
        })
    }

    fn apply(self, params: &mut CertificateParams) {
        params.not_before = self.not_before.into();
        params.not_after = self.not_after.into();
    }
}

/// A certificate to sign.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The subject's common name; none if empty.
    pub common_name: String,
    /// Further names.
    pub names: Vec<SanType>,
    /// What it may be used for.
    pub usages: Vec<ExtendedKeyUsagePurpose>,
    /// How long it holds.
    pub validity: Validity,
}

impl Leaf {
    /// A certificate without name or use.
    pub fn new(validity: Validity) -> Self {
        Self {
            common_name: String::new(),
            names: Vec::new(),
            usages: Vec::new(),
            validity,
        }
    }
}

/// A signed certificate and its key, as PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// Signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with a key of its own.
    pub fn new(name: &str, validity: Validity) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = subject(name);
        validity.apply(&mut params);
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
        })
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Signs a certificate for a new key.
    pub fn issue(&self, leaf: &Leaf) -> Result<Issued, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&leaf.common_name);
        params.subject_alt_names.clone_from(&leaf.names);
        params.extended_key_usages.clone_from(&leaf.usages);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        leaf.validity.apply(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if !common_name.is_empty() {
        subject.push(DnType::CommonName, common_name);
    }
    subject
}

/// Certificates of a server that was given none, in a directory that only this user can enter. They are removed with
/// this value: nobody needs them after the server.
#[derive(Debug)]
pub struct Development {
    directory: PathBuf,
}

impl Development {
    /// Makes certificates for this machine and `addresses`.
    pub fn create(addresses: &[IpAddr]) -> Result<Self, Error> {
        let made = Self {
            directory: private_directory()?,
        };
        let hosts = addresses
            .iter()
            .filter(|address| !address.is_unspecified())
            .map(IpAddr::to_string)
            .collect();
        write(
            &made.directory,
            &Request {
                hosts,
                // Longer than any such server runs: it is not renewed.
                days: 365,
                ..Request::default()
            },
            false,
        )?;
        Ok(made)
    }

    /// The files.
    pub fn paths(&self) -> Paths {
        Paths::of(&self.directory)
    }
}

impl Drop for Development {
    fn drop(&mut self) {
        // A file that cannot be removed is one that somebody else removed or holds: no reason to fail while ending.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A new directory that nobody else can enter; somebody may have put other things under any name in advance.
fn private_directory() -> Result<PathBuf, Error> {
    let parent = std::env::temp_dir();
    let mut number = 0_u32;
    loop {
        let directory = parent.join(format!("regate-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => number += 1,
            Err(source) => {
                return Err(Error::File {
                    file: directory,
                    source,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
