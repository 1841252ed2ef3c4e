//! The README's way of registering Regate, and the way back, command by command as they stand there.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use crate::control_plane::ControlPlane;
use crate::gates::{pod, with};
use crate::process::{Process, free_port};
use crate::stage::{PROGRAM, Stage};

super::cases![the_readme_registers_admission_and_takes_it_back];

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The commands of the README from the first one that has `first` in it, in order.
fn commands_from(first: &str) -> Result<Vec<String>> {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md"))?;
    let blocks = readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(str::to_owned);
    let commands: Vec<_> = lines.skip_while(|line| !line.contains(first)).collect();
    ensure!(!commands.is_empty(), "the README has no `{first}`");
    Ok(commands)
}

fn the_readme_registers_admission_and_takes_it_back(stage: &Stage) -> Result<()> {
    let desk = TempDir::with_prefix("regate-readme-")?;
    let (desk, bin) = (desk.path(), desk.path().join("bin"));
    std::fs::create_dir(&bin)?;
    symlink(PROGRAM, bin.join("regate"))?;
    symlink(Path::new(ROOT).join("policies"), desk.join("policies"))?;
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    // The README's port may be taken.
    let address = format!("127.0.0.1:{}", free_port()?);

    let mut server = None;
    let mut plane: Option<ControlPlane> = None;
    for line in commands_from("regate cert")? {
        let line = line.replace("127.0.0.1:8443", &address);
        let mut shell = Command::new("sh");
        shell
            .args(["-ec", &format!("exec {line}")])
            .current_dir(desk)
            .env("PATH", &path);
        if line.contains(" serve ") {
            shell
                .env("REGATE_LISTEN", &address)
                .env("REGATE_PROBE_LISTEN", "127.0.0.1:0");
            server = Some(Process::start("regate", &mut shell, &desk.join("regate.log"))?);
        } else if line.starts_with("regate ") {
            let output = shell.output()?;
            ensure!(output.status.success(), "{line}: {output:?}");
        } else {
            // From here on there is an API server with the flags that were written.
            let new = plane.is_none();
            let plane = match &mut plane {
                Some(plane) => plane,
                none => none.insert(registered(stage, desk, &bin)?),
            };
            let said = plane.admin().shell(&mut shell, &line)?;
            if new {
                assert_refuses_and_admits(plane, &said)?;
            } else {
                let left = "get mutatingwebhookconfigurations,validatingwebhookconfigurations -o name";
                assert_eq!(plane.admin().must(left)?, "");
                let flags = flags(desk)?;
                assert!(
                    !flags.is_empty() && flags.iter().all(|flag| said.contains(flag)),
                    "{said}"
                );
            }
        }
    }
    server.context("the README starts no server")?.stop()?;
    Ok(())
}

/// The flags that the README tells to give an API server.
fn flags(desk: &Path) -> Result<Vec<String>> {
    let written = std::fs::read_to_string(desk.join("registration/kube-apiserver.flags"))?;
    let flags = written
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("--"));
    Ok(flags.map(str::to_owned).collect())
}

/// An API server with those flags; `kubectl` is on the path then, too.
fn registered(stage: &Stage, desk: &Path, bin: &Path) -> Result<ControlPlane> {
    let plane = ControlPlane::start(stage.etcd()?, &flags(desk)?)?;
    symlink(plane.kubectl(), bin.join("kubectl"))?;
    Ok(plane)
}

/// The starter policies are asked: a Pod is refused for its container, and another gets its defaults.
fn assert_refuses_and_admits(plane: &ControlPlane, said: &str) -> Result<()> {
    assert!(said.contains("created"), "{said}");
    let image = |pod| {
        with(
            pod,
            "/spec/containers/0/image",
            json!("registry.k8s.io/pause:3.10"),
        )
    };
    let good = with(
        image(pod("default", "good")),
        "/spec/containers/0/resources",
        json!({"limits": {"cpu": 1, "memory": "64Mi"}}),
    );
    let bad = with(
        good.clone(),
        "/spec/containers/0/securityContext",
        json!({"privileged": true}),
    );
    super::soon("a privileged Pod is refused", || {
        let printed = plane.admin().send("create --dry-run=server -f -", &bad)?;
        Ok(printed
            .stderr
            .contains("denied the request: [privileged] container"))
    })?;
    super::soon("a new Pod gets its defaults", || {
        let printed = plane.admin().send(
            "create --dry-run=server -o jsonpath={.metadata.labels.team} -f -",
            &good,
        )?;
        Ok(printed.stdout == "unassigned")
    })
}
