//! A running `regate serve`: started on free ports with its own directory, asked over TLS, ended with the test.
//!
//! Used by the tests that need the real binary to serve. Paths in arguments are below the directory.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::serving::{Client, Options, PATIENCE, get};

pub(crate) struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
    probe_address: SocketAddr,
    /// The authority of the certificate that the server made.
    pub(crate) ca: PathBuf,
    /// Not in the directory: the server notices every change there.
    log: tempfile::NamedTempFile,
    directory: tempfile::TempDir,
}

impl Process {
    /// Starts it in a directory with these files, with these arguments.
    pub(crate) fn start(files: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::start_logging("info", files, arguments)
    }

    /// Starts it with a log of `level`, which is JSON.
    pub(crate) fn start_logging(level: &str, files: &[(&str, &str)], arguments: &[&str]) -> Self {
        let directory = directory(files);
        let command = command(directory.path(), arguments);
        Self::spawn(level, command, directory)
    }

    /// Starts it with no more than so many files that it may open.
    pub(crate) fn start_limited(files: usize, arguments: &[&str]) -> Self {
        let directory = directory(&[]);
        let whole = command(directory.path(), arguments);
        let mut limited = Command::new("sh");
        limited
            .args(["-c", &format!("ulimit -n {files}; exec \"$@\""), "sh"])
            .arg(whole.get_program())
            .args(whole.get_args())
            .current_dir(directory.path())
            .env("TMPDIR", directory.path())
            .env_remove("KUBERNETES_SERVICE_HOST")
            .stdout(Stdio::piped());
        Self::spawn("info", limited, directory)
    }

    fn spawn(level: &str, mut command: Command, directory: tempfile::TempDir) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut child = command
            .env("RUST_LOG", level)
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let Some((address, probe_address)) = addresses(&first) else {
            panic!("{first:?}: {}", read(log.path()))
        };
        let ca = authority(directory.path());
        Self {
            child,
            out,
            address,
            probe_address,
            ca,
            log,
            directory,
        }
    }

    /// A path below its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn client(&self) -> Client {
        self.connect(&Options::default())
    }

    pub(crate) fn connect(&self, options: &Options) -> Client {
        Client::connect(self.address, options.config(&self.ca), None).unwrap()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn probe_address(&self) -> SocketAddr {
        self.probe_address
    }

    /// What a probe is answered: status and body.
    pub(crate) fn probe(&self, target: &str) -> (u16, String) {
        let (status, _, body) = get(self.probe_address, target);
        (status, body)
    }

    /// How `regate status` ends when it is asked of this server, and what it prints.
    pub(crate) fn status(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_regate"))
            .args(["status", "--server", &format!("http://{}", self.probe_address)])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    /// The lines of the metrics that begin so.
    pub(crate) fn metrics(&self, start: &str) -> Vec<String> {
        let lines = self.probe("/metrics").1;
        lines
            .lines()
            .filter(|line| line.starts_with(start))
            .map(str::to_owned)
            .collect()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// How it ended, and what it printed after its first line.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let status = soon("it ends", || self.child.try_wait().unwrap());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (status, rest)
    }

    pub(crate) fn log(&self) -> String {
        read(self.log.path())
    }

    /// The log lines of an event.
    pub(crate) fn events(&self, event: &str) -> Vec<Value> {
        self.log()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["event"] == event)
            .collect()
    }

    /// The log lines of decisions, once there are so many.
    pub(crate) fn decisions(&self, count: usize) -> Vec<Value> {
        soon("the decisions are logged", || {
            Some(self.events("review")).filter(|lines| lines.len() >= count)
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, or it is killed: both are fine for a test that is over.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory with files.
pub(crate) fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

/// Where reviews and probes are answered, as the first line that a server prints says.
pub(crate) fn addresses(first: &str) -> Option<(SocketAddr, SocketAddr)> {
    let address = |scheme: &str| {
        let rest = first.split(scheme).nth(1)?;
        rest.split([',', ' ', '\n']).next()?.parse().ok()
    };
    Some((address("https://")?, address("http://")?))
}

/// The authority of the certificate that a server made in its directory.
pub(crate) fn authority(directory: &Path) -> PathBuf {
    let made = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    made.map(|path| path.join("ca.crt"))
        .find(|path| path.exists())
        .unwrap()
}

/// `regate serve` on free ports, not started yet.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regate"));
    if !arguments.contains(&"--log-format") {
        command.env("REGATE_LOG_FORMAT", "json");
    }
    command
        .arg("serve")
        .args(["--listen", "127.0.0.1:0", "--probe-listen", "127.0.0.1:0"])
        .args(arguments)
        .current_dir(directory)
        .env("TMPDIR", directory)
        // Nobody has to learn that it goes; a flag says otherwise.
        .env("REGATE_SHUTDOWN_DELAY", "0s")
        // Who runs the tests may run them in a cluster, which is none of theirs.
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LIB_BACKTRACE")
        .stdout(Stdio::piped());
    command
}

/// What a start that must fail ends with: its code, and what it tells on standard error. One that serves is ended.
pub(crate) fn refusal(files: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let directory = directory(files);
    let log = directory.path().join("log");
    let child = command(directory.path(), arguments)
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut ending = Ending(child);
    let status = ending.within(PATIENCE, || format!("it serves: {}", read(&log)));
    let mut out = String::new();
    ending.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(out, "");
    (status.code(), read(&log))
}

/// A process that ends with the test, however that ends.
pub(crate) struct Ending(pub(crate) Child);

impl Ending {
    /// How it ends, which it does in this time.
    pub(crate) fn within(&mut self, patience: Duration, otherwise: impl Fn() -> String) -> ExitStatus {
        let begin = Instant::now();
        loop {
            match self.0.try_wait().unwrap() {
                Some(status) => return status,
                None if begin.elapsed() > patience => panic!("{}", otherwise()),
                None => std::thread::park_timeout(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        // It has ended, or it is killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until there is a value.
pub(crate) fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()
}
