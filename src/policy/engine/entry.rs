//! Entry rules: one generated rule per policy that yields everything its gate reads, in one evaluation.
//!
//! The engine can be asked for complete rules only by their exact path, and each question repeats the work of shared
//! rules. So each policy gets a set of `[rule, value]` pairs, one line per gate rule that its syntax tree has. It stands in
//! the policy's own package: an entry from outside would make the engine walk all packages.

/// The generated rule's name.
pub(crate) const RESERVED: &str = "regate_entry";

/// A generated module and the path of its rule.
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) rule: String,
}

/// Generates the entry of the policy with this package and these gate rules.
pub(super) fn entry(package: &[String], rules: &[&str]) -> Entry {
    let package = package.join(".");
    let lines = rules
        .iter()
        .map(|rule| format!("{RESERVED} contains [\"{rule}\", {rule}]\n"));
    let text = std::iter::once(format!("package {package}\n"))
        .chain(lines)
        .collect();
    Entry {
        text,
        rule: format!("data.{package}.{RESERVED}"),
    }
}
