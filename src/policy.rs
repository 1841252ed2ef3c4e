//! Policies: what is loaded, and how it is evaluated.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// All policies that are served, immutable; swapped whole.
#[derive(Debug, Default)]
pub struct PolicySet {
    /// Content hash of everything that decides.
    pub revision: String,
}

/// The served set: `None` until the first one is loaded.
pub type Served = Arc<ArcSwapOption<PolicySet>>;

pub mod engine;
