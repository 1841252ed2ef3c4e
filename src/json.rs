//! JSON as it comes from the wire: a strict, iterative tokenizer.
//!
//! The engine's conversion and the envelope scan read through it. Nothing here recurses, so depth is a number in a
//! message and not a stack overflow; numbers are classified from their text, so no integer passes through a float.
//! What the grammar of RFC 8259 does not allow is [`Problem::Syntax`]; what it allows and Regate refuses (depth,
//! repeated keys, numbers out of range, strings that are no Unicode) has a problem of its own, because the failure
//! contract answers the two differently.

use std::borrow::Cow;
use std::fmt;

/// Containers that may be open at one time in a document. The engine compares and drops values recursively.
pub const MAX_DEPTH: usize = 128;

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not JSON.
    #[error("not valid JSON")]
    Syntax,
    /// Something follows the document.
    #[error("text after the JSON document")]
    Trailing,
    /// More than [`MAX_DEPTH`] containers in each other.
    #[error("nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// One object has a key twice.
    #[error("an object has the same key twice")]
    DuplicateKey,
    /// An integer outside -2^63 to 2^64-1, or a decimal that overflows.
    #[error("a number out of range")]
    NumberRange,
    /// A string that is not UTF-8, or has half of a surrogate pair.
    #[error("a string that is not Unicode")]
    NotUnicode,
}

/// A refused text: what is wrong and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub problem: Problem,
    /// Offset in bytes.
    pub offset: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.problem, self.offset)
    }
}

impl std::error::Error for Error {}

/// A JSON number, classified from its text: with a fraction or an exponent a float, else the integer it says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer below zero.
    Negative(i64),
    /// An integer from zero up.
    Unsigned(u64),
    /// A decimal.
    Float(f64),
}

/// One step through a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Token<'a> {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// A key of the open object, its colon read.
    Key(Cow<'a, str>),
    /// A string value.
    String(Cow<'a, str>),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// `null`
    Null,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Array,
    Object,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value: the document's, or after a colon, or after a comma of an array.
    Value,
    /// A value or the end of an array that is still empty.
    FirstItem,
    /// A key or the end of an object that is still empty.
    FirstKey,
    /// A key after a comma.
    Key,
    /// A comma or the end of the open container.
    Separator,
    /// Nothing more.
    End,
}

/// Walks a text token by token. After the document's last token [`Tokens::next`] gives `None` once the rest is blank.
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    open: Vec<Container>,
    expect: Expect,
    limit: usize,
}

impl<'a> Tokens<'a> {
    /// Starts at the text's beginning; at most [`MAX_DEPTH`] containers may be open.
    pub fn new(text: &'a [u8]) -> Self {
        Tokens {
            text,
            at: 0,
            open: Vec::with_capacity(16),
            expect: Expect::Value,
            limit: MAX_DEPTH,
        }
    }

