//! The starter policies of the repository, with a token list of our own: theirs names no token for an API server.
//!
//! The playground shows the same policies to the same users.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::regate::copy;

/// Where all policies of the repository are.
pub(crate) const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");

/// The directories that the starters are in.
const STARTERS: [&str; 7] = ["authn", "authz", "image", "lib", "mutate", "regate", "validate"];

/// The token of jane, a developer.
pub(crate) const JANE: &str = "jane-token";

/// The token of ray, a member of the group that may read.
pub(crate) const RAY: &str = "ray-token";

/// A token that was good once.
pub(crate) const REVOKED: &str = "mallory-token";

/// Writes the starter policies to a directory, and the digests of the tokens above.
pub(crate) fn write(directory: &Path) -> Result<()> {
    for name in STARTERS {
        copy(&Path::new(POLICIES).join(name), &directory.join(name))?;
    }
    let list = directory.join("regate").join("tokens").join("data.json");
    fs::write(&list, format!("{:#}\n", tokens())).with_context(|| format!("cannot write {}", list.display()))
}

fn tokens() -> Value {
    json!({
        "digests": {
            digest(JANE): {"username": "jane", "groups": ["dev"]},
            digest(RAY): {"username": "ray", "groups": ["read-only"]},
        },
        "revoked": {digest(REVOKED): "it was lost"},
    })
}

fn digest(token: &str) -> String {
    Sha256::digest(token).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
