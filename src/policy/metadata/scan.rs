//! `# METADATA` blocks in the text of a policy file. Comments are not in the syntax tree, so they are found by lines.

use super::node::Node;
use crate::policy::engine::ast::Position;

/// One block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// Where `METADATA` stands.
    pub(super) at: Position,
    /// The last line of the block.
    pub(super) end: u32,
    /// Its YAML; why it is none, and where.
    pub(super) yaml: Result<Node, (Position, String)>,
}

/// A comment that has its line for itself.
struct Comment<'a> {
    at: Position,
    text: &'a str,
}

/// What the comments of a text say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scan {
    /// All blocks, in order.
    pub(super) blocks: Vec<Block>,
    /// YAML with `custom:` that stands in no block: its heading is misspelt, or an empty line has cut it off.
    pub(super) strays: Vec<Node>,
}

/// Looks through a text.
pub(super) fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    let mut comments = comments(text).into_iter().peekable();
    while let Some(start) = comments.next() {
        let (at, words) = (start.at, start.text.trim());
        let is_block = words == "METADATA";
        if !is_block && !words.starts_with("custom:") {
            continue;
        }
        let mut end = at.line;
        let mut lines: Vec<_> = (!is_block).then_some(start).into_iter().collect();
        while let Some(comment) = comments.next_if(|comment| comment.at.line == end + 1) {
            end = comment.at.line;
            lines.push(comment);
        }
        if is_block {
            let yaml = yaml(at, &lines);
            scan.blocks.push(Block { at, end, yaml });
        } else {
            let before = Position {
                line: at.line.saturating_sub(1),
                ..at
            };
            scan.strays.extend(yaml(before, &lines));
        }
    }
    scan
}

fn yaml(start: Position, lines: &[Comment<'_>]) -> Result<Node, (Position, String)> {
    // A line end for YAML and none for Rego: who reads the file would see other lines than the reader of the YAML.
    if let Some(line) = lines.iter().find(|line| line.text.contains('\r')) {
        return Err((line.at, "a carriage return within a line".to_owned()));
    }
    let text: String = lines.iter().flat_map(|line| [line.text, "\n"]).collect();
    // The first line of the YAML is the one behind `METADATA`, its first column the one behind the `#`.
    let moved = |at: Position| {
        let index = usize::try_from(at.line).unwrap_or_default().saturating_sub(1);
        let hash = lines.get(index).map_or(start.column, |line| line.at.column);
        Position {
            line: start.line + at.line,
            column: hash + at.column,
        }
    };
    match Node::parse(&text) {
        Ok(node) => Ok(node.moved(&moved)),
        Err((at, message)) => Err((at.map_or(start, moved), message)),
    }
}

/// Comments on lines of their own. A `#` inside of a raw string, which may be many lines long, is none.
fn comments(text: &str) -> Vec<Comment<'_>> {
    let mut comments = Vec::new();
    let mut raw = false;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if !raw && let Some(comment) = trimmed.strip_prefix('#') {
            let indent = line.chars().count() - trimmed.chars().count();
            let at = Position {
                line: u32::try_from(index + 1).unwrap_or(u32::MAX),
                column: u32::try_from(indent + 1).unwrap_or(u32::MAX),
            };
            comments.push(Comment { at, text: comment });
        } else {
            raw = ends_in_raw_string(line, raw);
        }
    }
    comments
}

/// Whether a raw string is open at the end of a line.
fn ends_in_raw_string(line: &str, mut raw: bool) -> bool {
    let mut quoted = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '`' if !quoted => raw = !raw,
            '"' if !raw => quoted = !quoted,
            '\\' if quoted => drop(chars.next()),
            '#' if !raw && !quoted => break,
            _ => {}
        }
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<(u32, u32)> {
        scan(text)
            .blocks
            .iter()
            .map(|block| (block.at.line, block.end))
            .collect()
    }

    #[test]
    fn a_block_is_the_comment_lines_that_follow_its_first() {
        let text = "# about\n\n# METADATA\n# title: A\n# custom:\n#   order: 1\npackage a\n\n  # METADATA\n  # title: B\nx := 1 # METADATA\n";
        assert_eq!(places(text), [(3, 6), (9, 10)]);
    }

    #[test]
    fn strings_of_any_kind_hide_no_block_and_make_none() {
        assert_eq!(places("package a\nx := `\n# METADATA\n# title: A\n`\n"), []);
        assert_eq!(
            places("package a\nx := \"`\"\n# METADATA\n# title: A\ny := 1\n"),
            [(3, 4)]
        );
        assert_eq!(
            places("package a\nx := \"\\\"`\" # `\n# METADATA\n# title: A\ny := 1\n"),
            [(3, 4)]
        );
    }

    #[test]
    fn positions_are_those_of_the_file() {
        let blocks =
            scan("package a\n\n  # METADATA\n  # title: A\n  # custom:\n  #   order: x\ny := 1\n").blocks;
        let node = blocks[0].yaml.as_ref().unwrap();
        let order = node.get("custom").unwrap().get("order").unwrap();
        assert_eq!((order.at.unwrap().line, order.at.unwrap().column), (6, 14));
    }

    #[test]
    fn a_carriage_return_ends_a_line_only_together_with_a_line_feed() {
        let (at, message) = scan("# METADATA\n# title: A\r# custom: 1\npackage a\n").blocks[0]
            .yaml
            .clone()
            .unwrap_err();
        assert_eq!((at.line, at.column), (2, 1));
        assert_eq!(message, "a carriage return within a line");
        let blocks = scan("# METADATA\r\n# title: A\r\npackage a\r\n").blocks;
        assert_eq!(
            blocks[0].yaml.as_ref().unwrap().get("title").unwrap().as_text(),
            Some("A")
        );
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_place() {
        let blocks = scan("# METADATA\n# title: [a\n# custom: 1\npackage a\n").blocks;
        let (at, message) = blocks[0].yaml.as_ref().unwrap_err();
        assert!(at.line >= 2, "{at:?}");
        assert!(!message.is_empty());
    }
}
