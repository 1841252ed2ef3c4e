//! The Namespace of a review: looked up at most once, and only when a policy needs it.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Instant;

use crate::policy::matching::Facts;
use crate::policy::namespaces::{Namespace, Namespaces, Unknown};

/// The lookup, and what it found.
pub(super) struct NamespaceOf<'a> {
    namespaces: &'a Namespaces,
    facts: &'a Facts,
    until: Instant,
    found: OnceCell<Result<Option<Arc<Namespace>>, Unknown>>,
}

impl<'a> NamespaceOf<'a> {
    pub(super) fn new(namespaces: &'a Namespaces, facts: &'a Facts, until: Instant) -> Self {
        NamespaceOf {
            namespaces,
            facts,
            until,
            found: OnceCell::new(),
        }
    }

    /// The Namespace; `None` for what is in none. A Namespace that is itself under review is as the review has it.
    pub(super) fn get(&self) -> Result<Option<Arc<Namespace>>, Unknown> {
        let look_up = || match (&self.facts.own_namespace, self.facts.namespace.as_str()) {
            (Some(own), _) => Ok(Some(Arc::new(own.clone()))),
            (None, "") => Ok(None),
            (None, name) => self.namespaces.get(name, self.until).map(Some),
        };
        self.found.get_or_init(look_up).clone()
    }
}
