//! What policies can call: OPA's capabilities document for exactly this engine.
//!
//! `regate capabilities` prints it, and `opa check --capabilities` then knows the builtins that loading knows. It comes
//! from the table that loading refuses by, so that the two cannot differ.

use serde_json::Value;

use super::engine::builtins::declared;
use super::load::calls;

/// The document.
pub fn capabilities() -> Value {
    declared::capabilities(|builtin| calls::why_not_offered(builtin).is_none())
}
