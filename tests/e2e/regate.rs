//! The server under test: certificates by `regate cert`, a policy directory to edit, `regate serve`, and what
//! `regate manifests` writes to register it. Only the commands that a user has are used; nothing is known of the inside.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::kubectl::Kubectl;
use crate::process::{Process, free_port, signal};

/// How long Regate may take to serve its first policy set.
const START: Duration = Duration::from_secs(30);

/// The name in the API server's client certificate, and the only one that Regate answers.
const CALLER: &str = "kube-apiserver";

/// A running `regate serve`, for which everything is registered by the address, not by a Service.
#[derive(Debug)]
pub(crate) struct Regate {
    process: Process,
    instance: Instance,
    directory: Arc<TempDir>,
}

/// What a server is started with, again and again.
#[derive(Debug)]
struct Instance {
    program: PathBuf,
    port: u16,
    probe_port: u16,
    flags: Vec<String>,
    log: PathBuf,
}

impl Regate {
    /// Serves the policies that `write` puts into a directory, with certificates of its own and further `flags`.
    pub(crate) fn start(
        program: &Path,
        flags: &[&str],
        write: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        Self::launch(program, flags, write)?.when("/readyz")
    }

    /// Runs without any policy: alive, and not ready.
    pub(crate) fn start_without_policies(program: &Path) -> Result<Self> {
        Self::start_alive(program, &[], |directory| Ok(fs::create_dir(directory)?))
    }

    /// Like [`Regate::start`], for a server that is not ready yet for a reason of its own.
    pub(crate) fn start_alive(
        program: &Path,
        flags: &[&str],
        write: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        Self::launch(program, flags, write)?.when("/livez")
    }

    /// The server when this probe passes.
    fn when(mut self, probe: &str) -> Result<Self> {
        self.wait(probe)?;
        Ok(self)
    }

    fn wait(&mut self, probe: &str) -> Result<()> {
        let port = self.instance.probe_port;
        self.process.wait_ready(START, || get(port, probe).is_ok())
    }

    fn launch(program: &Path, flags: &[&str], write: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let directory = TempDir::with_prefix("regate-serve-")?;
        write(&directory.path().join("policies"))?;
        let certificates = directory.path().join("certificates");
        command(program, &["cert", path(&certificates)?, "--client-name", CALLER])?;
        Self::serve(program, flags, Arc::new(directory), "regate.log")
    }

    fn serve(program: &Path, flags: &[&str], directory: Arc<TempDir>, log: &str) -> Result<Self> {
        let instance = Instance {
            program: program.to_owned(),
            port: free_port()?,
            probe_port: free_port()?,
            flags: owned(flags),
            log: directory.path().join(log),
        };
        Ok(Self {
            process: instance.start(directory.path())?,
            instance,
            directory,
        })
    }

    /// Kills the server, and starts it again at the same address with other flags; returns when `probe` passes. What it
    /// counts begins anew.
    pub(crate) fn restart(&mut self, flags: &[&str], probe: &str) -> Result<()> {
        self.kill()?;
        self.instance.flags = owned(flags);
        self.process = self.instance.start(self.directory.path())?;
        self.wait(probe)
    }

    /// Starts another server with the same policies and certificates.
    pub(crate) fn beside(&self, flags: &[&str]) -> Result<Self> {
        Self::serve(
            &self.instance.program,
            flags,
            Arc::clone(&self.directory),
            "beside.log",
        )?
        .when("/readyz")
    }

    /// Starts a server that has ended, where it was.
    pub(crate) fn again(&mut self) -> Result<()> {
        self.process = self.instance.start(self.directory.path())?;
        let port = self.instance.probe_port;
        self.process.wait_ready(START, || get(port, "/readyz").is_ok())
    }

    /// Where it answers reviews.
    pub(crate) fn port(&self) -> u16 {
        self.instance.port
    }

    /// Where it answers probes.
    pub(crate) fn probe_port(&self) -> u16 {
        self.instance.probe_port
    }

    /// The directory of the policies that are served; a change there is served at once.
    pub(crate) fn policies(&self) -> PathBuf {
        self.directory.path().join("policies")
    }

