//! The real programs that the tests run against: kube-apiserver, kubectl, etcd and opa.
//!
//! Each is looked for in `KUBEBUILDER_ASSETS`, then in Regate's cache outside the checkout, and is otherwise built by
//! Go from the module files under `go/`, which pin every version. A file lock makes several test processes build once,
//! a rename makes the cache hold whole programs only. The file uses nothing else of the tests, so that any target can
//! include it by `#[path]`.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Where the Go modules that name the programs are kept.
const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/go");

/// How often a running build says that it is still running.
const PROGRESS: Duration = Duration::from_secs(10);

/// A program that the tests run, and how it is built.
#[derive(Debug)]
pub(crate) struct Binary {
    name: &'static str,
    version: &'static str,
    module: &'static str,
    package: &'static str,
    ldflags: &'static str,
    usually: &'static str,
}

/// The API server.
pub(crate) const KUBE_APISERVER: Binary = Binary {
    name: "kube-apiserver",
    version: "1.36.3",
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    ldflags: KUBERNETES_LDFLAGS,
    usually: "eight minutes on two cores",
};

/// The client whose output the tests assert on.
pub(crate) const KUBECTL: Binary = Binary {
    name: "kubectl",
    version: "1.36.3",
    module: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kubectl",
    ldflags: KUBERNETES_LDFLAGS,
    usually: "one minute after kube-apiserver, three alone",
};

/// The API server's store.
pub(crate) const ETCD: Binary = Binary {
    name: "etcd",
    version: "3.7.3",
    module: "etcd",
    package: "go.etcd.io/etcd/server/v3",
    ldflags: "-s -w",
    usually: "one minute on two cores",
};

/// The reference implementation of Rego.
pub(crate) const OPA: Binary = Binary {
    name: "opa",
    version: "1.22.2",
    module: "opa",
    package: "github.com/open-policy-agent/opa",
    ldflags: "-s -w",
    usually: "two minutes on two cores",
};

/// What OPA's compiler says of thousands of modules in one process: a program of ours over OPA's own packages. Another
/// source of it needs another version.
#[allow(dead_code, reason = "for the comparison with `opa check` only")]
pub(crate) const OPA_COMPILE: Binary = Binary {
    name: "opa-compile",
    version: "1.22.2-1",
    module: "opa",
    package: "./compile",
    ldflags: "-s -w",
    usually: "half a minute after opa, two alone",
};

/// Without these a build from a module calls itself v0.0.0.
const KUBERNETES_LDFLAGS: &str = "-s -w \
    -X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=36";

impl Binary {
    /// Why the program can neither be found nor built on this machine; nothing when it can.
    pub(crate) fn unavailable(&self) -> Option<String> {
        if self.ready().is_some() || go_works() {
            return None;
        }
        Some(format!(
            "{} {} is neither in KUBEBUILDER_ASSETS nor at {}, and there is no Go toolchain to build it",
            self.name,
            self.version,
            self.cached().display()
        ))
    }

    /// The program's path; built first when it is nowhere.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        if let Some(ready) = self.ready() {
            return Ok(ready);
        }
        if let Some(reason) = self.unavailable() {
            bail!(reason);
        }
        let target = self.cached();
        let directory = target.parent().context("the cache has a directory")?;
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let lock = File::create(directory.join("build.lock")).context("cannot create the build's lock")?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            progress(&format!(
                "waiting for another process that builds; wanted: {}",
                self.name
            ));
        }
        lock.lock().context("cannot take the build's lock")?;
        if !target.is_file() {
            self.build(&target)?;
        }
        Ok(target)
    }

    fn ready(&self) -> Option<PathBuf> {
        let assets = env::var_os("KUBEBUILDER_ASSETS").map(|assets| Path::new(&assets).join(self.name));
        assets
            .into_iter()
            .chain([self.cached()])
            .find(|path| path.is_file())
    }

    fn cached(&self) -> PathBuf {
        cache().join(format!("{}-{}", self.name, self.version))
    }

    fn build(&self, target: &Path) -> Result<()> {
        let started = Instant::now();
        progress(&format!(
            "building {} {} (usually {}, once; it is kept at {})",
            self.name,
            self.version,
            self.usually,
            target.display()
        ));
        let unfinished = target.with_added_extension("unfinished");
        let log = target.with_added_extension("log");
        let output = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let build = Command::new("go")
            .args([
                "build",
                "-trimpath",
                "-mod=readonly",
                "-ldflags",
                self.ldflags,
                "-o",
            ])
            .arg(&unfinished)
            .arg(self.package)
            .current_dir(Path::new(MODULES).join(self.module))
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "")
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("cannot share the build's log")?)
            .stderr(output)
            .spawn()
            .context("cannot start go")?;
        if !self.watch(build, started)?.success() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!("go could not build {}:\n{said}", self.name);
        }
        fs::rename(&unfinished, target).with_context(|| format!("cannot write {}", target.display()))?;
        fs::remove_file(&log).with_context(|| format!("cannot remove {}", log.display()))?;
        progress(&format!(
            "built {} in {} s",
            self.name,
            started.elapsed().as_secs()
        ));
        Ok(())
    }

    fn watch(&self, mut build: Child, started: Instant) -> Result<ExitStatus> {
        let mut said = started;
        loop {
            if let Some(status) = build.try_wait().context("cannot wait for go")? {
                return Ok(status);
            }
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                progress(&format!(
                    "building {}: {} s so far",
                    self.name,
                    started.elapsed().as_secs()
                ));
            }
            thread::park_timeout(Duration::from_millis(200));
        }
    }
}

fn cache() -> PathBuf {
    let home = || Path::new(&env::var_os("HOME").unwrap_or_else(|| OsString::from("."))).join(".cache");
    let base = env::var_os("XDG_CACHE_HOME").filter(|base| !base.is_empty());
    base.map_or_else(home, PathBuf::from).join("regate").join("bin")
}

fn go_works() -> bool {
    let version = Command::new("go")
        .arg("version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

#[expect(
    clippy::print_stderr,
    reason = "whoever started the tests sees what takes so long"
)]
fn progress(line: &str) {
    eprintln!("regate tests: {line}");
}
