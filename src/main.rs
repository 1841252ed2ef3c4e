//! The `regate` binary.
fn main() {}
