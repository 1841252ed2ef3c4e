//! The two servers as processes: started with the same certificate, measured through `/proc`, ended on drop.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;

use crate::load::{Client, Reviews};

/// Linux counts CPU time in these, whatever its own clock: `getconf CLK_TCK`.
const TICKS_PER_SECOND: u64 = 100;

/// How long a server may take until its first answer.
const START: Duration = Duration::from_secs(30);

/// A self-signed certificate for 127.0.0.1, in files that both servers read.
pub(crate) struct Certificate {
    directory: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes the certificate and its key in a new directory.
    pub(crate) fn generate() -> Result<Certificate> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join("tls.crt"), made.cert.pem())?;
        fs::write(directory.path().join("tls.key"), made.signing_key.serialize_pem())?;
        Ok(Certificate {
            directory,
            der: made.cert.der().clone(),
        })
    }

    /// What the client trusts.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// A server that runs.
pub(crate) struct Server {
    name: &'static str,
    path: &'static str,
    address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts Regate with the validate gate alone.
    pub(crate) fn regate(binary: &Path, policies: &Path, certificate: &Certificate) -> Result<Server> {
        let (address, probes) = (free_address()?, free_address()?);
        let mut command = Command::new(binary);
        command
            .args([
                "serve",
                "--gate",
                "validate",
                "--insecure-allow-anonymous",
                "validate",
            ])
            .args([
                "--listen",
                &address.to_string(),
                "--probe-listen",
                &probes.to_string(),
            ])
            .args([Path::new("--policy"), policies])
            .args([Path::new("--tls-cert"), &certificate.file("tls.crt")])
            .args([Path::new("--tls-key"), &certificate.file("tls.key")])
            .env("RUST_LOG", "error")
            .env("RUST_LIB_BACKTRACE", "0");
        Server::start("regate", "/v1/validate", address, command)
    }

    /// Starts OPA, which answers an AdmissionReview posted to `/` with its decision `system/main`.
    pub(crate) fn opa(binary: &Path, policies: &[PathBuf], certificate: &Certificate) -> Result<Server> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command
            .args(["run", "--server", "--log-level", "error", "--skip-version-check"])
            .args(["--addr", &format!("https://{address}")])
            .args([Path::new("--tls-cert-file"), &certificate.file("tls.crt")])
            .args([Path::new("--tls-private-key-file"), &certificate.file("tls.key")])
            .args(policies);
        Server::start("opa", "/", address, command)
    }

    fn start(
        name: &'static str,
        path: &'static str,
        address: SocketAddr,
        mut command: Command,
    ) -> Result<Server> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Server {
            name,
            path,
            address,
            child,
        })
    }

    /// What the figures call the server.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The path that takes reviews.
    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the first right answers.
    pub(crate) async fn wait_until_ready(&self, certificate: &Certificate, reviews: &Reviews) -> Result<()> {
        let client = Client::new(self, certificate)?;
        let deadline = Instant::now() + START;
        loop {
            let Err(error) = client.once(reviews).await else {
                return Ok(());
            };
            if Instant::now() > deadline {
                bail!("{} did not answer within {START:?}: {error:#}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// CPU time of the process so far, of all its threads, in user and kernel mode.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .with_context(|| format!("{} has ended", self.name))?;
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has no name")?;
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<_, _>>()
            .context("/proc/PID/stat has no times")?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?)
}
