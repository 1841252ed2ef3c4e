//! Entry rules: one generated rule per policy that yields everything its gate reads, in one evaluation.
//!
//! The engine can be asked for complete rules only by their exact path, and each question repeats the work of shared
//! rules. So each policy gets a set of `[rule, value]` pairs, one line per gate rule that its syntax tree has.

use super::ast::Source;

/// The generated rule's name, and the root of the reserved packages.
pub(crate) const RESERVED: &str = "regate_entry";

/// A generated module and the path of its rule.
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) rule: String,
}

/// Generates the entry of the policy with this package and these gate rules.
///
/// It stands in the policy's own package (an entry from outside would make the engine walk all packages), unless
/// something in the group reads that package whole: then it would be part of what is read, and gets a reserved package.
pub(super) fn entry(package: &[String], rules: &[&str], group: &[&Source]) -> Entry {
    let own = format!("data.{}", package.join("."));
    let read_whole = group
        .iter()
        .any(|source| source.reads.iter().any(|path| package.starts_with(path)));
    let (home, prefix) = if read_whole {
        (format!("{RESERVED}.{}", package.join(".")), format!("{own}."))
    } else {
        (package.join("."), String::new())
    };
    let mut text = format!("package {home}\n");
    for rule in rules {
        text.push_str(&format!("{RESERVED} contains [\"{rule}\", {prefix}{rule}]\n"));
    }
    Entry {
        text,
        rule: format!("data.{home}.{RESERVED}"),
    }
}
