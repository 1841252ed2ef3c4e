//! JSON to engine values and back, by our own conversion.
//!
//! The engine's own conversion goes through serde and does not keep every document as it was sent; this one reads
//! the tokens of [`crate::json`] and builds values from them: integers exact, every key a key, no recursion on what a
//! requester sends. [`Document`] is how the rest of Regate sees an engine value.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use regorus::Value;

use crate::json::{Error, MAX_DEPTH, Number, Problem, Token, Tokens};

/// A JSON document in the engine's form (sets included), cheap to clone: parts are shared, never copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(pub(super) Value);

/// A value of a policy that has no JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// An object with a key that is not a string.
    #[error("an object has a key that is not a string")]
    Key,
    /// A number beyond 64 bits.
    #[error("a number is out of range")]
    Number,
    /// Deeper than [`MAX_DEPTH`].
    #[error("nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// Part of the value is undefined.
    #[error("part of the value is undefined")]
    Undefined,
}

impl Document {
    /// Reads one JSON text. Strict: see [`crate::json`] for what is refused.
    ///
    /// # Errors
    /// The first problem, with its offset.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let mut tokens = Tokens::new(text);
        let mut keys = Keys::take();
        let parsed = build(&mut tokens, &mut keys);
        keys.put_back();
        let value = parsed?;
        // Blank space is all that may follow.
        match tokens.next()? {
            None => Ok(Document(value)),
            Some(_) => Err(Error {
                problem: Problem::Trailing,
                offset: tokens.offset(),
            }),
        }
    }

    /// The same document as `serde_json` holds it. Its depth is bounded by whoever made the value.
    pub fn from_json(json: &serde_json::Value) -> Self {
        Document(value_from_json(json))
    }

    /// The document as `serde_json` holds it; sets become arrays in the engine's order.
    ///
    /// # Errors
    /// The first part that has no JSON form.
    pub fn to_json(&self) -> Result<serde_json::Value, NotJson> {
        value_to_json(&self.0, MAX_DEPTH)
    }

    /// An object of these members.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Document)>) -> Self {
        let map: BTreeMap<Value, Value> = members
            .into_iter()
            .map(|(key, member)| (Value::from(key), member.0))
            .collect();
        Document(Value::from(map))
    }

    /// A string.
    pub fn text(text: &str) -> Self {
        Document(Value::from(text))
    }

    /// An empty array.
    pub fn empty_list() -> Self {
        Document(Value::new_array())
    }

    /// An empty object.
    pub fn empty() -> Self {
        Document(Value::new_object())
    }

    /// No value at all.
    pub fn undefined() -> Self {
        Document(Value::Undefined)
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<Document> {
        match &self.0 {
            Value::Object(object) => object.get(&Value::from(key)).cloned().map(Document),
            _ => None,
        }
    }

    /// The same object with one member set; what is no object becomes one.
    #[must_use]
    pub fn with(&self, key: &str, member: Document) -> Self {
        let mut value = match &self.0 {
            Value::Object(_) => self.0.clone(),
            _ => Value::new_object(),
        };
        if let Ok(object) = value.as_object_mut() {
            object.insert(Value::from(key), member.0);
        }
        Document(value)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.0 {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The value of an integer in the range.
    pub fn as_u64(&self) -> Option<u64> {
        match &self.0 {
            Value::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The items of an array, or of a set in the engine's order.
    pub fn items(&self) -> Option<Vec<Document>> {
        match &self.0 {
            Value::Array(array) => Some(array.iter().cloned().map(Document).collect()),
            Value::Set(set) => Some(set.iter_sorted().cloned().map(Document).collect()),
            _ => None,
        }
    }

    /// The members of an object whose keys are all strings, in the order of the keys.
    pub fn members(&self) -> Option<Vec<(Arc<str>, Document)>> {
        let Value::Object(object) = &self.0 else {
            return None;
        };
        object
            .iter_sorted()
            .map(|(key, member)| match key {
                Value::String(key) => Some((key.clone(), Document(member.clone()))),
                _ => None,
            })
            .collect()
    }

    /// What it is: null, boolean, number, string, array, set, object or undefined.
    pub fn kind(&self) -> &'static str {
        match self.0 {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Set(_) => "set",
            Value::Object(_) => "object",
            Value::Undefined => "undefined",
        }
    }
}

enum Frame {
    Array(Vec<Value>),
    Object {
        members: Vec<(Value, Value)>,
        key: Value,
    },
}

/// Builds the value that comes next. The open containers are a list of ours, so a hostile depth costs no stack.
fn build(tokens: &mut Tokens<'_>, keys: &mut Keys) -> Result<Value, Error> {
    let mut open: Vec<Frame> = Vec::with_capacity(16);
    while let Some(token) = tokens.next()? {
        let value = match token {
            Token::ObjectStart => {
                open.push(Frame::Object {
                    members: Vec::new(),
                    key: Value::Null,
                });
                continue;
            }
            Token::ArrayStart => {
                open.push(Frame::Array(Vec::new()));
                continue;
            }
            Token::Key(name) => {
                if let Some(Frame::Object { key, .. }) = open.last_mut() {
                    *key = Value::String(keys.intern(&name));
                }
                continue;
            }
            Token::ObjectEnd | Token::ArrayEnd => close(open.pop(), tokens)?,
            Token::String(text) => Value::String(Arc::from(&*text)),
            Token::Number(number) => number_value(number),
            Token::Bool(value) => Value::Bool(value),
            Token::Null => Value::Null,
        };
        match open.last_mut() {
            None => return Ok(value),
            Some(Frame::Array(items)) => items.push(value),
            Some(Frame::Object { members, key }) => {
                members.push((std::mem::replace(key, Value::Null), value))
            }
        }
    }
    Err(Error {
        problem: Problem::Syntax,
        offset: tokens.offset(),
    })
}

fn close(frame: Option<Frame>, tokens: &Tokens<'_>) -> Result<Value, Error> {
    match frame {
        Some(Frame::Array(items)) => Ok(Value::from(items)),
        Some(Frame::Object { members, .. }) => {
            let count = members.len();
            let map: BTreeMap<Value, Value> = members.into_iter().collect();
            if map.len() < count {
                return Err(Error {
                    problem: Problem::DuplicateKey,
                    offset: tokens.offset(),
                });
            }
            Ok(Value::from(map))
        }
        None => Err(Error {
            problem: Problem::Syntax,
            offset: tokens.offset(),
        }),
    }
}

fn number_value(number: Number) -> Value {
    match number {
        Number::Negative(number) => Value::from(number),
        Number::Unsigned(number) => Value::from(number),
        Number::Float(number) => Value::from(number),
    }
}

fn value_from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => Value::from(number),
            (_, Some(number), _) => Value::from(number),
            (_, _, Some(number)) => Value::from(number),
            (None, None, None) => Value::Null,
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => Value::from(items.iter().map(value_from_json).collect::<Vec<_>>()),
        serde_json::Value::Object(members) => {
            let map: BTreeMap<Value, Value> = members
                .iter()
                .map(|(key, member)| (Value::from(key.as_str()), value_from_json(member)))
                .collect();
            Value::from(map)
        }
    }
}

fn value_to_json(value: &Value, depth: usize) -> Result<serde_json::Value, NotJson> {
    let inner = depth.checked_sub(1).ok_or(NotJson::TooDeep);
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => serde_json::Value::Bool(*value),
        Value::String(text) => serde_json::Value::String(text.to_string()),
        Value::Number(number) => {
            // A float that is a whole number is written as the engine prints it: an integer. Asked for 64 bits, the engine
            // would give 2^64-1 for the float 2^64.
            let whole = number.as_i128();
            let unsigned = whole.and_then(|whole| u64::try_from(whole).ok());
            let signed = whole.and_then(|whole| i64::try_from(whole).ok());
            let json = match (unsigned, signed) {
                (Some(number), _) => Some(serde_json::Number::from(number)),
                (_, Some(number)) => Some(serde_json::Number::from(number)),
                _ => number.as_f64().and_then(serde_json::Number::from_f64),
            };
            serde_json::Value::Number(json.ok_or(NotJson::Number)?)
        }
        Value::Array(items) => {
            let inner = inner?;
            serde_json::Value::Array(
                items
                    .iter()
                    .map(|item| value_to_json(item, inner))
                    .collect::<Result<_, _>>()?,
            )
        }
        Value::Set(items) => {
            let inner = inner?;
            let items = items.iter_sorted().map(|item| value_to_json(item, inner));
            serde_json::Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let inner = inner?;
            let mut object = serde_json::Map::new();
            for (key, member) in members.iter_sorted() {
                let Value::String(key) = key else {
                    return Err(NotJson::Key);
                };
                object.insert(key.to_string(), value_to_json(member, inner)?);
            }
            serde_json::Value::Object(object)
        }
        Value::Undefined => return Err(NotJson::Undefined),
    })
}

