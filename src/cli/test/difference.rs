//! Differences as people read them: unified, of values with a line for each of their parts.

use similar::TextDiff;

use crate::policy::Document;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Lines of a difference at most.
const MAX_LINES: usize = 200;

/// How long a part may be, in characters, before it is cut.
const MAX_PART: usize = 4096;

/// How deep parts are told on lines of their own.
const MAX_LEVELS: usize = 32;

/// The difference of two texts under their names; empty where there is none.
pub(super) fn of(old: &str, before: &str, new: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let unified = diff
        .unified_diff()
        .context_radius(CONTEXT)
        .header(old, new)
        .to_string();
    let more = unified.lines().count().saturating_sub(MAX_LINES);
    if more == 0 {
        return unified;
    }
    let first: Vec<&str> = unified.lines().take(MAX_LINES).collect();
    format!("{}\n… {more} more lines\n", first.join("\n"))
}

/// A value as Rego writes it, each part on a line.
pub(super) fn lines_of(value: &Document) -> String {
    let mut text = String::new();
    write(&mut text, value, "", "", 0);
    text
}

fn write(text: &mut String, value: &Document, before: &str, after: &str, level: usize) {
    let indent = "  ".repeat(level);
    let open = |text: &mut String, bracket: &str| text.push_str(&format!("{indent}{before}{bracket}\n"));
    let close = |text: &mut String, bracket: &str| text.push_str(&format!("{indent}{bracket}{after}\n"));
    let inner = level + 1;
    match (value.kind(), value.members(), value.items()) {
        ("object", Some(members), _) if !members.is_empty() && level < MAX_LEVELS => {
            open(text, "{");
            for (key, member) in members {
                let key = Document::text(&key).notation(MAX_PART);
                write(text, &member, &format!("{key}: "), ",", inner);
            }
            close(text, "}");
        }
        (kind @ ("array" | "set"), _, Some(items)) if !items.is_empty() && level < MAX_LEVELS => {
            let (opening, closing) = if kind == "set" { ("{", "}") } else { ("[", "]") };
            open(text, opening);
            items.iter().for_each(|item| write(text, item, "", ",", inner));
            close(text, closing);
        }
        _ => text.push_str(&format!("{indent}{before}{}{after}\n", value.notation(MAX_PART))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn lines(json: &Value) -> String {
        lines_of(&Document::from_json(json))
    }

    #[test]
    fn each_part_has_a_line_and_what_is_empty_has_one() {
        assert_eq!(
            lines(&json!({"a": [1, {}], "b": "x", "c": []})),
            "{\n  \"a\": [\n    1,\n    {},\n  ],\n  \"b\": \"x\",\n  \"c\": [],\n}\n"
        );
    }

    #[test]
    fn parts_that_lie_very_deep_are_told_on_one_line() {
        let nested =
            |within: fn(Value) -> Value| (0..MAX_LEVELS + 4).fold(json!("x"), |inner, _| within(inner));
        for (deep, deepest) in [
            (nested(|inner| json!([inner])), r#"[[[["x"]]]],"#),
            (
                nested(|inner| json!({"a": inner})),
                r#""a": {"a": {"a": {"a": {"a": "x"}}}},"#,
            ),
        ] {
            let told = lines(&deep);
            assert_eq!(told.lines().nth(MAX_LEVELS).unwrap().trim(), deepest);
            assert_eq!(told.lines().count(), 2 * MAX_LEVELS + 1);
        }
    }

    #[test]
    fn a_long_difference_is_cut_and_says_so() {
        let many = |from: usize| json!((from..from + 400).collect::<Vec<_>>());
        let diff = of("a", &lines(&many(0)), "b", &lines(&many(1000)));
        assert_eq!(diff.lines().count(), MAX_LINES + 1);
        assert!(diff.ends_with(" more lines\n"), "{diff}");
    }
}
