//! The files of a policy set: Rego modules and data, read from directories and from files given by name.
//!
//! Called by `serve`, by the watcher and by the commands before anything is parsed. Always holds: what is given out was
//! read as a whole (nothing changed from before the first file to after the last), within the limits, and is the same
//! for the same content; or there is a finding for everything that cannot be read, all at once.

mod builtin;
mod last_good;
#[cfg(test)]
mod tests;
mod walk;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::finding::{Finding, Id};
use super::suites;
use crate::watch;
pub use last_good::LastGood;
pub(super) use walk::places;
use walk::{Found, Kind, Walk};

/// The size that a Rego file may have.
pub const MAX_REGO_BYTES: u64 = 1024 * 1024;

/// The size that a data file may have.
pub const MAX_DATA_BYTES: u64 = 64 * 1024 * 1024;

/// The size that a file of Kubernetes objects may have in which policies are looked for.
pub const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// What only files have that hold objects of Gatekeeper's that are policies, or that a policy set cannot do without.
const GATEKEEPER: [&[u8]; 4] = [
    b"constraints.gatekeeper.sh/",
    b"expansion.gatekeeper.sh/",
    b"mutations.gatekeeper.sh/",
    b"templates.gatekeeper.sh/",
];

/// How many Rego and data files there may be.
pub const MAX_FILES: usize = 10_000;

/// How often files that change while they are read are read again.
const ATTEMPTS: usize = 3;

/// Where a policy set comes from: directories, searched for files, and files by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// `*.rego`, files of Gatekeeper's objects, and in directories `data.json` and `data.yaml` too.
    pub policies: Vec<PathBuf>,
    /// As `policies`, with modules of the language before version 1. What is among `policies` too is such a module.
    pub policies_v0: Vec<PathBuf>,
    /// Data only.
    pub data: Vec<PathBuf>,
    /// What is set for policies from outside of their files: `policies.settings`.
    pub settings: Vec<serde_json::Value>,
}

/// A Rego module as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegoFile {
    /// The file as the author knows it: the source as given, and the path below it.
    pub path: String,
    /// The source text.
    pub text: String,
    /// `*_test.rego`: for `check` and `test`, never served and no part of the revision.
    pub is_test: bool,
    /// Whether it is of the language before version 1.
    pub v0: bool,
}

/// How a data file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `.json`
    Json,
    /// `.yaml` or `.yml`
    Yaml,
}

/// A data file as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// The file as the author knows it.
    pub path: String,
    /// Where its value stands below `data`: the directories between the source and the file.
    pub at: Vec<String>,
    /// How it is written.
    pub format: Format,
    /// The content.
    pub bytes: Vec<u8>,
}

/// A file of Kubernetes objects, some of Gatekeeper's among them: templates, constraints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFile {
    /// The file as the author knows it.
    pub path: String,
    /// The source text, in YAML or JSON.
    pub text: String,
}

/// Everything that a policy set is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The modules, by path.
    pub modules: Vec<RegoFile>,
    /// The data files, by path.
    pub data: Vec<DataFile>,
    /// Files of Gatekeeper's objects, by path.
    pub manifests: Vec<ManifestFile>,
    /// Files of Gatekeeper's suites: for `test`, never served and no part of the revision.
    pub gatekeeper_suites: Vec<PathBuf>,
    /// What is set for policies from outside of their files, in its order.
    pub settings: Vec<serde_json::Value>,
    /// Paths of `*_suite.yaml`, which are not read here: for `test`, never served and no part of the revision.
    pub suites: Vec<PathBuf>,
    /// A hash of what decides: equal content gives an equal revision, wherever it lies.
    pub revision: String,
}

impl Files {
    /// Reads all sources. Everything in the error is about reading, not about content: a command that gets it could
    /// not do its work.
    pub fn read(sources: &Sources) -> Result<Self, Vec<Finding>> {
        for _ in 0..ATTEMPTS {
            let walk = Walk::new(sources);
            let files = Self::load(&walk, &sources.settings);
            if walk == Walk::new(sources) {
                return files;
            }
        }
        let message = "the policy files change while they are read: try again when they rest";
        Err(vec![Finding::new(Id::Unreadable, message)])
    }

    /// The starter policies that are part of the program.
    pub fn builtin() -> Self {
        let mut files = Self::default();
        for (path, text) in builtin::FILES {
            let mut at: Vec<String> = path.split('/').map(str::to_owned).collect();
            let name = at.pop().unwrap_or_default();
            let path = format!("builtin/{path}");
            match walk::kind(&name, &at, false) {
                Some(Kind::Rego { is_test, v0 }) => {
                    files.modules.push(RegoFile {
                        path,
                        text: (*text).to_owned(),
                        is_test,
                        v0,
                    });
                }
                Some(Kind::Data { at, format, .. }) => {
                    files.data.push(DataFile {
                        path,
                        at,
                        format,
                        bytes: text.as_bytes().to_vec(),
                    });
                }
                Some(Kind::Objects | Kind::Suite) | None => {}
            }
        }
        files.finish()
    }

    /// The same policies, and the data and the settings of these files, too.
    #[must_use]
    pub fn with_data_of(mut self, other: Files) -> Self {
        self.data.extend(other.data);
        self.settings.extend(other.settings);
        self.finish()
    }

