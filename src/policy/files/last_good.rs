//! The files of the set that was accepted last, kept on disk for a start that finds a bad one.
//!
//! Written by `serve` after every set that it took over, read by it when the first set is refused. One JSON document that
//! holds everything a set is made of, with the paths that its authors know, so that findings and faults name them.
//! Always holds: it is replaced by a rename and in whole, and what is given out hashes to the revision that was written
//! with it; a document that was cut, changed or written in another form is a finding and nothing is served of it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{DataFile, Files, Finding, Format, Id, ManifestFile, RegoFile, finding, unreadable};

/// Says what the document is; another form of it gets another name.
const FORM: &str = "regate.dev/last-good.v1";

/// The document's name in its directory.
const NAME: &str = "last-good.json";

/// A directory that keeps the last good set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastGood {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    form: String,
    revision: String,
    modules: Vec<Module>,
    data: Vec<Data>,
    #[serde(default)]
    manifests: Vec<Manifest>,
    settings: Vec<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Module {
    path: String,
    v0: bool,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    path: String,
    at: Vec<String>,
    yaml: bool,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    path: String,
    text: String,
}

impl LastGood {
    /// The last good set in this directory, which need not be there.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where it is kept.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps these files in place of those kept before. Tests of policies are left out: they are never served.
    ///
    /// # Errors
    /// When the disk does not take it; what was kept before still is.
    pub fn keep(&self, files: &Files) -> io::Result<()> {
        // Data may be confidential.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)?;
        // A name that nobody else takes: servers of several hosts may share the directory.
        let unique = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
        let draft = self.directory.join(format!(".{NAME}.{unique:016x}"));
        let kept = Document::of(files)
            .write(&draft)
            .and_then(|()| fs::rename(&draft, self.directory.join(NAME)));
        if kept.is_err() {
            // It is of no use to anybody; what went wrong before says more than what may go wrong here.
            let _ = fs::remove_file(&draft);
        }
        kept?;
        // Only now the rename outlives a power cut.
        File::open(&self.directory)?.sync_all()
    }

    /// The files that were kept; `None` where nothing was.
    ///
    /// # Errors
    /// Why what is there cannot be served.
    pub fn read(&self) -> Result<Option<Files>, Finding> {
        let path = self.directory.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let document: Document = serde_json::from_slice(&bytes).map_err(|error| {
            finding(
                Id::Unreadable,
                &path,
                format!("is no kept set of policies: {error}"),
            )
        })?;
        if document.form != FORM {
            let message = format!(
                "is in the form `{}`, and this program reads `{FORM}`",
                document.form
            );
            return Err(finding(Id::Unreadable, &path, message));
        }
        let revision = document.revision.clone();
        let files = document.into_files();
        if files.revision != revision {
            return Err(finding(
                Id::Unreadable,
                &path,
                "was changed since it was kept: its content is not of its revision",
            ));
        }
        Ok(Some(files))
    }
}

impl Document {
    fn of(files: &Files) -> Self {
        let modules = files.modules.iter().filter(|module| !module.is_test);
        Self {
            form: FORM.to_owned(),
            revision: files.revision.clone(),
            modules: modules
                .map(|module| Module {
                    path: module.path.clone(),
                    v0: module.v0,
                    text: module.text.clone(),
                })
                .collect(),
            data: files
                .data
                .iter()
                .map(|data| Data {
                    path: data.path.clone(),
                    at: data.at.clone(),
                    yaml: data.format == Format::Yaml,
                    // Only text is ever read as data.
                    text: String::from_utf8_lossy(&data.bytes).into_owned(),
                })
                .collect(),
            manifests: files
                .manifests
                .iter()
                .map(|file| Manifest {
                    path: file.path.clone(),
                    text: file.text.clone(),
                })
                .collect(),
            settings: files.settings.clone(),
        }
    }

    fn into_files(self) -> Files {
        let modules = self.modules.into_iter().map(|module| RegoFile {
            path: module.path,
            text: module.text,
            is_test: false,
            v0: module.v0,
        });
        let data = self.data.into_iter().map(|data| DataFile {
            path: data.path,
            at: data.at,
            format: if data.yaml { Format::Yaml } else { Format::Json },
            bytes: data.text.into_bytes(),
        });
        let manifests = self.manifests.into_iter().map(|file| ManifestFile {
            path: file.path,
            text: file.text,
        });
        Files {
            modules: modules.collect(),
            data: data.collect(),
            manifests: manifests.collect(),
            gatekeeper_suites: Vec::new(),
            settings: self.settings,
            suites: Vec::new(),
            revision: String::new(),
        }
        .finish()
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut out = BufWriter::new(file);
        serde_json::to_writer(&mut out, self)?;
        out.flush()?;
        out.get_ref().sync_all()
    }
}

#[cfg(test)]
mod tests;
