//! OPA's own test cases, read from its Go module as its own driver reads them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// The Go module that pins OPA's version.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/go/opa");

/// Where the cases are in OPA's module.
const CASES: &str = "v1/test/cases/testdata";

/// One case, by the names that its file gives.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    /// `v0/` or `v1/` and the note; unique.
    #[serde(skip)]
    pub(super) name: String,
    /// The folder, as in `v1/time`.
    #[serde(skip)]
    pub(super) folder: String,
    pub(super) note: String,
    pub(super) query: String,
    #[serde(default)]
    pub(super) modules: Vec<String>,
    pub(super) data: Option<Value>,
    pub(super) input: Option<Value>,
    pub(super) input_term: Option<String>,
    pub(super) want_result: Option<Vec<BTreeMap<String, Value>>>,
    pub(super) want_error_code: Option<String>,
    pub(super) want_error: Option<String>,
    #[serde(default)]
    pub(super) sort_bindings: bool,
    #[serde(default)]
    pub(super) strict_error: bool,
}

impl Case {
    /// Whether its modules are of the language before version 1.
    pub(super) fn v0(&self) -> bool {
        self.name.starts_with("v0/")
    }

    /// Whether it wants an error.
    pub(super) fn wants_error(&self) -> bool {
        self.want_error_code.is_some() || self.want_error.is_some()
    }
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

/// Why the cases cannot be had; nothing when they can.
pub(crate) fn unavailable() -> Option<String> {
    directory()
        .err()
        .map(|error| format!("OPA's test cases are not there: {error:#}"))
}

/// The folder of the cases; Go fetches the module where it has not.
pub(crate) fn directory() -> Result<PathBuf> {
    let output = Command::new("go")
        .args(["mod", "download", "-json", "github.com/open-policy-agent/opa"])
        .current_dir(MODULE)
        .env("GOFLAGS", "")
        .output()
        .context("cannot start go")?;
    ensure!(
        output.status.success(),
        "go cannot download OPA's module: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout).context("go tells no JSON")?;
    let directory = told.get("Dir").and_then(Value::as_str);
    Ok(Path::new(directory.context("go tells no directory")?).join(CASES))
}

/// All cases, by name.
pub(super) fn all() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (version, file) in files(&directory()?)? {
        let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
        let text = fs::read_to_string(&file)?;
        let read: Cases =
            serde_saphyr::from_str(&text).with_context(|| format!("cannot read {}", file.display()))?;
        cases.extend(read.cases.into_iter().map(|case| Case {
            name: format!("{version}/{}", case.note),
            folder: format!("{version}/{}", folder.to_string_lossy()),
            ..case
        }));
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

/// The files of cases below a folder, in order, each with the version of the language, `v0` or `v1`.
pub(crate) fn files(root: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut all = Vec::new();
    for version in ["v0", "v1"] {
        let mut files = Vec::new();
        yaml_files(&root.join(version), &mut files)?;
        files.sort();
        all.extend(files.into_iter().map(|file| (version, file)));
    }
    Ok(all)
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
