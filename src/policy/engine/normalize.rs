//! Rewrites of a policy's source where the engine reads Rego otherwise than OPA does.
//!
//! Called once per file when it is loaded, before its group is built. Lines never move: what is written into a file
//! stands on the line of what it replaces, and [`Normalized::place`] gives back the author's line and column for any
//! place that the engine tells.
//!
//! - A line that begins with `(` is no call of what the line above it ends with ([`lines`]).
//! - `.5` is `0.5` ([`lines`]).
//! - `deny[x] { … } { … }` is two rules ([`lines`]).
//! - `x in xs` that is a value is a call ([`members`]).
//! - What a rule gives is looked at in its body ([`heads`]).
//! - What a negated call is given has to be defined: `not f(input.x)` is undefined without `input.x` ([`negation`]).
//! - `some x in y.z` finds nothing where `y.z` is no collection ([`rewrites`]).
//! - Values of several `with`, and what iterates there, are looked at before the statement ([`withs`]).
//! - An object that takes another one apart is compared with it as a whole ([`patterns`]).
//! - What could mean more than the engine makes of it and cannot be rewritten is refused ([`refusals`]).
//! - Functions that `with` replaces are called by one name ([`mocks`]).
//! - What `rego.metadata` gives is written into its calls ([`annotated`]).
//! - `f(a, x)` is `x = f(a)` of every builtin, and `walk` gives one pair after the other ([`results`]).

pub(crate) mod annotated;
pub(super) mod heads;
pub(super) mod lines;
pub(super) mod members;
pub(super) mod mocks;
mod negation;
pub(super) mod patterns;
mod refusals;
pub(super) mod results;
pub(super) mod rewrites;
pub(super) mod tokens;
pub(super) mod withs;

use std::num::NonZeroU32;
use std::ops::Range;

use regorus::{Engine, PolicyLengthConfig};

use super::ast::Position;

/// The columns that an author's line may have: a chain of certificates in one string has 6,000.
const MAX_LINE: NonZeroU32 = NonZeroU32::MIN.saturating_add(8191);

/// What the engine is given of a file.
#[derive(Clone, Debug)]
pub(crate) struct Normalized {
    /// The text for the engine.
    pub(crate) text: String,
    /// Where its lines begin.
    lines: Vec<usize>,
    /// What it was made of, if it is not as its author wrote it.
    edited: Option<Edited>,
    /// Where the author's text stands in its file.
    origin: Origin,
}

/// Where a text stands in the file that its author wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is the file.
    #[default]
    File,
    /// It stands in another text, behind so many lines and, on each of its lines, so many columns.
    Inside {
        /// Lines of the file above it.
        lines: u32,
        /// Columns of the file left of it.
        columns: u32,
    },
    /// It is written in a form that does not keep its lines: all that can be told is where it begins.
    At(Position),
}

impl Origin {
    /// The place in the file of one in the text.
    fn place(self, at: Position) -> Position {
        match self {
            Origin::File => at,
            Origin::Inside { lines, columns } => Position {
                line: at.line.saturating_add(lines),
                column: at.column.saturating_add(columns),
            },
            Origin::At(place) => place,
        }
    }
}

/// The author's text, and the edits that were made of it, one stage after the other.
#[derive(Clone, Debug)]
struct Edited {
    text: String,
    lines: Vec<usize>,
    stages: Vec<Vec<Edit>>,
}

/// A piece of text that takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// Bytes of the text before the edit; empty to insert.
    pub(super) replaced: Range<usize>,
    /// What stands there instead, with as many line ends.
    pub(super) text: String,
    /// Where it was moved from, if not from where it now stands.
    pub(super) from: Option<usize>,
}

impl Normalized {
    /// A text as its author wrote it.
    pub(super) fn new(text: &str, origin: Origin) -> Self {
        Self {
            text: text.to_owned(),
            lines: line_starts(text),
            edited: None,
            origin,
        }
    }

    /// Whether anything is not as the author wrote it.
    fn is_edited(&self) -> bool {
        self.edited.is_some()
    }

    /// Lets the engine read it: lines that were written into may be longer than an author's.
    pub(super) fn allow_length(&self, engine: &mut Engine) {
        if self.is_edited() {
            Self::allow_any_length(engine);
        } else {
            engine.set_policy_length_config(PolicyLengthConfig {
                max_col: MAX_LINE,
                ..PolicyLengthConfig::default()
            });
        }
    }