    fn load(walk: &Walk, settings: &[serde_json::Value]) -> Result<Self, Vec<Finding>> {
        let mut files = Self {
            settings: settings.to_vec(),
            ..Self::default()
        };
        let mut findings = walk.findings.clone();
        for found in &walk.found {
            if let Err(finding) = files.take(found) {
                findings.push(finding);
            }
        }
        if findings.is_empty() {
            Ok(files.finish())
        } else {
            Err(findings)
        }
    }

    fn take(&mut self, found: &Found) -> Result<(), Finding> {
        let path = found.path.display().to_string();
        match &found.kind {
            Kind::Rego { is_test, v0 } => {
                let text = text(&found.path, read(found, MAX_REGO_BYTES)?)?;
                self.modules.push(RegoFile {
                    path,
                    text,
                    is_test: *is_test,
                    v0: *v0,
                });
            }
            Kind::Data {
                at,
                format,
                or_objects,
            } => {
                let bytes = read(found, MAX_DATA_BYTES)?;
                if *or_objects && self.take_objects(found, &bytes)? {
                    return Ok(());
                }
                let bytes = text(&found.path, bytes)?.into_bytes();
                self.data.push(DataFile {
                    path,
                    at: at.clone(),
                    format: *format,
                    bytes,
                });
            }
            Kind::Objects => {
                // Whatever else lies among policies is none of ours.
                self.take_objects(found, &read(found, MAX_MANIFEST_BYTES)?)?;
            }
            // Gatekeeper's suites may be called so, too.
            Kind::Suite => match read(found, MAX_MANIFEST_BYTES) {
                Ok(bytes) if suites::is_suite(&bytes) => self.gatekeeper_suites.push(found.path.clone()),
                _ => self.suites.push(found.path.clone()),
            },
        }
        Ok(())
    }

    /// Takes a file that holds something of Gatekeeper's; whether it does.
    fn take_objects(&mut self, found: &Found, bytes: &[u8]) -> Result<bool, Finding> {
        let is_suite = suites::is_suite(bytes);
        if is_suite {
            self.gatekeeper_suites.push(found.path.clone());
        }
        let is_policy = is_gatekeepers(bytes);
        if is_policy {
            let text = text(&found.path, bytes.to_vec())?;
            let path = found.path.display().to_string();
            self.manifests.push(ManifestFile { path, text });
        }
        Ok(is_suite || is_policy)
    }

    /// Sorts, so that nothing depends on the order of sources, and computes the revision.
    fn finish(mut self) -> Self {
        self.modules.sort_by(|one, other| one.path.cmp(&other.path));
        self.data.sort_by(|one, other| one.path.cmp(&other.path));
        self.manifests.sort_by(|one, other| one.path.cmp(&other.path));
        self.gatekeeper_suites.sort();
        self.suites.sort();
        let modules = self.modules.iter().filter(|module| !module.is_test);
        let modules = modules.map(RegoFile::digest);
        let data = self.data.iter().map(DataFile::digest);
        let manifests = self.manifests.iter().map(ManifestFile::digest);
        let mut items: Vec<_> = modules.chain(data).chain(manifests).collect();
        items.sort();
        // Those come one after the other, so their order counts.
        let settings = self
            .settings
            .iter()
            .map(|setting| digest([b"setting".as_slice(), setting.to_string().as_bytes()]));
        items.extend(settings);
        self.revision = digest(items.iter().map(Vec::as_slice))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self
    }
}

impl RegoFile {
    fn digest(&self) -> Vec<u8> {
        let language: &[u8] = if self.v0 { b"rego.v0" } else { b"rego" };
        digest([language, self.text.as_bytes()])
    }
}

impl ManifestFile {
    fn digest(&self) -> Vec<u8> {
        digest([b"objects".as_slice(), self.text.as_bytes()])
    }
}

/// Whether a file may hold objects of Gatekeeper's.
fn is_gatekeepers(bytes: &[u8]) -> bool {
    GATEKEEPER
        .iter()
        .any(|mark| bytes.windows(mark.len()).any(|part| part == *mark))
}

impl DataFile {
    fn digest(&self) -> Vec<u8> {
        let format: &[u8] = match self.format {
            Format::Json => b"json",
            Format::Yaml => b"yaml",
        };
        digest(
            [format, &self.bytes]
                .into_iter()
                .chain(self.at.iter().map(String::as_bytes)),
        )
    }
}

/// A hash of parts, each with its length, so that no other parts give the same.
fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// What is wrong with a file as a whole.
fn finding(id: Id, path: &Path, message: impl Into<String>) -> Finding {
    Finding::new(id, message).in_file(path.display().to_string())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    finding(Id::Unreadable, path, format!("cannot be read: {error}"))
}

/// Reads a file up to its limit.
fn read(found: &Found, limit: u64) -> Result<Vec<u8>, Finding> {
    let path = &found.path;
    watch::read(path, limit).map_err(|message| finding(Id::Unreadable, path, message))
}

/// The text of a file, without the mark that some editors put before it.
fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Finding> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = valid.filter(|byte| **byte == b'\n').count() + 1;
        Finding {
            line: u32::try_from(line).ok(),
            ..finding(Id::NotUtf8, path, "is not UTF-8")
        }
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}
