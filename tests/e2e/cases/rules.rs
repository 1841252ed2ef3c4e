//! The rules that `regate manifests` makes of `match`: whatever policies write there, an API server takes the result.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::stage::{PROGRAM, Stage};

super::cases![an_api_server_takes_the_rules_of_any_match];

/// Each by itself and all together: parts of one another, globs, and what no rule can say.
const MATCHES: [&str; 10] = [
    "{kinds: [Pod, apps/Deployment]}",
    "{resources: ['pods/*', pods, pods/exec, '*/scale'], operations: [UPDATE, CONNECT]}",
    "{apiGroups: ['', apps], resources: ['*', pods/exec, 'po*/ex*']}",
    "{apiGroups: ['*.example.com'], resources: [widgets, 'widgets/s*'], operations: [DELETE]}",
    "{apiGroups: [example.com], resources: ['*/*'], operations: [CREATE]}",
    "{resources: ['*/*']}",
    "{operations: ['*']}",
    "{namespaces: [shop]}",
    "{kinds: []}",
    "{kinds: [Service], apiGroups: [apps]}",
];

fn an_api_server_takes_the_rules_of_any_match(stage: &Stage) -> Result<()> {
    let plane = stage.plain()?;
    let desk = TempDir::with_prefix("regate-rules-")?;
    let desk = desk.path();
    run(desk, &["cert", "certificates"], &[0])?;
    let policies = desk.join("policies");
    std::fs::create_dir(&policies)?;
    let alone = MATCHES.map(|one| vec![one]).into_iter();
    for matches in alone.chain([MATCHES.to_vec()]) {
        for (number, one) in matches.iter().enumerate() {
            let text = format!(
                "# METADATA\n# custom:\n#   match: {one}\npackage kubernetes.admission.p{number}\ndeny contains \"x\"\n"
            );
            std::fs::write(policies.join(format!("{number}.rego")), text)?;
        }
        let target = ["--url", "https://127.0.0.1:8443", "--ca", "certificates/ca.crt"];
        // 1 where no review can be what a policy is about; the files are written all the same.
        run(
            desk,
            &[&["manifests", "--out", "out"], target.as_slice()].concat(),
            &[0, 1],
        )?;
        let file = desk.join("out/validating.yaml");
        let line = format!("create --dry-run=server -f {}", file.display());
        let said = plane.admin().must(&line);
        let said = said.with_context(|| {
            format!(
                "{matches:?}\n{}",
                std::fs::read_to_string(&file).unwrap_or_default()
            )
        })?;
        assert!(said.ends_with("regate created (server dry run)"), "{said}");
    }
    Ok(())
}

fn run(desk: &Path, arguments: &[&str], codes: &[i32]) -> Result<()> {
    let output = Command::new(PROGRAM).args(arguments).current_dir(desk).output()?;
    let ended = output.status.code().is_some_and(|code| codes.contains(&code));
    ensure!(ended, "{arguments:?}: {output:?}");
    Ok(())
}
