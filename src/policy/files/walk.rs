//! Which files a source has, without reading them.
//!
//! Names that begin with a dot are skipped, and with them Kubernetes' `..data` and what it points to: a mounted
//! ConfigMap is seen through its links `policy.rego -> ..data/policy.rego`, at the places where they stand.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Format, MAX_FILES, Sources, finding, unreadable};
use crate::policy::finding::{Finding, Id};
use crate::watch::{Places, absolute, parent};

/// How deep directories are searched.
const MAX_LEVELS: usize = 32;

/// How many directory entries are looked at: a source that is not meant for policies (`/`) has to end somewhere.
const MAX_ENTRIES: usize = 100_000;

/// What a file is read as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Rego {
        is_test: bool,
        v0: bool,
    },
    /// `or_objects`: it was named as a file of policies, and may as well hold Kubernetes objects.
    Data {
        at: Vec<String>,
        format: Format,
        or_objects: bool,
    },
    /// Cases for `regate test`: only that it is there is noted.
    Suite,
    /// It may hold Kubernetes objects that are policies.
    Objects,
}

/// A file that is to be read. Equal as long as it is the same file with the same content, as far as can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) length: u64,
    real: PathBuf,
    modified: Option<SystemTime>,
}

/// All files of the sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) found: Vec<Found>,
    pub(super) findings: Vec<Finding>,
    places: Places,
    seen: BTreeSet<Seen>,
    entries: usize,
    /// How many of those found are Rego or data: what else there is may turn out to be none of ours.
    taken: usize,
}

/// A file by its real path, and where the data of a data file stands.
type Seen = (PathBuf, Option<(Vec<String>, Format)>);

/// What a source may give.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Policies { v0: bool },
    Data,
}

impl Role {
    /// Whether Rego is of the language before version 1.
    fn v0(self) -> bool {
        self == Role::Policies { v0: true }
    }
}

/// What a file in a directory is, by its name: `None` for a file that is no part of policies.
pub(super) fn kind(name: &str, at: &[String], v0: bool) -> Option<Kind> {
    let data = |format| {
        Some(Kind::Data {
            at: at.to_vec(),
            format,
            or_objects: false,
        })
    };
    match name {
        "data.json" => data(Format::Json),
        "data.yaml" | "data.yml" => data(Format::Yaml),
        name if name.ends_with(".rego") => Some(Kind::Rego {
            is_test: name.ends_with("_test.rego"),
            v0,
        }),
        name if name.ends_with("_suite.yaml") => Some(Kind::Suite),
        name if [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)) => Some(Kind::Objects),
        _ => None,
    }
}

/// The places of the sources as they are now.
pub(in crate::policy) fn places(sources: &Sources) -> Places {
    Walk::new(sources).places
}

impl Walk {
    pub(super) fn new(sources: &Sources) -> Self {
        let mut walk = Self::default();
        // First: a directory of old policies may lie among the others, and a file is what it was found as first.
        for path in &sources.policies_v0 {
            walk.source(path, Role::Policies { v0: true });
        }
        for path in &sources.policies {
            walk.source(path, Role::Policies { v0: false });
        }
        for path in &sources.data {
            walk.source(path, Role::Data);
        }
        if walk.taken > MAX_FILES {
            walk.give_up(format!("there are more than {MAX_FILES} policy and data files"));
        } else if walk.entries > MAX_ENTRIES {
            walk.give_up(format!(
                "there are more than {MAX_ENTRIES} files around the policies"
            ));
        }
        walk
    }

    /// Nothing is worth reading any more.
    fn give_up(&mut self, message: String) {
        self.found.clear();
        self.findings.push(Finding::new(Id::Limit, message));
    }

