//! The difference of two objects as people read it: unified, of their YAML.

use serde_json::Value;
use similar::TextDiff;

/// Lines around a change.
const CONTEXT: usize = 3;

/// The difference; empty where there is none.
pub(super) fn of(before: &Value, after: &Value) -> anyhow::Result<String> {
    let (before, after) = (serde_saphyr::to_string(before)?, serde_saphyr::to_string(after)?);
    let diff = TextDiff::from_lines(&before, &after);
    let unified = diff
        .unified_diff()
        .context_radius(CONTEXT)
        .header("before", "after")
        .to_string();
    Ok(unified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_is_told_with_the_lines_around_it() {
        let before = json!({"kind": "Pod", "metadata": {"name": "web"}, "spec": {"a": [1, 2]}});
        let after = json!({"kind": "Pod", "metadata": {"name": "web", "labels": {"team": "none"}}, "spec": {"a": [1]}});
        let diff = of(&before, &after).unwrap();
        assert!(diff.starts_with("--- before\n+++ after\n@@ "), "{diff}");
        assert!(diff.contains("\n kind: Pod\n metadata:\n"), "{diff}");
        assert!(diff.contains("\n+  labels:\n+    team: none\n"), "{diff}");
        assert!(
            diff.contains("\n-  - 2\n") || diff.contains("\n-    - 2\n"),
            "{diff}"
        );
        assert_eq!(of(&before, &before).unwrap(), "");
    }
}