    /// Offset of the next byte to be read.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The next token; `None` after the document's end.
    // Not an `Iterator`: a token borrows from the text, and an error ends the walk.
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible walk; `?` at each step reads better than Option<Result>"
    )]
    pub fn next(&mut self) -> Result<Option<Token<'a>>, Error> {
        loop {
            let Some(byte) = self.peek_significant() else {
                return if self.expect == Expect::End {
                    Ok(None)
                } else {
                    Err(self.error(Problem::Syntax))
                };
            };
            match (self.expect, byte) {
                (Expect::End, _) => return Err(self.error(Problem::Trailing)),
                (Expect::Separator, b',') => {
                    self.at += 1;
                    self.expect = match self.open.last() {
                        Some(Container::Object) => Expect::Key,
                        _ => Expect::Value,
                    };
                }
                (Expect::Separator | Expect::FirstKey, b'}') => {
                    return self.close(Container::Object).map(Some);
                }
                (Expect::Separator | Expect::FirstItem, b']') => {
                    return self.close(Container::Array).map(Some);
                }
                (Expect::FirstKey | Expect::Key, b'"') => return self.key().map(Some),
                (Expect::Value | Expect::FirstItem, _) => return self.value(byte).map(Some),
                _ => return Err(self.error(Problem::Syntax)),
            }
        }
    }

    /// Whether the next byte that is no blank is this one.
    pub fn next_is(&mut self, byte: u8) -> bool {
        self.peek_significant() == Some(byte)
    }

    /// Passes over the value that comes next, whatever its depth, without looking into its strings and numbers.
    pub fn skip_value(&mut self) -> Result<(), Error> {
        let (floor, limit) = (self.open.len(), self.limit);
        self.limit = usize::MAX;
        let done = loop {
            match self.skip_token() {
                Ok(()) if self.open.len() <= floor => break Ok(()),
                Ok(()) => {}
                Err(error) => break Err(error),
            }
        };
        self.limit = limit;
        done
    }

    fn skip_token(&mut self) -> Result<(), Error> {
        match self.next() {
            Ok(_) => Ok(()),
            // Content, not grammar: the token was read to its end.
            Err(Error {
                problem: Problem::NumberRange | Problem::NotUnicode,
                ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn error(&self, problem: Problem) -> Error {
        // A text that ends behind a backslash was left by a byte too much.
        Error {
            problem,
            offset: self.at.min(self.text.len()),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn peek_significant(&mut self) -> Option<u8> {
        while let Some(byte) = self.peek() {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn value(&mut self, byte: u8) -> Result<Token<'a>, Error> {
        let token = match byte {
            b'{' => return self.open(Container::Object),
            b'[' => return self.open(Container::Array),
            b'"' => self.string().map(Token::String),
            b't' => self.word(b"true", Token::Bool(true)),
            b'f' => self.word(b"false", Token::Bool(false)),
            b'n' => self.word(b"null", Token::Null),
            b'-' | b'0'..=b'9' => self.number().map(Token::Number),
            _ => return Err(self.error(Problem::Syntax)),
        };
        self.after_value();
        token
    }

    fn after_value(&mut self) {
        self.expect = if self.open.is_empty() {
            Expect::End
        } else {
            Expect::Separator
        };
    }

    fn open(&mut self, container: Container) -> Result<Token<'a>, Error> {
        if self.open.len() >= self.limit {
            return Err(self.error(Problem::TooDeep));
        }
        self.at += 1;
        self.open.push(container);
        Ok(match container {
            Container::Object => {
                self.expect = Expect::FirstKey;
                Token::ObjectStart
            }
            Container::Array => {
                self.expect = Expect::FirstItem;
                Token::ArrayStart
            }
        })
    }

    fn close(&mut self, container: Container) -> Result<Token<'a>, Error> {
        if self.open.pop() != Some(container) {
            return Err(self.error(Problem::Syntax));
        }
        self.at += 1;
        self.after_value();
        Ok(match container {
            Container::Object => Token::ObjectEnd,
            Container::Array => Token::ArrayEnd,
        })
    }

    fn key(&mut self) -> Result<Token<'a>, Error> {
        let key = self.string();
        // The colon is read even where the key is refused, so that a skip can go on behind it.
        if let Err(Error {
            problem: Problem::Syntax,
            ..
        }) = key
        {
            return key.map(Token::Key);
        }
        if self.peek_significant() != Some(b':') {
            return Err(self.error(Problem::Syntax));
        }
        self.at += 1;
        self.expect = Expect::Value;
        match key {
            Ok(key) => Ok(Token::Key(key)),
            Err(error) => Err(error),
        }
    }

    fn word(&mut self, word: &[u8], token: Token<'a>) -> Result<Token<'a>, Error> {
        if self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            self.at += word.len();
            Ok(token)
        } else {
            Err(self.error(Problem::Syntax))
        }
    }

    /// Reads a string; on [`Problem::NotUnicode`] it has been passed.
    fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        let start = self.at + 1;
        self.at = start;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(0..=0x1f) | None => return Err(self.error(Problem::Syntax)),
                Some(_) => self.at += 1,
            }
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        let Ok(text) = std::str::from_utf8(raw) else {
            return Err(Error {
                problem: Problem::NotUnicode,
                offset: start,
            });
        };
        if !escaped {
            return Ok(Cow::Borrowed(text));
        }
        match unescape(text) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(problem) => Err(Error {
                problem,
                offset: start,
            }),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    /// Reads a number; on [`Problem::NumberRange`] it has been passed.
    fn number(&mut self) -> Result<Number, Error> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(self.error(Problem::Syntax));
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            self.at += 1;
            integer = false;
            if self.digits() == 0 {
                return Err(self.error(Problem::Syntax));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            integer = false;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error(Problem::Syntax));
            }
        }
        let text = self
            .text
            .get(start..self.at)
            .and_then(|raw| std::str::from_utf8(raw).ok())
            .unwrap_or_default();
        classify(text, negative, integer).ok_or(Error {
            problem: Problem::NumberRange,
            offset: start,
        })
    }
}

fn classify(text: &str, negative: bool, integer: bool) -> Option<Number> {
    if !integer {
        return text
            .parse()
            .ok()
            .filter(|float: &f64| float.is_finite())
            .map(Number::Float);
    }
    if negative {
        return match text.parse().ok()? {
            0 => Some(Number::Unsigned(0)),
            number => Some(Number::Negative(number)),
        };
    }
    text.parse().ok().map(Number::Unsigned)
}

fn unescape(text: &str) -> Result<String, Problem> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = escape.chars();
        chars.next();
        match chars.next().ok_or(Problem::Syntax)? {
            c @ ('"' | '\\' | '/') => out.push(c),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => out.push(code_point(&mut chars)?),
            _ => return Err(Problem::Syntax),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Ok(out)
}

fn code_point(chars: &mut std::str::Chars<'_>) -> Result<char, Problem> {
    let high = hex4(chars)?;
    let code = match high {
        0xD800..=0xDBFF => {
            if !chars.as_str().starts_with("\\u") {
                return Err(Problem::NotUnicode);
            }
            chars.next();
            chars.next();
            let low = hex4(chars)?;
            if !(0xDC00..=0xDFFF).contains(&low) {
                return Err(Problem::NotUnicode);
            }
            0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
        }
        code => code,
    };
    char::from_u32(code).ok_or(Problem::NotUnicode)
}

fn hex4(chars: &mut std::str::Chars<'_>) -> Result<u32, Problem> {
    let mut code = 0;
    for _ in 0..4 {
        let digit = chars.next().and_then(|c| c.to_digit(16)).ok_or(Problem::Syntax)?;
        code = code * 16 + digit;
    }
    Ok(code)
}

#[cfg(test)]
mod tests;
