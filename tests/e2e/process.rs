//! A child process of the tests: started with a log file, watched until it is ready, stopped by its process id.
//!
//! Everything that the tests start goes through here, so that nothing outlives them: dropping a process sends SIGTERM
//! and, after a bound, SIGKILL. Each child leads a process group of its own, so that a Ctrl-C in the terminal reaches
//! only the tests, which then stop their children in the right order.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::future::select;
use tokio::signal::unix::{self, SignalKind};

/// How long a process may take from SIGTERM to its end before it is killed.
const GRACE: Duration = Duration::from_secs(15);

/// How many lines of a log a failure shows.
const TAIL: usize = 30;

/// The children that run now, in the order of their start.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A running child; stopped when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `log`, without the terminal's input and without proxies.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let errors = output
            .try_clone()
            .with_context(|| format!("cannot share {}", log.display()))?;
        let child = without_proxy(command)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        running().push(child.id());
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` holds; an end of the process or of the time is an error that shows the log's tail.
    pub(crate) fn wait_ready(&mut self, within: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + within;
        while !ready() {
            if let Some(status) = self.child.try_wait().context("cannot ask for the process")? {
                bail!(
                    "{} ended with {status} before it was ready:\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} was not ready within {} s:\n{}",
                    self.name,
                    within.as_secs(),
                    self.log_tail()
                );
            }
            thread::park_timeout(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Where what it writes goes.
    pub(crate) fn log_file(&self) -> &Path {
        &self.log
    }

    /// All that the process has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of what the process has written.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(TAIL))
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Asks the process to end and waits for it; kills it after a bound. Says how it ended.
    pub(crate) fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait().context("cannot ask for the process")? {
            return Ok(status);
        }
        signal(self.id(), "TERM")?;
        self.wait_end(GRACE)
    }

    /// Waits for the end of the process; kills it when the time is over.
    pub(crate) fn wait_end(&mut self, within: Duration) -> Result<ExitStatus> {
        let mut ended = None;
        wait_until(within, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some()
        });
        match ended {
            Some(status) => Ok(status),
            None => {
                self.child
                    .kill()
                    .with_context(|| format!("cannot kill {}", self.name))?;
                self.child
                    .wait()
                    .with_context(|| format!("cannot wait for {}", self.name))
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the kill at the bound cannot fail for a child of ours.
        let _ = self.stop();
        running().retain(|id| *id != self.child.id());
    }
}

/// Kills every child at once: for a test process that was told to end and will not come to its drops.
pub(crate) fn kill_all() {
    for id in running().iter().rev() {
        // One that has ended already cannot be told.
        let _ = signal(*id, "KILL");
    }
}

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the user or the system wants this process to end: Ctrl-C or SIGTERM, which then no longer end it by
/// themselves.
pub(crate) fn wait_for_end() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupt = unix::signal(SignalKind::interrupt())?;
        let mut terminate = unix::signal(SignalKind::terminate())?;
        select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
        Ok(())
    })
}

/// Sends a signal, by name, to one process.
pub(crate) fn signal(id: u32, name: &str) -> Result<()> {
    let sent = Command::new("kill")
        .args([format!("-{name}"), id.to_string()])
        .status();
    if !sent.context("cannot run kill")?.success() {
        bail!("cannot send SIG{name} to process {id}");
    }
    Ok(())
}

/// Everything runs on loopback: no proxy of the environment may see it.
pub(crate) fn without_proxy(command: &mut Command) -> &mut Command {
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    // Who runs the tests may run them in a cluster, which is none of theirs.
    command.env_remove("KUBERNETES_SERVICE_HOST");
    command.env("NO_PROXY", "127.0.0.1,localhost")
}

/// Asks for `condition` again and again until it holds or the time is over; says whether it held.
pub(crate) fn wait_until(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::park_timeout(Duration::from_millis(50));
    }
}

/// A loopback port that nobody listens on. It lies below the range from which the system takes ports for outgoing
/// connections, so that nothing takes it before the process that it is meant for.
pub(crate) fn free_port() -> Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let start = u16::try_from(process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap_or_default();
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(start) % COUNT;
        if TcpListener::bind(("127.0.0.1", FIRST + offset)).is_ok() {
            return Ok(FIRST + offset);
        }
    }
    bail!("no free port on loopback")
}
