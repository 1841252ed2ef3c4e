//! The same modules in OPA and in Regate, where the engine by itself would decide otherwise.
//!
//! Each case is the body of a rule (or rules) in a package of its own; all packages are evaluated by one run of OPA,
//! and each has to deny with the same messages in both.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use regate::policy::engine::{Context, Document, Limits};
use regate::policy::files::{Files, RegoFile};
use regate::policy::load::load;
use regate::policy::{Evaluate, PolicySet};
use serde_json::{Value, json};

use self::bodies::BODIES;
use self::modules::{LIBRARY, MODULES, OLD, PREAMBLE};
use crate::binaries;

mod bodies;
mod modules;

fn input() -> Value {
    json!({
        "who": "jane", "key": "b", "mixed": [{"k": "a"}, {"k": "b", "n": "nn"}, {"k": "c"}], "nothing": null, "pairs": [[1, 2], [3, 4]], "list": ["x", "y"], "lists": [["x"], ["y", "z"], []],
        "objs": {"a": {"k": "a"}, "b": {"k": "b"}}, "names": {"A": 1, "a": "x"},
        "a": {"b": "xyz", "n": 5, "f": false, "list": {"0": true}},
    })
}

fn modules() -> Vec<RegoFile> {
    let rules = |body: &&str| format!("deny contains \"x\" if {{\n  {body}\n}}");
    let today = BODIES
        .iter()
        .map(rules)
        .chain(MODULES.iter().map(|rules| (*rules).to_owned()));
    let today = today.map(|rules| (rules, PREAMBLE, false));
    let old = OLD.iter().map(|rules| ((*rules).to_owned(), "", true));
    let module = |(number, (rules, preamble, v0)): (usize, (String, &str, bool))| {
        // What is imported comes first.
        let (imports, rules) = match rules.split_once("\ndeny") {
            Some((imports, rules)) if imports.starts_with("import") => {
                (format!("{imports}\n"), format!("deny{rules}"))
            }
            _ => (String::new(), rules),
        };
        let directory = if v0 { "v0/" } else { "" };
        RegoFile {
            path: format!("{directory}{number}.rego"),
            text: format!("package kubernetes.admission.case{number}\n{imports}{rules}\n{preamble}"),
            is_test: false,
            v0,
        }
    };
    today.chain(old).enumerate().map(module).collect()
}

/// Denies with the same messages as OPA does.
pub(crate) fn same() -> Result<()> {
    let (mut modules, mut expected) = (modules(), BTreeMap::new());
    for v0 in [false, true] {
        expected.extend(in_opa(&modules, v0)?);
    }
    let refused: Vec<_> = modules
        .iter()
        .filter(|module| !expected.contains_key(&name(module)))
        .map(|module| module.path.clone())
        .collect();
    ensure!(refused.is_empty(), "OPA knows nothing of {refused:?}");
    let mut different = Vec::new();
    modules.push(RegoFile {
        path: "lib.rego".into(),
        text: LIBRARY.replace(" { true }", ""),
        is_test: false,
        v0: false,
    });
    let files = Files {
        modules: modules.clone(),
        ..Files::default()
    };
    let set = load(&files).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    for module in modules.iter().filter(|module| module.path != "lib.rego") {
        let (ours, theirs) = (ours(&set, &name(module)), expected.get(&name(module)));
        if ours.as_ref().ok() != theirs {
            different.push(format!(
                "{}\nOPA: {theirs:?}\nRegate: {ours:?}\n",
                module.text.replace(PREAMBLE, "")
            ));
        }
    }
    ensure!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
    Ok(())
}

fn name(module: &RegoFile) -> String {
    let digits: String = module.path.chars().filter(char::is_ascii_digit).collect();
    let digits = if module.v0 {
        digits.get(1..).unwrap_or_default()
    } else {
        &digits
    };
    format!("case{digits}")
}

/// What each package denies in OPA.
fn in_opa(modules: &[RegoFile], v0: bool) -> Result<BTreeMap<String, Vec<Value>>> {
    let directory = tempfile::tempdir()?;
    for module in modules.iter().filter(|module| module.v0 == v0) {
        fs::write(
            directory.path().join(format!("{}.rego", name(module))),
            &module.text,
        )?;
    }
    fs::write(
        directory.path().join("lib.rego"),
        LIBRARY.replace(if v0 { "" } else { " { true }" }, ""),
    )?;
    let input_file = directory.path().join("input.json");
    fs::write(&input_file, input().to_string())?;
    let mut command = Command::new(binaries::OPA.path()?);
    command.args(["eval", "--format", "json", "data.kubernetes.admission", "--input"]);
    command.arg(&input_file).arg("--data").arg(directory.path());
    if v0 {
        command.arg("--v0-compatible");
    }
    let output = command.output().context("cannot run opa")?;
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let packages = answer
        .pointer("/result/0/expressions/0/value")
        .and_then(Value::as_object)
        .with_context(|| format!("OPA refuses a case: {answer:#}"))?;
    let denials = |rules: &Value| {
        rules
            .get("deny")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    Ok(packages
        .iter()
        .map(|(name, rules)| (name.clone(), denials(rules)))
        .collect())
}

/// What a policy of ours denies.
fn ours(set: &PolicySet, name: &str) -> Result<Vec<Value>> {
    let policy = set.policies().iter().find(|policy| policy.name == name);
    let policy = policy.with_context(|| format!("no policy {name}"))?;
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(10),
        context: Context::default(),
    };
    let outcome = set.evaluate(policy, &Document::from_json(&input()), &limits)?;
    let mut messages: Vec<_> = outcome
        .deny
        .into_iter()
        .map(|message| json!(message.msg))
        .collect();
    messages.sort_by_key(Value::to_string);
    Ok(messages)
}
