//! What the builtins of a set may reach outside of it: nothing, unless whoever loads the set says so.
//!
//! Made once by a command, handed to [`crate::policy::load::load_with`], and captured by the functions of
//! [`super::builtins`] that need it; they learn from the evaluation how long they may take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::builtins::Answers;
use crate::fetch;
use crate::keys::KeySets;

/// What builtins may reach. By default nothing: then calls of those builtins are findings at load.
#[derive(Debug, Default)]
pub struct Outside {
    /// Whom `http.send` asks.
    pub http: Option<Arc<fetch::Client>>,
    /// Where `regate.jwks` has its keys from.
    pub keys: Arc<KeySets>,
    /// Whom `external_data` asks.
    pub providers: Option<Providers>,
    /// What was answered before and still holds, whichever set asked.
    pub answers: Answers,
}

/// Providers of external data.
#[derive(Debug)]
pub struct Providers {
    /// The client, with their hosts on its list.
    pub client: fetch::Client,
    /// Each by the name that policies call it.
    pub named: BTreeMap<String, Provider>,
}

/// A provider of external data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Where it is asked, over HTTPS.
    pub url: String,
    /// The certificates (PEM) of the authorities that sign for it; without any the client's.
    pub authorities: Option<String>,
    /// The longest time that it gets.
    pub timeout: Duration,
}
