//! What policies can call: OPA's capabilities document for exactly this engine.
//!
//! `regate capabilities` prints it, and `opa check --capabilities` then knows the builtins that loading knows. It comes
//! from the table that loading refuses by, so that the two cannot differ.

use serde_json::Value;

use super::engine::Outside;
use super::engine::builtins::declared;
use super::load::calls;

/// The document, for policies that may reach this.
pub fn capabilities(outside: &Outside) -> Value {
    declared::capabilities(|builtin| calls::why_not_offered(builtin, outside).is_none())
}
