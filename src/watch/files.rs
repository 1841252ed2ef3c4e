//! Reading a file that somebody else may replace, empty, or make something else of while it is read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// What a file holds, or why that cannot be said.
pub type Content = Result<Vec<u8>, String>;

/// As much of a [`Content`] as has to be compared: a secret need not be kept for it.
pub type Digest = Result<[u8; 32], String>;

/// Reads a file of at most `limit` bytes. What is no file is not opened: a pipe would be waited for.
pub fn read(path: &Path, limit: u64) -> Content {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let too_long = || format!("is longer than {limit} bytes");
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    if metadata.len() > limit {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    // Whatever size it had a moment ago.
    let length = file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if length as u64 > limit {
        return Err(too_long());
    }
    Ok(bytes)
}

/// What to compare of a content.
pub fn digest(content: &Content) -> Digest {
    content
        .as_ref()
        .map(|bytes| Sha256::digest(bytes).into())
        .map_err(Clone::clone)
}
