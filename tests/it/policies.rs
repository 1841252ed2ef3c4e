//! `policies/` and the README in it: all of it is free of findings, each set loads as the README says, and every policy is
//! described there.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn readme() -> String {
    std::fs::read_to_string(Path::new(ROOT).join("policies/README.md")).unwrap()
}

/// Runs `regate` where `policies/` is.
fn regate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_regate"))
        .args(arguments)
        .current_dir(ROOT)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Gate and name of every policy of the repository.
fn policies() -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&out(&regate(&["check", "-o", "json", "policies"]))).unwrap();
    assert_eq!(report["findings"], serde_json::json!([]));
    let text = |policy: &Value, key: &str| policy[key].as_str().unwrap().to_owned();
    report["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| (text(policy, "gate"), text(policy, "name")))
        .collect()
}

#[test]
fn each_set_loads_as_the_readme_says_it_is_loaded() {
    let readme = readme();
    let commands: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split('`').find(|code| code.starts_with("--policy ")))
        .map(|flags| flags.split(' ').filter(|word| *word != "--policy").collect())
        .collect();
    assert!(commands.len() >= 8, "{commands:?}");
    for paths in commands {
        let printed = out(&regate(&[&["check"], paths.as_slice()].concat()));
        assert!(printed.contains("nothing found"), "{paths:?}: {printed}");
    }
}

#[test]
fn every_policy_is_described_in_the_readme() {
    let readme = readme();
    let roots = [
        ("authn", "authentication"),
        ("authz", "authorization"),
        ("image", "image"),
        ("mutate", "mutation"),
        ("validate", "admission"),
    ];
    let policies = policies();
    assert!(policies.len() >= 40, "{policies:?}");
    for (gate, name) in policies {
        let (_, root) = roots.iter().find(|(of, _)| *of == gate).unwrap();
        let described = match name.rsplit_once('.') {
            // One row for all controls of a level, and one for all instances of a package.
            Some((level, control)) if level.starts_with("pod_security.") => readme.lines().any(|line| {
                line.contains(&format!(".{level}.*`")) && line.contains(&format!(" `{control}` "))
            }),
            Some(("required_labels", _)) => readme.contains("`kubernetes.admission.required_labels`"),
            _ => readme.contains(&format!("`kubernetes.{root}.{name}`")),
        };
        assert!(described, "{gate}/{name} is not in policies/README.md");
    }
}

#[test]
fn the_example_of_settings_is_taken() {
    let readme = readme();
    let example = readme
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("regate.yaml");
    std::fs::write(&file, example).unwrap();
    let check = ["check", "-o", "json", "--config", file.to_str().unwrap()];
    let report: Value = serde_json::from_str(&out(&regate(&check))).unwrap();
    let enforcement = |name: &str| {
        report["policies"]
            .as_array()
            .unwrap()
            .iter()
            .find(|policy| policy["name"] == name)
            .map(|policy| policy["enforcement"].clone())
    };
    assert_eq!(
        enforcement("pod_security.baseline.host_path"),
        Some("warn".into())
    );
    assert_eq!(enforcement("tenants.own_namespaces"), Some("deny".into()));
}