    /// Lets an engine read lines of any length.
    pub(super) fn allow_any_length(engine: &mut Engine) {
        engine.set_policy_length_config(PolicyLengthConfig {
            max_col: NonZeroU32::MAX,
            ..PolicyLengthConfig::default()
        });
    }

    /// Makes the edits, which do not overlap.
    pub(super) fn edit(&mut self, mut edits: Vec<Edit>) {
        if edits.is_empty() {
            return;
        }
        // Stable: what is inserted at one place stays in the order in which it was found.
        edits.sort_by_key(|edit| (edit.replaced.start, edit.replaced.end));
        let mut text = String::with_capacity(self.text.len() + 64 * edits.len());
        let mut done = 0;
        for edit in &edits {
            text.push_str(self.text.get(done..edit.replaced.start).unwrap_or_default());
            text.push_str(&edit.text);
            done = edit.replaced.end;
        }
        text.push_str(self.text.get(done..).unwrap_or_default());
        let lines = std::mem::replace(&mut self.lines, line_starts(&text));
        let text = std::mem::replace(&mut self.text, text);
        let edited = self.edited.get_or_insert(Edited {
            text,
            lines,
            stages: Vec::new(),
        });
        edited.stages.push(edits);
    }

    /// The text as its author wrote it.
    pub(super) fn author(&self) -> &str {
        self.edited.as_ref().map_or(&self.text, |edited| &edited.text)
    }

    /// Where the author wrote what the engine calls this place.
    pub(crate) fn place(&self, at: Position) -> Position {
        match self.offset_of(at) {
            Some(offset) => self.place_of(offset),
            None => self.origin.place(at),
        }
    }

    /// Where the author wrote what stands at this offset of the text as it is now.
    pub(super) fn place_of(&self, offset: usize) -> Position {
        let lines = self.edited.as_ref().map_or(&self.lines, |edited| &edited.lines);
        let at = position(self.author(), lines, self.author_offset(offset));
        self.origin.place(at)
    }

    /// The author's text from where this offset of the text as it is now comes from.
    pub(super) fn author_from(&self, offset: usize) -> &str {
        let offset = self.author_offset(offset);
        self.author().get(offset..).unwrap_or_default()
    }

    fn author_offset(&self, offset: usize) -> usize {
        let stages = self.edited.iter().flat_map(|edited| edited.stages.iter().rev());
        stages.fold(offset, |offset, edits| origin(edits, offset))
    }

    /// The place in the author's file of one in the author's text.
    pub(super) fn in_file(&self, at: Position) -> Position {
        self.origin.place(at)
    }

    /// The place of an offset of the text as it is now.
    pub(super) fn position(&self, offset: usize) -> Position {
        position(&self.text, &self.lines, offset)
    }

    /// The offset of a place as the engine counts: a tab has four columns, a character of a string one for each byte.
    fn offset_of(&self, at: Position) -> Option<usize> {
        let start = *self.lines.get(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
        let line = self.text.get(start..)?.split('\n').next()?;
        let (mut column, mut in_string, mut escaped) = (1, false, false);
        for (offset, c) in line.char_indices() {
            if column >= at.column {
                return Some(start + offset);
            }
            column += match c {
                '\t' if !in_string => 4,
                c if in_string => u32::try_from(c.len_utf8()).unwrap_or(1),
                _ => 1,
            };
            in_string ^= c == '"' && !escaped;
            escaped = in_string && c == '\\' && !escaped;
        }
        Some(start + line.len())
    }
}

/// Line and column, in characters, of an offset.
fn position(text: &str, lines: &[usize], offset: usize) -> Position {
    let line = lines.partition_point(|start| *start <= offset);
    let start = line.checked_sub(1).and_then(|line| lines.get(line).copied());
    let before = text.get(start.unwrap_or_default()..offset).unwrap_or_default();
    Position {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
    }
}

/// The offsets at which the lines of a text begin.
fn line_starts(text: &str) -> Vec<usize> {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect()
}

/// The offset before the edits of one after them; what an edit wrote comes from where it begins.
fn origin(edits: &[Edit], offset: usize) -> usize {
    // What the edits so far added and took away.
    let (mut added, mut taken) = (0, 0);
    for edit in edits {
        let begin = edit.replaced.start + added - taken;
        if offset < begin {
            break;
        }
        if offset < begin + edit.text.len() {
            return edit.from.unwrap_or(edit.replaced.start);
        }
        added += edit.text.len();
        taken += edit.replaced.len();
    }
    offset + taken - added
}

#[cfg(test)]
mod tests;
