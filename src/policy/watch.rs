//! Notices when the content of policy sources changes: the policies' part of [`crate::watch`].

use crate::watch::{self, Places, Subject};
pub use crate::watch::{Pace, Watcher};

use super::files::{Files, Sources};
use super::finding::Finding;

/// The places of sources as they are now.
pub fn places(sources: &Sources) -> Places {
    super::files::places(sources)
}

/// What reading the sources gave.
pub type Read = Result<Files, Vec<Finding>>;

/// Watches sources from what the caller read of them last, and hands over each change, on the watcher's thread.
///
/// # Errors
/// When no thread can be started.
pub fn watch(
    sources: Sources,
    last: &Read,
    pace: Pace,
    on_change: impl FnMut(Read) + Send + 'static,
) -> std::io::Result<Watcher> {
    let policies = Policies { sources, on_change };
    watch::watch(policies, seen(last), pace)
}

struct Policies<F> {
    sources: Sources,
    on_change: F,
}

impl<F: FnMut(Read) + Send + 'static> Subject for Policies<F> {
    type Read = Read;
    type Seen = Result<String, Vec<Finding>>;

    const NAME: &'static str = "policies";

    fn places(&self) -> Places {
        places(&self.sources)
    }

    fn read(&self) -> Read {
        Files::read(&self.sources)
    }

    fn seen(read: &Read) -> Self::Seen {
        seen(read)
    }

    fn changed(&mut self, read: Read) {
        (self.on_change)(read);
    }
}

/// Equal content has an equal revision.
fn seen(read: &Read) -> Result<String, Vec<Finding>> {
    read.as_ref()
        .map(|files| files.revision.clone())
        .map_err(Clone::clone)
}

#[cfg(test)]
mod tests;
