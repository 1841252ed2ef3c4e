//! Paths into a document: read as the author wrote them, followed, and printed as JSON Pointers (RFC 6901).
//!
//! Stricter than the API server's library, which takes negative indices, leading zeros and pointers without a slash:
//! what passes here means the same there and in RFC 6902.

use std::fmt;

use json_patch::jsonptr::PointerBuf;
use serde_json::Value;

use super::{Reason, type_of};

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// An object's key, or an array's index in digits, or `-` for an array's end.
    Name(String),
    /// An array's index, written as an integer.
    Index(usize),
}

impl Key {
    /// The index of an existing element, if this is the form of an index at all.
    fn index(&self) -> Option<usize> {
        match self {
            Key::Index(index) => Some(*index),
            Key::Name(name) if name == "0" => Some(0),
            Key::Name(name) => {
                let digits = !name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| name.parse().ok()).flatten()
            }
        }
    }

    /// Whether this is an array's end, where only `add` can go.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Key::Name(name) if name == "-")
    }

    /// The unescaped text.
    pub(super) fn text(&self) -> String {
        match self {
            Key::Name(name) => name.clone(),
            Key::Index(index) => index.to_string(),
        }
    }
}

/// A path that is not empty.
#[derive(Clone, Debug)]
pub(super) struct Path {
    keys: Vec<Key>,
    last: Key,
}

impl Path {
    /// Of an operation's `path` or `from`.
    pub(super) fn read(written: Option<&Value>, member: &'static str) -> Result<Self, Reason> {
        let keys = match written {
            Some(Value::String(pointer)) => from_pointer(pointer)?,
            Some(Value::Array(keys)) => keys
                .iter()
                .map(|key| from_key(key, member))
                .collect::<Result<_, _>>()?,
            _ => return Err(Reason::NoPointer { member }),
        };
        Self::new(keys).ok_or(Reason::WholeDocument)
    }

    /// `None` for no keys: the whole document.
    pub(super) fn new(mut keys: Vec<Key>) -> Option<Self> {
        let last = keys.pop()?;
        Some(Self { keys, last })
    }

    /// The keys down to the parent.
    pub(super) fn parents(&self) -> &[Key] {
        &self.keys
    }

    /// The key within the parent.
    pub(super) fn last(&self) -> &Key {
        &self.last
    }

    /// All keys in order.
    pub(super) fn keys(&self) -> impl DoubleEndedIterator<Item = &Key> {
        self.keys.iter().chain(std::iter::once(&self.last))
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len() + 1
    }

    /// The path of the first `length` keys (at least one).
    pub(super) fn prefix(&self, length: usize) -> Self {
        match self.keys.get(length.saturating_sub(1)) {
            Some(last) => Self {
                keys: self.keys.iter().take(length.saturating_sub(1)).cloned().collect(),
                last: last.clone(),
            },
            None => self.clone(),
        }
    }

    /// Whether the other path is this one or leads through it.
    pub(super) fn contains(&self, other: &Self) -> bool {
        self.len() <= other.len()
            && self
                .keys()
                .zip(other.keys())
                .all(|(mine, theirs)| mine.text() == theirs.text())
    }

