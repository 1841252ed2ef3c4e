//! OPA's own test cases, which are part of its Go module: what it compiles is not refused by the checks that are ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use regate::policy::files::{DataFile, Files, Format, RegoFile};
use regate::policy::load::load;
use serde_json::Value;

/// The version whose program is run beside.
const MODULE: &str = "github.com/open-policy-agent/opa@v1.22.2/v1/test/cases/testdata";

/// Words of findings that would be wrong about anything that OPA compiles. Data that is not there is no error in OPA.
const NEVER: [&str; 6] = [
    "nothing binds",
    "where nothing binds it",
    "depends on itself",
    "calls itself",
    "have to be defined",
    "stands before numbers only",
];

/// Cases that are refused on purpose: what reads `data` by a name that is found out later may read itself.
const ON_PURPOSE: [&str; 2] = [
    "data/toplevel integer",
    "ir/call-dynamic with ref heads and unrelated rule (issue 7399)",
];

/// Where the cases are, if Go has fetched OPA's module.
pub(crate) fn cases() -> Option<PathBuf> {
    let output = Command::new("go").args(["env", "GOMODCACHE"]).output().ok()?;
    let cache = String::from_utf8(output.stdout).ok()?;
    Some(Path::new(cache.trim()).join(MODULE)).filter(|path| path.is_dir())
}

/// All cases that are wanted to give a result.
pub(crate) fn all() -> Result<Vec<Case>> {
    let root = cases().context("OPA's module is not there")?;
    let mut all = Vec::new();
    for (directory, v0) in [("v0", true), ("v1", false)] {
        let mut files = Vec::new();
        yaml_files(&root.join(directory), &mut files)?;
        files.sort();
        for file in files {
            all.extend(cases_of(&file, v0)?);
        }
    }
    Ok(all)
}

/// OPA's cases for what its compiler refuses.
pub(crate) fn diagnosed() -> Result<Vec<Case>> {
    let root = cases().context("OPA's module is not there")?;
    let root = root
        .ancestors()
        .nth(2)
        .context("no tests beside the cases")?
        .join("compilecases/testdata");
    let mut all = Vec::new();
    for (directory, v0) in [("v0", true), ("v1", false)] {
        let mut files = Vec::new();
        yaml_files(&root.join(directory), &mut files)?;
        files.sort();
        for file in files {
            all.extend(cases_of(&file, v0)?);
        }
    }
    ensure!(all.len() > 15, "only {} cases of what is refused", all.len());
    Ok(all)
}

/// None of them gets a finding of ours.
pub(crate) fn nothing_is_refused() -> Result<()> {
    let root = cases().context("OPA's module is not there")?;
    let mut looked_at = 0;
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (directory, v0) in [("v0", true), ("v1", false)] {
        let mut files = Vec::new();
        yaml_files(&root.join(directory), &mut files)?;
        for file in files {
            for case in cases_of(&file, v0)? {
                looked_at += 1;
                for finding in findings(&case, v0) {
                    if NEVER.iter().any(|words| finding.contains(words))
                        && !ON_PURPOSE.contains(&case.note.as_str())
                    {
                        refused
                            .entry(format!("{directory}: {}", case.note))
                            .or_default()
                            .push(format!("{finding}\n{}", case.modules.join("\n---\n")));
                    }
                }
            }
        }
    }
    ensure!(looked_at > 3000, "only {looked_at} cases were found");
    let told: Vec<_> = refused
        .iter()
        .map(|(case, findings)| format!("{case}\n{}", findings.join("\n")))
        .collect();
    ensure!(
        told.is_empty(),
        "{} of {looked_at}:\n{}",
        told.len(),
        told.join("\n\n")
    );
    Ok(())
}

/// A case that compiles and is evaluated.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) note: String,
    pub(crate) v0: bool,
    pub(crate) modules: Vec<String>,
    pub(crate) data: Option<Value>,
}

fn yaml_files(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            yaml_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

/// The cases of a file that are wanted to give a result.
fn cases_of(file: &Path, v0: bool) -> Result<Vec<Case>> {
    // Numbers that JSON's types do not hold are no matter here: such a file is left out.
    let Ok(document) = serde_saphyr::from_str::<Value>(&fs::read_to_string(file)?) else {
        return Ok(Vec::new());
    };
    let list = document
        .get("cases")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let compiles = |case: &&Value| {
        ["want_error", "want_error_code"]
            .iter()
            .all(|key| case.get(key).is_none())
    };
    let case = |case: &Value| {
        let modules = case.get("modules").and_then(Value::as_array)?;
        Some(Case {
            v0,
            note: case.get("note").and_then(Value::as_str)?.to_owned(),
            modules: modules
                .iter()
                .filter_map(|text| Some(text.as_str()?.to_owned()))
                .collect(),
            data: case.get("data").filter(|data| data.is_object()).cloned(),
        })
    };
    Ok(list.iter().filter(compiles).filter_map(case).collect())
}

fn findings(case: &Case, v0: bool) -> Vec<String> {
    let module = |(number, text): (usize, &String)| RegoFile {
        path: format!("{number}.rego"),
        text: text.clone(),
        is_test: false,
        v0,
    };
    let data = case.data.iter().map(|data| DataFile {
        path: "data.json".into(),
        at: Vec::new(),
        format: Format::Json,
        bytes: data.to_string().into_bytes(),
    });
    let files = Files {
        modules: case.modules.iter().enumerate().map(module).collect(),
        data: data.collect(),
        ..Files::default()
    };
    match load(&files) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.iter().map(ToString::to_string).collect(),
    }
}