    fn source(&mut self, path: &Path, role: Role) {
        self.places.parents.insert(parent(path));
        // Even when it is not there: it may come.
        self.places.searched.insert(absolute(path));
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.directory(path, role, &mut Vec::new(), &mut Vec::new()),
            Ok(metadata) => match (named(path, role), role) {
                (None, _) => self.findings.push(finding(
                    Id::FileFormat,
                    path,
                    "is neither `*.rego` nor `*.json`, `*.yaml` or `*.yml`",
                )),
                (Some(Kind::Rego { .. }), Role::Data) => {
                    self.findings
                        .push(finding(Id::FileFormat, path, "is Rego, not data"))
                }
                (Some(kind), _) => self.file(path, kind, &metadata),
            },
            Err(error) => self.findings.push(unreadable(path, &error)),
        }
    }

    /// Searches a directory; `above` are the real paths of those that it is in.
    fn directory(&mut self, path: &Path, role: Role, at: &mut Vec<String>, above: &mut Vec<PathBuf>) {
        let (real, names) = match fs::canonicalize(path).and_then(|real| Ok((real, names(path)?))) {
            Ok(listed) => listed,
            Err(error) => return self.findings.push(unreadable(path, &error)),
        };
        if above.contains(&real) {
            return self.findings.push(finding(
                Id::Unreadable,
                path,
                format!("is a link that leads back to {}", real.display()),
            ));
        }
        if above.len() == MAX_LEVELS {
            return self.findings.push(finding(
                Id::Limit,
                path,
                format!("is deeper than {MAX_LEVELS} directories"),
            ));
        }
        self.places.searched.insert(absolute(path));
        above.push(real);
        for name in names {
            self.entries += 1;
            if self.entries > MAX_ENTRIES || self.taken > MAX_FILES {
                break;
            }
            self.entry(&path.join(&name), name.to_str(), role, at, above);
        }
        above.pop();
    }

    fn entry(
        &mut self,
        path: &Path,
        name: Option<&str>,
        role: Role,
        at: &mut Vec<String>,
        above: &mut Vec<PathBuf>,
    ) {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.findings.push(unreadable(path, &error)),
        };
        let Some(name) = name else {
            return self
                .findings
                .push(finding(Id::NotUtf8, path, "has a name that is not UTF-8"));
        };
        if metadata.is_dir() {
            at.push(name.to_owned());
            self.directory(path, role, at, above);
            at.pop();
            return;
        }
        match kind(name, at, role.v0()) {
            Some(Kind::Rego { .. } | Kind::Suite | Kind::Objects) if role == Role::Data => {}
            Some(kind) => self.file(path, kind, &metadata),
            None => {}
        }
    }

    fn file(&mut self, path: &Path, kind: Kind, metadata: &Metadata) {
        // A suite is read by tests only, and no reason to refuse what is served.
        if !metadata.is_file() && kind != Kind::Suite {
            return self
                .findings
                .push(finding(Id::FileFormat, path, "is neither a file nor a directory"));
        }
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) => return self.findings.push(unreadable(path, &error)),
        };
        // A directory and a file in it may both be given: that is the file once.
        let data = match &kind {
            Kind::Rego { .. } | Kind::Suite | Kind::Objects => None,
            Kind::Data { at, format, .. } => Some((at.clone(), *format)),
        };
        if !self.seen.insert((real.clone(), data)) {
            return;
        }
        self.places.searched.insert(parent(path));
        self.places.searched.insert(parent(&real));
        let (length, modified) = (metadata.len(), metadata.modified().ok());
        self.taken += usize::from(kind != Kind::Objects);
        self.found.push(Found {
            path: path.to_owned(),
            kind,
            real,
            length,
            modified,
        });
    }
}

/// The names in a directory that do not begin with a dot, sorted.
fn names(directory: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What a file given by name is, by its extension; its data stands at the root.
fn named(path: &Path, role: Role) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    if name.ends_with("_suite.yaml") && role != Role::Data {
        return Some(Kind::Suite);
    }
    let data = |format| {
        Some(Kind::Data {
            at: Vec::new(),
            format,
            or_objects: role != Role::Data,
        })
    };
    match path.extension()?.to_str()? {
        "json" => data(Format::Json),
        "yaml" | "yml" => data(Format::Yaml),
        _ => kind(name, &[], role.v0()),
    }
}
