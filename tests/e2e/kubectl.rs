//! The client of the tests: a real kubectl with a kubeconfig and a home of its own.
//!
//! Tests assert on what it prints and how it exits, because that is what a user sees. It never reads the kubeconfig or
//! the cache of whoever runs the tests.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::without_proxy;

/// A kubectl that acts as one user of one control plane.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

/// What kubectl printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Printed {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output without the last newline.
    pub(crate) stdout: String,
    /// Standard error without the last newline.
    pub(crate) stderr: String,
}

impl Kubectl {
    /// A kubectl with this kubeconfig, which keeps its caches in `home`.
    pub(crate) fn new(program: &Path, kubeconfig: &Path, home: &Path) -> Self {
        Self {
            program: program.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            home: home.to_owned(),
        }
    }

    /// Runs a command line, split at spaces: `get pods -n demo`.
    pub(crate) fn run(&self, line: &str) -> Result<Printed> {
        self.execute(line, None)
    }

    /// Runs a command line that reads an object from standard input: `create -f -`.
    pub(crate) fn send(&self, line: &str, object: &Value) -> Result<Printed> {
        self.execute(line, Some(&object.to_string()))
    }

    /// The same for an object that is written as nothing here would write it.
    pub(crate) fn send_text(&self, line: &str, object: &str) -> Result<Printed> {
        self.execute(line, Some(object))
    }

    /// Runs a command line that must succeed and gives its standard output.
    pub(crate) fn must(&self, line: &str) -> Result<String> {
        self.run(line)?.succeeded(line)
    }

    /// Sends an object with a command line that must succeed and gives its standard output.
    pub(crate) fn must_send(&self, line: &str, object: &Value) -> Result<String> {
        self.send(line, object)?.succeeded(line)
    }

    /// Runs a shell script that calls `$KUBECTL` and must succeed.
    pub(crate) fn script(&self, script: &Path) -> Result<String> {
        let mut shell = Command::new("sh");
        shell.arg(script).env("KUBECTL", &self.program);
        self.finish(&mut shell, None)?
            .succeeded(&script.display().to_string())
    }

    /// Runs a command that calls kubectl by itself and must succeed.
    pub(crate) fn shell(&self, command: &mut Command, line: &str) -> Result<String> {
        self.finish(command, None)?.succeeded(line)
    }

    /// Runs a command line in a directory, with programs to be found in another: plugins.
    pub(crate) fn with_plugins(&self, line: &str, directory: &Path, programs: &Path) -> Result<Printed> {
        let path = format!(
            "{}:{}",
            programs.display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let mut command = Command::new(&self.program);
        command
            .args(line.split_whitespace())
            .current_dir(directory)
            .env("PATH", path);
        self.finish(&mut command, None)
    }

    fn execute(&self, line: &str, input: Option<&str>) -> Result<Printed> {
        self.finish(Command::new(&self.program).args(line.split_whitespace()), input)
    }

    fn finish(&self, command: &mut Command, input: Option<&str>) -> Result<Printed> {
        let mut child = without_proxy(command)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start kubectl")?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin
                .write_all(input.as_bytes())
                .context("cannot write to kubectl")?;
        }
        let output = child.wait_with_output().context("cannot wait for kubectl")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
        Ok(Printed {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        })
    }
}

impl Printed {
    fn succeeded(self, line: &str) -> Result<String> {
        anyhow::ensure!(
            self.code == 0,
            "kubectl {line}: exit {}\n{}\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self.stdout)
    }
}
