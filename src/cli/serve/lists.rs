//! What a changed configuration file says of who may ask, taken over while the server serves.
//!
//! The file is resolved with the flags and the environment of the start, so that what won then wins still. Always holds:
//! only names replace names. A file that cannot be used, or that would have them vouched for by others, changes nothing;
//! no gate becomes open or closed; whatever else changed is told to need a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::super::{Global, ServerFlags};
use crate::config::Resolved;
use crate::server::Callers;
use crate::watch::{self, Content, Digest, Pace, Places, Subject, Watcher};

/// The size that the file may have.
const MAX_BYTES: u64 = 1 << 20;

/// The one key that a running server obeys.
const LISTS: &str = "callers.allowClients";

/// The lists of a running server, and what they are made of.
struct Lists {
    global: Global,
    flags: ServerFlags,
    file: PathBuf,
    /// What the server was started with.
    started: Resolved,
    callers: Arc<Callers>,
    /// What was last told to need a restart.
    told: String,
}

/// Watches the configuration file from the text that the server was started with. One that is no file, like a pipe, was
/// read once and for all.
///
/// # Errors
/// When no thread can be started.
pub(super) fn watch(
    global: Global,
    flags: ServerFlags,
    text: Option<String>,
    started: Resolved,
    callers: Arc<Callers>,
) -> std::io::Result<Option<Watcher>> {
    let (Some(file), Some(text)) = (global.config.clone(), text) else {
        return Ok(None);
    };
    if !file.is_file() {
        return Ok(None);
    }
    let lists = Lists {
        global,
        flags,
        file,
        started,
        callers,
        told: String::new(),
    };
    let last = watch::digest(&Ok(text.into_bytes()));
    watch::watch(lists, last, Pace::default()).map(Some)
}

impl Lists {
    fn resolve(&self, read: Content) -> anyhow::Result<Resolved> {
        let bytes = read
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("--config {}", self.file.display()))?;
        let text = String::from_utf8(bytes).with_context(|| format!("--config {}", self.file.display()))?;
        let resolved = self.global.resolve_text(&self.flags, Some(&text))?;
        // Who is named so by one authority may be somebody else's name at another.
        anyhow::ensure!(
            resolved.config.callers.client_ca == self.started.config.callers.client_ca,
            "callers.clientCA is another file: names are not taken over without it, and it needs a restart"
        );
        Ok(resolved)
    }

    /// The keys with other values than at the start, but for those that are obeyed.
    fn needing_restart(&self, resolved: &Resolved) -> String {
        let entries = self.started.entries.iter().zip(&resolved.entries);
        let keys: Vec<_> = entries
            .filter(|(old, new)| old.value != new.value && old.key != LISTS)
            .map(|(old, _)| old.key)
            .collect();
        keys.join(", ")
    }
}

impl Subject for Lists {
    type Read = Content;
    type Seen = Digest;

    const NAME: &'static str = "the configuration";

    fn places(&self) -> Places {
        Places::of_files([self.file.as_path() as &Path])
    }

    fn read(&self) -> Content {
        watch::read(&self.file, MAX_BYTES)
    }

    fn seen(read: &Content) -> Digest {
        watch::digest(read)
    }

    fn changed(&mut self, read: Content) {
        let resolved = match self.resolve(read) {
            Ok(resolved) => resolved,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(target: "regate::config", event = "config_rejected", error, "who may ask stays as it was");
                return;
            }
        };
        self.callers.rename(&resolved.config.callers.rules);
        tracing::info!(target: "regate::config", event = "config_loaded", "who may ask is as the configuration says now");
        let keys = self.needing_restart(&resolved);
        if keys != self.told && !keys.is_empty() {
            tracing::warn!(target: "regate::config", event = "config_needs_restart", keys, "these settings have changed and are obeyed after a restart");
        }
        self.told = keys;
    }
}
