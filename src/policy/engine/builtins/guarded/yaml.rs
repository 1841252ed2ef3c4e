//! What `yaml.unmarshal` may be asked to read: a few hundred bytes of aliases can stand for more than memory holds.

use regorus::Value;
use serde::de::IgnoredAny;

use crate::policy::engine::builtins::bounded::MAX_ITEMS;
use crate::policy::engine::builtins::{TooMuch, text};

/// A text: without aliases, or with some that stand for no more than an ordinary text may hold.
pub(in crate::policy::engine::builtins) fn unmarshal(
    name: &'static str,
    values: &[Value],
) -> anyhow::Result<()> {
    let text = text(values, 0, name)?;
    if !(text.contains('&') && text.contains('*')) {
        return Ok(());
    }
    // The text is bounded; of what it may hold only the depth and what its aliases stand for matter here.
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            enforce_alias_anchor_ratio: false,
            max_aliases: MAX_ITEMS,
            max_anchors: MAX_ITEMS,
            max_depth: 128,
            max_events: 20 * MAX_ITEMS,
            max_nodes: 20 * MAX_ITEMS,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_ITEMS,
            max_replay_stack_depth: 64,
            max_alias_expansions_per_anchor: usize::MAX,
        },
    };
    match serde_saphyr::from_str_with_options::<IgnoredAny>(text, options) {
        Ok(_) => Ok(()),
        // Whatever this reader cannot follow is not given to one that would follow it without end.
        Err(_) => Err(TooMuch(format!(
            "{name}: the aliases cannot be followed, or stand for more than {MAX_ITEMS} values"
        ))
        .into()),
    }
}
