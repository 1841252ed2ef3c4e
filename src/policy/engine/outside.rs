//! What the builtins of a set may reach outside of it: nothing, unless whoever loads the set says so.
//!
//! Made once by a command, handed to [`crate::policy::load::load_with`], and captured by the functions of
//! [`super::builtins`] that need it; they learn from [`super::builtins::deadline`] how long they may take.

use std::sync::Arc;

use crate::fetch;
use crate::keys::KeySets;

/// What builtins may reach. By default nothing: then calls of those builtins are findings at load.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Whom `http.send` asks.
    pub http: Option<Arc<fetch::Client>>,
    /// Where `regate.jwks` has its keys from.
    pub keys: Arc<KeySets>,
}
