//! `regate capabilities` beside the real OPA: each builtin is declared as there, and OPA that is told of no more than
//! that refuses a policy if and only if loading does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use regate::policy::files::{Files, RegoFile};
use regate::policy::load::load;
use serde_json::Value;

use crate::binaries;

/// What OPA does not have.
const OURS: [&str; 1] = ["regate.jwks"];

/// What OPA's own capabilities are, by name.
fn theirs() -> Result<BTreeMap<String, Value>> {
    let output = Command::new(binaries::OPA.path()?)
        .args(["capabilities", "--current"])
        .output()
        .context("cannot run opa")?;
    by_name(serde_json::from_slice(&output.stdout)?)
}

/// What the binary prints.
fn printed() -> Result<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_regate"))
        .arg("capabilities")
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).context("the capabilities are no JSON")
}

fn by_name(mut capabilities: Value) -> Result<BTreeMap<String, Value>> {
    let builtins = capabilities.get_mut("builtins").map(Value::take);
    let builtins = builtins
        .as_ref()
        .and_then(Value::as_array)
        .context("no builtins")?;
    let named = |builtin: &Value| {
        let name = builtin.get("name").and_then(Value::as_str)?.to_owned();
        Some((name, undocumented(builtin.clone())))
    };
    Ok(builtins.iter().filter_map(named).collect())
}

/// A builtin without what is said of it for people; the names of operands are that, too.
fn undocumented(mut builtin: Value) -> Value {
    if let Some(members) = builtin.as_object_mut() {
        members.remove("categories");
        members.remove("description");
    }
    if let Some(decl) = builtin.get_mut("decl") {
        let operands = decl.get_mut("args").and_then(Value::as_array_mut);
        operands.into_iter().flatten().for_each(without_names);
        decl.get_mut("result").into_iter().for_each(without_names);
    }
    builtin
}

fn without_names(value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        members.remove("description");
        members.remove("name");
    }
}

pub(crate) fn declarations() -> Result<()> {
    let (ours, theirs) = (by_name(printed()?)?, theirs()?);
    ensure!(ours.len() > 150, "only {} builtins", ours.len());
    for (name, builtin) in &ours {
        if OURS.contains(&name.as_str()) {
            ensure!(!theirs.contains_key(name), "OPA has {name} now");
            continue;
        }
        let opa = theirs.get(name).with_context(|| format!("OPA has no {name}"))?;
        ensure!(builtin == opa, "{name}\nOPA: {opa}\nRegate: {builtin}");
    }
    Ok(())
}

/// A policy that calls a builtin on what the input has.
fn policy(name: &str, builtin: &Value) -> RegoFile {
    let operands = builtin.pointer("/decl/args").and_then(Value::as_array);
    let operands = (0..operands.map_or(0, Vec::len)).map(|number| format!("input.operand{number}"));
    let call = format!("{name}({})", operands.collect::<Vec<_>>().join(", "));
    let package = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    // What iterates gives its results to what is matched with them.
    let body = match builtin.get("relation") {
        Some(_) => call.replace(')', ", x)"),
        None => format!("x := {call}"),
    };
    RegoFile {
        path: format!("{package}.rego"),
        text: format!(
            "package kubernetes.admission.of_{package}\n\ndeny contains \"x\" if {{\n\t{body}\n\tx == 1\n}}\n"
        ),
        is_test: false,
        v0: false,
    }
}

pub(crate) fn accepted() -> Result<()> {
    let capabilities = printed()?;
    let mut builtins = theirs()?;
    builtins.extend(by_name(capabilities.clone())?);
    // Operators are not called by their names, and what has no result has no place in this policy.
    builtins.retain(|name, builtin| {
        builtin.get("infix").is_none()
            && builtin.pointer("/decl/result").is_some()
            && !name.starts_with("internal.")
    });
    let policies: Vec<RegoFile> = builtins
        .iter()
        .map(|(name, builtin)| policy(name, builtin))
        .collect();
    let refused = refused_by_opa(&policies, &capabilities)?;
    ensure!(
        refused.len() > 10 && refused.len() + 100 < policies.len(),
        "OPA refuses {refused:?}"
    );
    for policy in &policies {
        let files = Files {
            modules: vec![policy.clone()],
            ..Files::default()
        };
        let ours = load(&files).err().unwrap_or_default();
        ensure!(
            ours.is_empty() != refused.contains(&policy.path),
            "{}: OPA {}, but here {ours:?}",
            policy.text,
            if ours.is_empty() {
                "refuses it"
            } else {
                "accepts it"
            },
        );
    }
    Ok(())
}

/// The policies in which OPA finds something, told of these capabilities. It ends at the first kind of mistake that it
/// finds in any of them, so it is asked again about the others.
fn refused_by_opa(policies: &[RegoFile], capabilities: &Value) -> Result<BTreeSet<String>> {
    let directory = tempfile::tempdir()?;
    let written = directory.path().join("capabilities.json");
    fs::write(&written, capabilities.to_string())?;
    let folder = directory.path().join("policies");
    fs::create_dir(&folder)?;
    for policy in policies {
        fs::write(folder.join(&policy.path), &policy.text)?;
    }
    let mut refused = BTreeSet::new();
    loop {
        let output = Command::new(binaries::OPA.path()?)
            .args([
                "check",
                "--max-errors",
                "100000",
                "--format",
                "json",
                "--capabilities",
            ])
            .args([&written, &folder])
            .output()
            .context("cannot run opa")?;
        if output.status.success() {
            return Ok(refused);
        }
        let told: Value = serde_json::from_slice(&output.stderr).context("what OPA refuses is no JSON")?;
        let errors = told
            .get("errors")
            .and_then(Value::as_array)
            .context("no errors")?;
        let before = refused.len();
        for error in errors {
            let path = error.pointer("/location/file").and_then(Value::as_str);
            let name = path
                .and_then(|path| Path::new(path).file_name())
                .context("an error without a file")?;
            let name = name.to_string_lossy().into_owned();
            if refused.insert(name.clone()) {
                fs::remove_file(folder.join(name))?;
            }
        }
        ensure!(refused.len() > before, "OPA refuses what is not there: {told}");
    }
}
