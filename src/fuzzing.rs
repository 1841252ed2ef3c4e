//! What the fuzz targets of `fuzz/` feed and cannot reach through the public modules.
//!
//! Built only with the feature `fuzzing`, which nothing but `fuzz/` turns on. Always holds: a function here calls one of
//! ours and hands out what came of it; what must hold of that is said by the targets.

use std::time::Duration;

use rustls_pki_types::CertificateDer;

use crate::gate::Gate;
use crate::json;
use crate::policy::Finding;
use crate::policy::engine::ast::{Position, Source};
use crate::policy::files::RegoFile;
use crate::policy::metadata;
use crate::review::EnvelopeHint;
use crate::server;

/// The envelope of a whole body whose content cannot be read.
///
/// # Errors
/// What is wrong with the envelope or the grammar.
pub fn envelope(body: &[u8]) -> Result<EnvelopeHint, json::Error> {
    EnvelopeHint::read(body)
}

/// How long a review may take whose request has this query.
pub fn allowance(query: &str, configured: Duration) -> Duration {
    server::allowance(query, configured)
}

/// The names that a certificate (DER) gives its holder.
pub fn client_names(certificate: &[u8]) -> Vec<String> {
    server::client_names(&CertificateDer::from(certificate))
}

/// A policy file as the engine is given it.
#[derive(Debug)]
pub struct Normalized {
    source: Source,
}

impl Normalized {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(text: &str, v0: bool) -> Result<Self, Finding> {
        let file = RegoFile {
            path: "fuzz.rego".to_owned(),
            text: text.to_owned(),
            is_test: false,
            v0,
        };
        Source::parse(&file).map(|source| Self { source })
    }

    /// The text that the engine reads.
    pub fn text(&self) -> &str {
        &self.source.normalized.text
    }

    /// The package and the names of the rules.
    pub fn facts(&self) -> (Vec<String>, Vec<String>) {
        let names = self.source.rules.iter().map(|rule| rule.name.clone());
        (self.source.package.clone(), names.collect())
    }

    /// What the engine's parser says of the text.
    ///
    /// # Errors
    /// Its words.
    pub fn parsed(&self) -> Result<(), String> {
        self.source.parsed_again()
    }

    /// Line and column of the author's text for those of the engine's.
    pub fn place(&self, line: u32, column: u32) -> (u32, u32) {
        let place = self.source.normalized.place(Position { line, column });
        (place.line, place.column)
    }
}

/// The findings of a policy's METADATA; empty where the file cannot be parsed.
pub fn metadata(gate: Gate, denies: bool, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(file) = Normalized::of(text, false) {
        metadata::of_package(gate, denies, &[&file.source], &mut findings);
    }
    findings
}
