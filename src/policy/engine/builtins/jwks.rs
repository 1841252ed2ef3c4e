//! `regate.jwks`: the sets of keys that the operator names, for `io.jwt.decode_verify`.
//!
//! A set that cannot be had is a fault at authn, too, and whatever a policy says of errors: without keys nobody knows
//! whether a token is good, and a refusal would be remembered by the API server.

use regorus::Value;

use super::{Unavailable, deadline, jwt, text};
use crate::keys::Content;
use crate::policy::engine::Outside;

/// `regate.jwks(name, token)`: the set of this name as text, as new as it has to be for the token.
pub(super) fn jwks(values: &[Value], outside: &Outside) -> anyhow::Result<Value> {
    const NAME: &str = "regate.jwks";
    let (name, token) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    let id = jwt::key_id(token);
    let keys = outside.keys.get(name, id.as_deref(), deadline());
    let keys = keys.map_err(|missing| Unavailable(format!("{NAME}: {missing}")))?;
    Ok(Value::String(keys))
}

/// Reads a set of keys as this engine verifies with it.
///
/// # Errors
/// Why it is none.
pub fn key_set(text: &str) -> Result<Content, String> {
    let (text, ids) = jwt::public_keys(text).map_err(|error| error.to_string())?;
    Ok(Content {
        text,
        keys: ids.len(),
        ids: ids.into_iter().filter(|id| !id.is_empty()).collect(),
    })
}
