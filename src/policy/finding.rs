//! Findings: what is wrong with a policy file, and where.
//!
//! Made by everything that reads, loads and checks policies; printed by the commands, logged and told by the server. Every
//! finding has an [`Id`], which says how much it weighs and which page tells more. `Display` is one line, for logs;
//! [`Finding::long`] is for people at a terminal.

mod id;
mod long;

use serde::{Deserialize, Serialize};

use super::engine::ast::Position;
pub use id::{Id, Severity};
pub use long::Long;

/// One thing that loading or checking refuses or warns of, told to the policy's author.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The file as the author named it.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
    /// What kind of thing it is.
    #[serde(default)]
    pub id: Id,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line of the file, of policies only: what stands in data may be secret.
    #[serde(skip)]
    pub source: Option<String>,
}

impl Finding {
    /// A finding without a place.
    pub fn new(id: Id, message: impl Into<String>) -> Self {
        Finding {
            id,
            message: message.into(),
            ..Finding::default()
        }
    }

    /// The same in a file.
    #[must_use]
    pub fn in_file(self, file: impl Into<String>) -> Self {
        Finding {
            file: Some(file.into()),
            ..self
        }
    }

    /// The same at a place of its file.
    #[must_use]
    pub(crate) fn at(self, at: Position) -> Self {
        Finding {
            line: Some(at.line),
            column: Some(at.column),
            ..self
        }
    }

    /// The same with a hint, if there is one.
    #[must_use]
    pub fn hinted(self, hint: impl Into<Option<String>>) -> Self {
        Finding {
            hint: hint.into(),
            ..self
        }
    }

    /// The form for people: with the line of the file, a caret, the hint and the page.
    pub fn long(&self) -> Long<'_> {
        Long(self)
    }

    /// `file:line:column:`, as far as it is known.
    fn place(&self) -> Option<String> {
        let file = self.file.as_deref()?;
        let numbers = [self.line, self.line.and(self.column)];
        let numbers = numbers.into_iter().flatten().map(|number| format!("{number}:"));
        Some(format!("{file}:{}", numbers.collect::<String>()))
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(place) = self.place() {
            write!(f, "{place} ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}