/// Short keys seen lately on this thread. The keys of Kubernetes objects repeat within a review and between reviews;
/// a direct-mapped table of them saves most of their allocations and cannot grow.
struct Keys {
    slots: Vec<Option<Arc<str>>>,
    hasher: RandomState,
}

const KEY_SLOTS: usize = 512;
const LONGEST_KEPT_KEY: usize = 48;

thread_local! {
    static KEYS: RefCell<Option<Keys>> = const { RefCell::new(None) };
}

impl Keys {
    fn take() -> Self {
        KEYS.with(|kept| kept.borrow_mut().take())
            .unwrap_or_else(|| Keys {
                slots: vec![None; KEY_SLOTS],
                hasher: RandomState::new(),
            })
    }

    fn put_back(self) {
        KEYS.with(|kept| *kept.borrow_mut() = Some(self));
    }

    fn intern(&mut self, key: &str) -> Arc<str> {
        if key.len() > LONGEST_KEPT_KEY {
            return Arc::from(key);
        }
        let slot = usize::try_from(self.hasher.hash_one(key) % KEY_SLOTS as u64).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(slot) else {
            return Arc::from(key);
        };
        match slot {
            Some(kept) if **kept == *key => kept.clone(),
            _ => {
                let fresh: Arc<str> = Arc::from(key);
                *slot = Some(fresh.clone());
                fresh
            }
        }
    }
}

#[cfg(test)]
mod tests;
