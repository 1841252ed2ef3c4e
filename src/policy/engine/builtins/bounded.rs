//! Texts that may not grow without bound: small operands can ask for gigabytes (a width of nine digits, one long text
//! in the place of every letter of another).

use regorus::Value;

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

/// Refuses texts that are longer than any that a builtin gives.
pub(super) fn check_operands(values: &[Value], function: &str) -> anyhow::Result<()> {
    let long = |value: &Value| matches!(value, Value::String(text) if text.len() > MAX_TEXT);
    match values.iter().position(long) {
        Some(at) => Err(TooMuch(format!("{function}: operand {} is longer than 4 MiB", at + 1)).into()),
        None => Ok(()),
    }
}

/// The most items of a list that a builtin makes: a text of [`MAX_TEXT`] in lines has far fewer.
pub(super) const MAX_ITEMS: usize = 500_000;

/// Refuses a list of so many items.
pub(super) fn too_many(items: usize, function: &str) -> anyhow::Result<()> {
    if items > MAX_ITEMS {
        return Err(TooMuch(format!("{function}: more than {MAX_ITEMS} items")).into());
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

    /// Refuses so many bytes more.
    pub(super) fn room(&self, length: usize) -> anyhow::Result<()> {
        check(self.text.len().saturating_add(length), self.function)
    }

    pub(super) fn push(&mut self, text: &str) -> anyhow::Result<()> {
        self.room(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    pub(super) fn repeat(&mut self, character: char, count: usize) -> anyhow::Result<()> {
        let length = count.saturating_mul(character.len_utf8());
        self.room(length)?;
        self.text.extend(std::iter::repeat_n(character, count));
        Ok(())
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
