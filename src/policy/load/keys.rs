//! The sets of keys that policies name: one that nobody gives would make a fault of each token.

use crate::keys::KeySets;
use crate::policy::engine::ast::Source;
use crate::policy::finding::{Finding, Id};

/// A finding for each call that names a set which is not there.
pub(super) fn missing(sources: &[Source], keys: &KeySets) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let calls = source.rules.iter().flat_map(|rule| &rule.calls);
        for call in calls.filter(|call| call.function == ["regate", "jwks"]) {
            let Some(name) = call.first.as_deref().filter(|name| !keys.has(name)) else {
                continue;
            };
            let message = format!("no set of keys is called `{name}`");
            let hint = format!("give the server --jwks {name}=FILE or --jwks {name}=https://...");
            findings.push(source.problem(Id::UnknownKeys, call.at, message).hinted(hint));
        }
    }
    findings
}
