//! The starter policies of the program: the files of `policies/` that are served, as they are there.
//!
//! A test compares this table with the directory; tests of policies are left out, they are never served.

/// Path below `policies/`, and content.
pub(super) const FILES: &[(&str, &str)] = &[];
