//! The policy engine, behind types of our own. Nothing outside of `policy/engine*` names the engine's crate.

pub(crate) mod ast;
pub mod builtins;
pub(crate) mod entry;
mod explain;
pub(crate) mod group;
pub mod json;
mod normalize;
pub(crate) mod observe;
pub(crate) mod outside;

pub use builtins::Context;
pub use builtins::key_set;
pub use group::Limits;
pub use json::{Document, NotJson};
pub use outside::{Outside, Provider, Providers};
