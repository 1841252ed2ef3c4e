//! A set of keys in a file: read at start, and again whenever its content changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{KeySet, MAX_BYTES};
use crate::watch::{self, Content, Digest, Pace, Places, Subject, Watcher};

struct File {
    set: Arc<KeySet>,
    path: PathBuf,
}

/// Reads the file and watches it.
///
/// # Errors
/// When no thread can be started.
pub(super) fn watch(set: Arc<KeySet>, path: PathBuf, pace: Pace) -> std::io::Result<Watcher> {
    let mut file = File { set, path };
    let first = file.read();
    let seen = watch::digest(&first);
    file.changed(first);
    watch::watch(file, seen, pace)
}

impl Subject for File {
    type Read = Content;
    type Seen = Digest;

    const NAME: &'static str = "sets of keys";

    fn places(&self) -> Places {
        Places::of_files([self.path.as_path() as &Path])
    }

    fn read(&self) -> Content {
        watch::read(&self.path, MAX_BYTES)
    }

    fn seen(read: &Content) -> Digest {
        watch::digest(read)
    }

    fn changed(&mut self, read: Content) {
        if let Err(problem) = self.set.take(read) {
            self.set.tell(&format!("{}: {problem}", self.path.display()));
        }
    }
}