    /// Writes a policy while the server runs; beside its place first, so that no half file is ever read.
    pub(crate) fn write_policy(&self, file: &str, source: &str) -> Result<()> {
        let target = self.policies().join(file);
        let half = target.with_extension("half");
        fs::write(&half, source).with_context(|| format!("cannot write {}", half.display()))?;
        fs::rename(&half, &target).with_context(|| format!("cannot write {}", target.display()))
    }

    /// Writes the registration with `regate manifests`; `more` are further flags, `--rule` first of all.
    pub(crate) fn register(&self, more: &[&str]) -> Result<Registration> {
        self.register_at(self.instance.port, more)
    }

    /// The same, for a port behind which it is one of several.
    pub(crate) fn register_at(&self, port: u16, more: &[&str]) -> Result<Registration> {
        let directory = self.directory.path().join("registration");
        let certificates = self.directory.path().join("certificates");
        let (url, policies) = (format!("https://127.0.0.1:{port}"), self.policies());
        let (authority, certificate, key) = (
            certificates.join("ca.crt"),
            certificates.join("client.crt"),
            certificates.join("client.key"),
        );
        let mut arguments = vec![
            "manifests",
            "--out",
            path(&directory)?,
            "--policy",
            path(&policies)?,
        ];
        arguments.extend(["--url", &url, "--ca", path(&authority)?]);
        arguments.extend(["--client-cert", path(&certificate)?, "--client-key", path(&key)?]);
        arguments.extend(more);
        command(&self.instance.program, &arguments)?;
        Ok(Registration { directory })
    }

    /// Whether the server says that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        get(self.instance.probe_port, "/readyz").is_ok()
    }

    /// What it says when it is asked why it is ready or not.
    pub(crate) fn readiness(&self) -> Result<String> {
        ask(self.instance.probe_port, "/readyz?verbose").map(|(_, body)| body)
    }

    /// How many of the cluster's Namespaces it knows.
    pub(crate) fn known_namespaces(&self) -> Result<u64> {
        self.count("regate_replicated_objects{", &["resource=\"namespaces\""])
    }

    /// How many reviews a gate has answered, by the metrics.
    pub(crate) fn reviews(&self, gate: &str) -> Result<u64> {
        self.count("regate_requests_total{", &[&format!("gate=\"{gate}\"")])
    }

    /// How many of them with this code: that of the review where it has one, else of HTTP.
    pub(crate) fn answers(&self, gate: &str, code: u16) -> Result<u64> {
        let labels = [format!("gate=\"{gate}\""), format!("code=\"{code}\"")];
        self.count("regate_requests_total{", &labels.each_ref().map(String::as_str))
    }

    /// How often a policy of the validate gate came to this.
    pub(crate) fn outcomes(&self, policy: &str, enforcement: &str, outcome: &str) -> Result<u64> {
        let labels = [
            ("policy", policy),
            ("enforcement", enforcement),
            ("outcome", outcome),
        ];
        let labels = labels.map(|(label, value)| format!("{label}=\"{value}\""));
        self.count(
            "regate_policy_decisions_total{gate=\"validate\"",
            &labels.each_ref().map(String::as_str),
        )
    }

    /// How many changed policy sets were refused.
    pub(crate) fn refused_sets(&self) -> Result<u64> {
        self.count("regate_policy_reloads_total{", &["result=\"failure\""])
    }

    /// All of its metrics, as Prometheus gets them.
    pub(crate) fn metrics(&self) -> Result<String> {
        get(self.instance.probe_port, "/metrics")
    }

    /// The sum of the metric's series that have all of the labels.
    fn count(&self, metric: &str, labels: &[&str]) -> Result<u64> {
        let metrics = self.metrics()?;
        let wanted =
            |line: &&str| line.starts_with(metric) && labels.iter().all(|label| line.contains(label));
        let count = |line: &str| {
            line.rsplit(' ')
                .next()
                .and_then(|count| count.parse::<u64>().ok())
        };
        Ok(metrics.lines().filter(wanted).filter_map(count).sum())
    }

    /// Where its log is.
    #[allow(dead_code, reason = "only the playground shows it")]
    pub(crate) fn log_file(&self) -> &Path {
        self.process.log_file()
    }

    /// All of its log.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// The end of its log.
    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    /// Ends the server, as an outage would.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }

    /// Tells the server to stop, and waits until it has; how it ended.
    pub(crate) fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.stop()
    }

    /// Ends the server without telling it.
    pub(crate) fn kill(&mut self) -> Result<()> {
        signal(self.process.id(), "KILL")?;
        self.process.wait_end(START).map(drop)
    }

    /// Where reviews are answered.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.instance.port))
    }

    /// One of the certificates and keys: `ca.crt`, `client.crt`, `client.key`.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.directory.path().join("certificates").join(name)
    }
}

