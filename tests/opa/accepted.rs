//! OPA's own test cases, which are part of its Go module: what it compiles is not refused by the checks that are ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use regate::policy::files::{DataFile, Files, Format, RegoFile};
use regate::policy::load::load;
use serde_json::Value;

use crate::conformance::{directory, files};

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

/// All cases that are wanted to give a result.
pub(crate) fn all() -> Result<Vec<Case>> {
    below(&directory()?)
}

/// OPA's cases for what its compiler refuses.
pub(crate) fn diagnosed() -> Result<Vec<Case>> {
    let root = directory()?;
    let tests = root.ancestors().nth(2).context("no tests beside the cases")?;
    let all = below(&tests.join("compilecases/testdata"))?;
    ensure!(all.len() > 15, "only {} cases of what is refused", all.len());
    Ok(all)
}

fn below(root: &Path) -> Result<Vec<Case>> {
    let mut all = Vec::new();
    for (version, file) in files(root)? {
        all.extend(cases_of(&file, version == "v0")?);
    }
    Ok(all)
}

/// None of them gets a finding of ours.
pub(crate) fn nothing_is_refused() -> Result<()> {
    let cases = all()?;
    let looked_at = cases.len();
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in cases {
        for finding in findings(&case) {
            if NEVER.iter().any(|words| finding.contains(words)) && !ON_PURPOSE.contains(&case.note.as_str())
            {
                let version = if case.v0 { "v0" } else { "v1" };
                refused
                    .entry(format!("{version}: {}", case.note))
                    .or_default()
                    .push(format!("{finding}\n{}", case.modules.join("\n---\n")));
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

impl Case {
    /// As files that are loaded.
    pub(crate) fn files(&self) -> Files {
        let module = |(number, text): (usize, &String)| RegoFile {
            path: format!("{number}.rego"),
            text: text.clone(),
            is_test: false,
            v0: self.v0,
        };
        let data = self.data.iter().map(|data| DataFile {
            path: "data.json".into(),
            at: Vec::new(),
            format: Format::Json,
            bytes: data.to_string().into_bytes(),
        });
        Files {
            modules: self.modules.iter().enumerate().map(module).collect(),
            data: data.collect(),
            ..Files::default()
        }
    }
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

fn findings(case: &Case) -> Vec<String> {
    match load(&case.files()) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.iter().map(ToString::to_string).collect(),
    }
}
