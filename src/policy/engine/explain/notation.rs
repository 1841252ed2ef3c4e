//! Values as an author would write them: sets in braces, objects in the order of their keys, cut where they get long.

use regorus::Value;

use crate::policy::engine::Document;

/// How deep a value is told.
const MAX_DEPTH: usize = 32;

impl Document {
    /// The value in Rego's notation on one line, cut behind `max` characters.
    pub fn notation(&self, max: usize) -> String {
        let mut out = String::new();
        write(&self.0, MAX_DEPTH, max, None, &mut out);
        cut(out, max)
    }

    /// The value in Rego's notation with a line for each member, whole: what a difference is told of.
    pub fn lines(&self) -> String {
        let mut out = String::new();
        write(&self.0, MAX_DEPTH, usize::MAX, Some(0), &mut out);
        out
    }
}

/// A text cut behind `max` characters.
pub(super) fn cut(mut text: String, max: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(max) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Writes a value; `indent` is the depth of its line, if it may have lines.
fn write(value: &Value, depth: usize, max: usize, indent: Option<usize>, out: &mut String) {
    let Some(inner) = depth.checked_sub(1) else {
        return out.push('…');
    };
    match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| (None, item));
            members(["[", "]"], items, inner, max, indent, out);
        }
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => {
            let items = items.iter_sorted().map(|item| (None, item));
            members(["{", "}"], items, inner, max, indent, out);
        }
        Value::Object(items) => {
            let items = items.iter_sorted().map(|(key, item)| (Some(key), item));
            members(["{", "}"], items, inner, max, indent, out);
        }
        Value::Undefined => out.push_str("undefined"),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn members<'a>(
    [open, close]: [&str; 2],
    items: impl Iterator<Item = (Option<&'a Value>, &'a Value)>,
    depth: usize,
    max: usize,
    indent: Option<usize>,
    out: &mut String,
) {
    let inner = indent.map(|indent| indent + 1);
    out.push_str(open);
    let mut any = false;
    for (key, item) in items {
        // What lies behind the cut need not be written.
        if out.len() / 4 > max {
            break;
        }
        match inner {
            Some(inner) => {
                if any {
                    out.push(',');
                }
                new_line(inner, out);
            }
            None if any => out.push_str(", "),
            None => {}
        }
        any = true;
        if let Some(key) = key {
            write(key, depth, max, None, out);
            out.push_str(": ");
        }
        write(item, depth, max, inner, out);
    }
    if let Some(indent) = indent.filter(|_| any) {
        new_line(indent, out);
    }
    out.push_str(close);
}

fn new_line(indent: usize, out: &mut String) {
    out.push('\n');
    out.push_str(&"  ".repeat(indent));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn values_are_written_as_rego_and_cut() {
        let set = Value::from(BTreeSet::from([Value::from("b"), Value::from("a")]));
        let empty = Value::from(BTreeSet::new());
        let object = Document::from_json(&serde_json::json!({"x": [1, true, null], "y": {}})).0;
        let all = Document(Value::from(vec![set, empty, object]));
        assert_eq!(
            all.notation(200),
            r#"[{"a", "b"}, set(), {"x": [1, true, null], "y": {}}]"#
        );
        assert_eq!(all.notation(7), r#"[{"a", …"#);
        assert_eq!(
            all.lines(),
            "[\n  {\n    \"a\",\n    \"b\"\n  },\n  set(),\n  {\n    \"x\": [\n      1,\n      true,\n      null\n    ],\
             \n    \"y\": {}\n  }\n]"
        );
    }

    #[test]
    fn a_deep_value_is_not_written_to_its_end() {
        let deep = (0..MAX_DEPTH + 8).fold(Value::from(1), |inner, _| Value::from(vec![inner]));
        let text = format!("{}…{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert_eq!(Document(deep).notation(240), text);
    }

    #[test]
    fn a_long_value_is_not_written_to_its_end() {
        let long = Document(Value::from(vec![Value::from("ä".repeat(100)); 10_000]));
        let text = long.notation(240);
        assert_eq!(text.chars().count(), 241);
        assert!(text.ends_with('…'), "{text}");
    }
}