    /// What is at the path.
    pub(super) fn find<'a>(&self, document: &'a Value) -> Result<&'a Value, Reason> {
        self.keys().try_fold(document, |node, key| self.child(node, key))
    }

    /// The parent of what is at the path.
    pub(super) fn parent_mut<'a>(&self, document: &'a mut Value) -> Result<&'a mut Value, Reason> {
        self.keys.iter().try_fold(document, |node, key| match node {
            Value::Object(members) => {
                let name = self.name(key)?;
                members.get_mut(name).ok_or_else(|| self.missing())
            }
            Value::Array(items) => {
                let index = self.element(key, items.len())?;
                items.get_mut(index).ok_or_else(|| self.missing())
            }
            _ => Err(self.no_container()),
        })
    }

    /// One step down.
    pub(super) fn child<'a>(&self, node: &'a Value, key: &Key) -> Result<&'a Value, Reason> {
        match node {
            Value::Object(members) => members.get(self.name(key)?).ok_or_else(|| self.missing()),
            Value::Array(items) => items
                .get(self.element(key, items.len())?)
                .ok_or_else(|| self.missing()),
            _ => Err(self.no_container()),
        }
    }

    /// A key as an object's.
    pub(super) fn name<'k>(&self, key: &'k Key) -> Result<&'k str, Reason> {
        match key {
            Key::Name(name) => Ok(name),
            Key::Index(_) => Err(Reason::IndexOfObject {
                path: self.to_string(),
            }),
        }
    }

    /// A key as that of an existing element.
    pub(super) fn element(&self, key: &Key, length: usize) -> Result<usize, Reason> {
        let index = key.index().ok_or_else(|| Reason::BadIndex {
            path: self.to_string(),
        })?;
        if index < length {
            Ok(index)
        } else {
            Err(Reason::OutOfRange {
                path: self.to_string(),
                length,
            })
        }
    }

    /// A key as a place to insert at: an element's, the index after the last, or `-`.
    pub(super) fn insertion(&self, key: &Key, length: usize) -> Result<usize, Reason> {
        if key.is_end() {
            Ok(length)
        } else {
            self.element(key, length + 1)
                .map_err(|reason| shorten(reason, length))
        }
    }

    /// Nothing is here.
    pub(super) fn missing(&self) -> Reason {
        Reason::Missing {
            path: self.to_string(),
        }
    }

    /// A scalar has no children.
    pub(super) fn no_container(&self) -> Reason {
        Reason::NotAContainer {
            path: self.to_string(),
        }
    }

    /// For the json-patch crate, escaped.
    pub(super) fn to_pointer(&self) -> PointerBuf {
        PointerBuf::from_tokens(self.keys().map(Key::text))
    }

    /// Which of two removals comes first in a set: what is inside before what holds it, in one array the highest index
    /// first, so that no removal moves what another one means.
    pub(super) fn cmp_removal(&self, other: &Self) -> std::cmp::Ordering {
        for (mine, theirs) in self.keys().zip(other.keys()) {
            let order = match (mine.index(), theirs.index()) {
                (Some(mine), Some(theirs)) => theirs.cmp(&mine),
                (mine, theirs) => mine.is_some().cmp(&theirs.is_some()),
            };
            let order = order.then_with(|| mine.text().cmp(&theirs.text()));
            if order.is_ne() {
                return order;
            }
        }
        other.len().cmp(&self.len())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_pointer().fmt(f)
    }
}

/// Names the array's real length where one more was allowed.
fn shorten(reason: Reason, length: usize) -> Reason {
    match reason {
        Reason::OutOfRange { path, .. } => Reason::OutOfRange { path, length },
        other => other,
    }
}

fn from_pointer(pointer: &str) -> Result<Vec<Key>, Reason> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let path = || pointer.to_owned();
    let keys = pointer
        .strip_prefix('/')
        .ok_or_else(|| Reason::NoLeadingSlash { path: path() })?;
    keys.split('/')
        .map(|key| {
            unescape(key)
                .map(Key::Name)
                .ok_or_else(|| Reason::BadEscape { path: path() })
        })
        .collect()
}

fn unescape(key: &str) -> Option<String> {
    let mut plain = String::with_capacity(key.len());
    let mut characters = key.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

fn from_key(key: &Value, member: &'static str) -> Result<Key, Reason> {
    let bad = |found: String| Reason::BadKey { member, found };
    match key {
        Value::String(name) => Ok(Key::Name(name.clone())),
        Value::Number(number) => {
            let index = number.as_u64().and_then(|index| usize::try_from(index).ok());
            index.map(Key::Index).ok_or_else(|| bad(number.to_string()))
        }
        other => Err(bad(type_of(other).to_owned())),
    }
}
