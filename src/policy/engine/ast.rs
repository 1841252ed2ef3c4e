//! What the syntax tree of one policy file says: its package, its rules, what it reads and what it calls.
//!
//! Loading asks these facts to group packages, to generate entry rules and to refuse what the engine would accept and
//! should not. The engine's tree is walked once per file and not kept.

mod walk;

use std::collections::BTreeSet;

use regorus::Engine;
use regorus::unstable::Span;

use crate::policy::files::RegoFile;
use crate::policy::finding::Finding;

/// One parsed file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file as the author named it.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// Whether it is of the language before version 1.
    pub(crate) v0: bool,
    /// `package a.b` is `["a", "b"]`.
    pub(crate) package: Vec<String>,
    /// Where the package clause stands.
    pub(crate) package_at: Position,
    /// Its rules, in order.
    pub(crate) rules: Vec<RuleFacts>,
    /// Paths below `data` that it reads, as far as they are constant: `data.a[x].b` is `["a"]`.
    pub(crate) reads: BTreeSet<Vec<String>>,
    /// Paths below `input` that it reads, as far as they are constant; an empty one where it takes `input` whole.
    pub(crate) input_reads: BTreeSet<Vec<String>>,
}

/// A place in a file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One rule of a file.
#[derive(Clone, Debug)]
pub(crate) struct RuleFacts {
    /// The head's first name: `audit_annotations["a"] := 1` is `audit_annotations`.
    pub(crate) name: String,
    /// The constant part of the head below the name.
    pub(crate) below: Vec<String>,
    /// How many arguments it takes, if any.
    pub(crate) arguments: Option<usize>,
    /// Whether it is a `default`.
    pub(crate) is_default: bool,
    /// Where it stands.
    pub(crate) at: Position,
    /// What it calls.
    pub(crate) calls: Vec<Call>,
    /// What it reads below `data`, imports resolved, as far as it is constant.
    pub(crate) reads: BTreeSet<Vec<String>>,
}

/// One call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The function as resolved through the file's imports: `["data", …]` for a rule of a policy file, the name's
    /// parts for a builtin.
    pub(crate) function: Vec<String>,
    /// How many operands it was given; `None` where it is only named, to stand in for another (`with f as g`).
    pub(crate) operands: Option<usize>,
    /// Whether it stands alone as a statement: only there may one more operand take the result.
    pub(crate) statement: bool,
    /// Where it stands.
    pub(crate) at: Position,
}

/// Brackets that may be open at one time: the parser's cost doubles with each nested literal.
const MAX_LITERAL_DEPTH: usize = 14;

impl Source {
    /// Parses a file.
    ///
    /// # Errors
    /// The first syntax error: the parser stops there.
    pub(crate) fn parse(file: &RegoFile) -> Result<Self, Finding> {
        if let Some(at) = too_deep(&file.text) {
            let message =
                format!("brackets nested more than {MAX_LITERAL_DEPTH} deep: name a part of it in a rule");
            return Err(at.finding(&file.path, message));
        }
        let mut engine = Engine::new();
        engine.set_rego_v0(file.v0);
        engine
            .add_policy(file.path.clone(), file.text.clone())
            .map_err(|error| syntax_finding(&file.path, &error.to_string()))?;
        let modules = engine.get_modules();
        let Some(module) = modules.first() else {
            return Err(Finding {
                file: Some(file.path.clone()),
                message: "no package".into(),
                ..Finding::default()
            });
        };
        walk::Walk::of(module).source(file, module)
    }
}

impl Source {
    /// A finding at a place of this file.
    pub(crate) fn finding(&self, at: Position, message: String) -> Finding {
        at.finding(&self.path, message)
    }

    /// The path below `data` of one of its rules.
    pub(crate) fn path_of(&self, rule: &RuleFacts) -> Vec<String> {
        let below = rule.below.iter();
        self.package
            .iter()
            .chain([&rule.name])
            .chain(below)
            .cloned()
            .collect()
    }
}

/// The engine's errors begin with `--> file:line:column`, and say what is wrong behind `error:`.
pub(super) fn syntax_finding(path: &str, text: &str) -> Finding {
    let (line, column) = position_in(text).map_or((None, None), |at| (Some(at.line), Some(at.column)));
    Finding {
        file: Some(path.to_owned()),
        line,
        column,
        message: message_in(text),
    }
}

pub(super) fn position_in(text: &str) -> Option<Position> {
    let head = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("--> "))?;
    let mut parts = head.trim().rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Position { line, column })
}

pub(super) fn message_in(text: &str) -> String {
    let message = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("error: "));
    message
        .or_else(|| text.lines().find(|line| !line.trim().is_empty()))
        .unwrap_or("unreadable")
        .trim()
        .to_owned()
}

/// The first place where more than [`MAX_LITERAL_DEPTH`] square or curly brackets are open, outside of strings and
/// comments.
fn too_deep(text: &str) -> Option<Position> {
    let mut depth = 0usize;
    let mut at = Position { line: 1, column: 0 };
    let mut chars = text.chars();
    let mut inside = Inside::Code;
    while let Some(c) = chars.next() {
        if c == '\n' {
            at = Position {
                line: at.line + 1,
                column: 0,
            };
        } else {
            at.column += 1;
        }
        inside = match (inside, c) {
            (Inside::Code, '#') => Inside::Comment,
            (Inside::Code, '"') => Inside::String,
            (Inside::Code, '`') => Inside::RawString,
            (Inside::Code, '[' | '{') => {
                depth += 1;
                if depth > MAX_LITERAL_DEPTH {
                    return Some(at);
                }
                Inside::Code
            }
            (Inside::Code, ']' | '}') => {
                depth = depth.saturating_sub(1);
                Inside::Code
            }
            (Inside::String, '\\') => {
                // The escaped character, which may be a quote; a string does not go on behind its line.
                at.column += u32::from(chars.next().is_some());
                Inside::String
            }
            (Inside::String, '"' | '\n') | (Inside::RawString, '`') | (Inside::Comment, '\n') => Inside::Code,
            (inside, _) => inside,
        };
    }
    None
}

/// What a character of a policy's text belongs to.
#[derive(Clone, Copy)]
enum Inside {
    Code,
    Comment,
    RawString,
    String,
}

impl Position {
    /// A finding at this place of a file.
    pub(crate) fn finding(self, path: &str, message: String) -> Finding {
        Finding {
            file: Some(path.to_owned()),
            line: Some(self.line),
            column: Some(self.column),
            message,
        }
    }
}

impl From<&Span> for Position {
    fn from(span: &Span) -> Self {
        Position {
            line: span.line,
            column: span.col,
        }
    }
}

#[cfg(test)]
mod tests;
