//! A second opinion on JSON: which texts may be decided about at all.
//!
//! Written against RFC 8259 and Regate's own limits, without a line of Regate's. Containers are walked by a list, single
//! strings and numbers are left to `serde_json`. Refused are: what is no JSON, text behind it, more than 128 levels, a
//! key twice in one object, integers outside of 64 bits, decimals that overflow, strings that are no Unicode.

use serde_json::{Map, Value};

const MAX_DEPTH: usize = 128;

/// An open container, an object with the key whose value comes next.
enum Open {
    Array(Vec<Value>),
    Object(Map<String, Value>, String),
}

/// The document, if it may be decided about.
pub fn parse(text: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut value = match reader.significant()? {
            b'{' | b'[' if open.len() == MAX_DEPTH => return None,
            b'{' => {
                reader.take(b'{')?;
                match reader.take(b'}') {
                    Some(()) => Value::Object(Map::new()),
                    None => {
                        open.push(Open::Object(Map::new(), reader.key()?));
                        continue;
                    }
                }
            }
            b'[' => {
                reader.take(b'[')?;
                match reader.take(b']') {
                    Some(()) => Value::Array(Vec::new()),
                    None => {
                        open.push(Open::Array(Vec::new()));
                        continue;
                    }
                }
            }
            b'"' => Value::String(reader.string()?),
            _ => reader.scalar()?,
        };
        // The value is whole: it goes into what is open, which may become whole with it.
        loop {
            match open.pop() {
                None => return reader.significant().is_none().then_some(value),
                Some(Open::Array(mut items)) => {
                    items.push(value);
                    if reader.take(b',').is_some() {
                        open.push(Open::Array(items));
                        break;
                    }
                    reader.take(b']')?;
                    value = Value::Array(items);
                }
                Some(Open::Object(mut members, key)) => {
                    if members.insert(key, value).is_some() {
                        return None;
                    }
                    if reader.take(b',').is_some() {
                        open.push(Open::Object(members, reader.key()?));
                        break;
                    }
                    reader.take(b'}')?;
                    value = Value::Object(members);
                }
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next byte that is no blank.
    fn significant(&mut self) -> Option<u8> {
        let blanks = self.rest.iter().take_while(|byte| b" \t\r\n".contains(byte));
        self.rest = &self.rest[blanks.count()..];
        self.rest.first().copied()
    }

    /// Passes a byte, if it comes next.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.significant()? == byte).then(|| self.rest = &self.rest[1..])
    }

    fn cut(&mut self, length: usize) -> &'a [u8] {
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        word
    }

    fn key(&mut self) -> Option<String> {
        if self.significant()? != b'"' {
            return None;
        }
        let key = self.string()?;
        self.take(b':')?;
        Some(key)
    }

    fn string(&mut self) -> Option<String> {
        let mut end = 1;
        while *self.rest.get(end)? != b'"' {
            end += if self.rest[end] == b'\\' { 2 } else { 1 };
        }
        serde_json::from_slice(self.cut(end + 1)).ok()
    }

    fn scalar(&mut self) -> Option<Value> {
        let length = self.rest.iter().take_while(|byte| !b",]} \t\r\n".contains(byte));
        let word = std::str::from_utf8(self.cut(length.count())).ok()?;
        match serde_json::from_str(word).ok()? {
            Value::Number(_) if !word.contains(['.', 'e', 'E']) => {
                let negative = || word.parse::<i64>().map(Value::from);
                word.parse::<u64>().map(Value::from).or_else(|_| negative()).ok()
            }
            value @ (Value::Number(_) | Value::Bool(_) | Value::Null) => Some(value),
            _ => None,
        }
    }
}
