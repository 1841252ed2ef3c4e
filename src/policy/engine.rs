//! The policy engine, behind types of our own. Nothing outside of `policy/engine*` names the engine's crate.

pub mod json;
