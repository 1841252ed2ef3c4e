//! The envelope of a review: kind, apiVersion and uid.

/// What a prefix of the body (64 KiB are enough) says of the review, read without recursion and without allocation
/// beyond the three strings: enough to answer without evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvelopeHint {
    /// Top-level `kind`.
    pub kind: Option<String>,
    /// Top-level `apiVersion`.
    pub api_version: Option<String>,
    /// `request.uid`.
    pub uid: Option<String>,
}

impl EnvelopeHint {
    /// Scans the first bytes of a body.
    pub fn scan(prefix: &[u8]) -> Self {
        let _ = prefix;
        Self::default()
    }
}
