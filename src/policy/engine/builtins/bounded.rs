//! Texts that may not grow without bound: small operands can ask for gigabytes (a width of nine digits, one long text
//! in the place of every letter of another).

use super::TooMuch;

/// The longest text that a builtin gives. Longer than any object that the API server stores, printed whole.
pub(super) const MAX_TEXT: usize = 4 * 1024 * 1024;

/// Refuses a text of this length.
pub(super) fn check(length: usize, function: &str) -> anyhow::Result<()> {
    if length > MAX_TEXT {
        return Err(TooMuch(format!("{function}: the result would be longer than 4 MiB")).into());
    }
    Ok(())
}

/// A text that grows up to [`MAX_TEXT`].
pub(super) struct Bounded {
    text: String,
    function: &'static str,
}

impl Bounded {
    pub(super) const fn new(function: &'static str) -> Self {
        Bounded {
            text: String::new(),
            function,
        }
    }

    pub(super) fn push(&mut self, text: &str) -> anyhow::Result<()> {
        check(self.text.len().saturating_add(text.len()), self.function)?;
        self.text.push_str(text);
        Ok(())
    }

    pub(super) fn repeat(&mut self, character: char, count: usize) -> anyhow::Result<()> {
        let length = count.saturating_mul(character.len_utf8());
        check(self.text.len().saturating_add(length), self.function)?;
        self.text.extend(std::iter::repeat_n(character, count));
        Ok(())
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