impl Instance {
    /// It answers the API server alone, unless the flags name somebody else.
    fn start(&self, directory: &Path) -> Result<Process> {
        let certificates = directory.join("certificates");
        let mut serve = Command::new(&self.program);
        serve
            .args(["serve", "--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--probe-listen", &format!("127.0.0.1:{}", self.probe_port)])
            .args(["--policy", path(&directory.join("policies"))?])
            .args(["--tls-cert", path(&certificates.join("tls.crt"))?])
            .args(["--tls-key", path(&certificates.join("tls.key"))?])
            .args(["--client-ca", path(&certificates.join("ca.crt"))?])
            .args(&self.flags)
            // Nobody has to learn that it goes; a flag says otherwise.
            .env("REGATE_SHUTDOWN_DELAY", "0s");
        if !self.flags.iter().any(|flag| flag == "--allow-client") {
            serve.args(["--allow-client", CALLER]);
        }
        if env::var_os("RUST_LOG").is_none() {
            // By default an allow is not worth a line.
            serve.env("RUST_LOG", "info,regate::decision=debug");
        }
        Process::start("regate", &mut serve, &self.log)
    }
}

/// The files that `regate manifests` wrote.
#[derive(Debug)]
pub(crate) struct Registration {
    directory: PathBuf,
}

impl Registration {
    /// The flags for kube-apiserver, as written.
    pub(crate) fn flags(&self) -> Result<Vec<String>> {
        let written = self.read("kube-apiserver.flags")?;
        let flags = written
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("--"));
        Ok(flags.map(str::to_owned).collect())
    }

    /// The path of one of the files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// One of the YAML files.
    pub(crate) fn document(&self, name: &str) -> Result<Value> {
        serde_saphyr::from_str(&self.read(name)?).with_context(|| format!("{name} is not YAML"))
    }

    /// Changes one of the YAML files, for a test that needs other settings than those that are written.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut document = self.document(name)?;
        change(&mut document);
        // JSON is YAML.
        fs::write(self.directory.join(name), document.to_string())
            .with_context(|| format!("cannot write {name}"))
    }

    /// Replaces a setting in one of the files, which must have it.
    pub(crate) fn replace(&self, name: &str, written: &str, wanted: &str) -> Result<()> {
        let content = self.read(name)?;
        ensure!(content.contains(written), "{name} has no {written}:\n{content}");
        fs::write(self.directory.join(name), content.replace(written, wanted))
            .with_context(|| format!("cannot write {name}"))
    }

    /// Registers both admission webhooks.
    pub(crate) fn apply_webhooks(&self, admin: &Kubectl) -> Result<()> {
        for name in ["mutating.yaml", "validating.yaml"] {
            admin.must(&format!("apply -f {}", path(&self.directory.join(name))?))?;
        }
        Ok(())
    }

    fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.directory.join(name)).with_context(|| format!("cannot read {name}"))
    }
}

/// Runs a command of Regate that must succeed.
fn command(program: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .context("cannot start regate")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "regate {}: {}\n{said}",
        arguments.join(" "),
        output.status
    );
    Ok(())
}

/// Asks the plain listener; an answer other than 200 is an error.
fn get(port: u16, target: &str) -> Result<String> {
    let (head, body) = ask(port, target)?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{target}: {head}");
    Ok(body)
}

/// Asks the plain listener; head and body of its answer.
fn ask(port: u16, target: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no head")?;
    Ok((head.to_owned(), body.to_owned()))
}

/// Copies a directory with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot copy {}", target.display()))?;
        }
    }
    Ok(())
}

fn owned(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path is not UTF-8")
}
