//! YAML as a tree that knows where each part stands, so that everything wrong in it can be told at once and in place.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::policy::engine::Document;
use crate::policy::engine::ast::Position;

/// A part of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where it stands, if it was read from a file.
    pub(crate) at: Option<Position>,
    /// What it is.
    pub(crate) value: Tree,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; the reader refuses a key that is there twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Reads YAML; positions are those of the text.
    ///
    /// # Errors
    /// What the reader says, and where.
    pub(crate) fn parse(text: &str) -> Result<Self, (Option<Position>, String)> {
        // `no` is a country and `y` a coordinate: only `true` and `false` are booleans.
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let spanned: Spanned<Tree> =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| unreadable(&error))?;
        Ok(node(spanned))
    }

    /// Reads a file of several YAML documents; positions are those of the text.
    ///
    /// # Errors
    /// What the reader says, and where.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Self>, (Option<Position>, String)> {
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let documents: Vec<Spanned<Tree>> =
            serde_saphyr::from_multiple_with_options(text, options).map_err(|error| unreadable(&error))?;
        Ok(documents.into_iter().map(node).collect())
    }

    /// A tree without positions.
    pub(crate) fn from_json(json: &serde_json::Value) -> Self {
        let value = match json {
            serde_json::Value::Null => Tree::Null,
            serde_json::Value::Bool(value) => Tree::Bool(*value),
            serde_json::Value::Number(number) => Tree::Number(number.clone()),
            serde_json::Value::String(text) => Tree::Text(text.clone()),
            serde_json::Value::Array(items) => Tree::List(items.iter().map(Node::from_json).collect()),
            serde_json::Value::Object(members) => Tree::Map(
                members
                    .iter()
                    .map(|(key, value)| {
                        (
                            Node {
                                at: None,
                                value: Tree::Text(key.clone()),
                            },
                            Node::from_json(value),
                        )
                    })
                    .collect(),
            ),
        };
        Node { at: None, value }
    }

    /// Moves all positions, from those of a text to those of the file that it was cut out of.
    pub(crate) fn moved(mut self, to: &impl Fn(Position) -> Position) -> Self {
        self.at = self.at.map(to);
        self.value = match self.value {
            Tree::List(items) => Tree::List(items.into_iter().map(|item| item.moved(to)).collect()),
            Tree::Map(members) => Tree::Map(
                members
                    .into_iter()
                    .map(|(key, value)| (key.moved(to), value.moved(to)))
                    .collect(),
            ),
            value => value,
        };
        self
    }

    /// The text of a string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members that have one of these keys; each other key is told, as none of what this is.
    pub(crate) fn only<'n>(
        &'n self,
        what: &str,
        keys: &[&'static str],
        mut tell: impl FnMut(&'n Node, String),
    ) -> Vec<(&'static str, &'n Node)> {
        let mut known = Vec::new();
        for (key, value) in self.members().unwrap_or_default() {
            match keys.iter().find(|known| key.as_text() == Some(known)) {
                Some(name) => known.push((*name, value)),
                None => {
                    let name = key.as_text().unwrap_or_else(|| key.kind());
                    tell(
                        key,
                        format!("`{name}` is no key of {what}: it has {}", keys.join(", ")),
                    );
                }
            }
        }
        known
    }

    /// The members of a map.
    pub(crate) fn members(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Tree::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Tree::List(items) => Some(items),
            _ => None,
        }
    }

    /// The member with this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let found = self
            .members()?
            .iter()
            .find(|(have, _)| have.as_text() == Some(key));
        found.map(|(_, value)| value)
    }

    /// What stands below these keys.
    pub(crate) fn below(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// What a JSON pointer leads to, or the last part of the way that is there.
    pub(crate) fn pointed(&self, pointer: &str) -> &Node {
        let mut at = self;
        for part in pointer.split('/').skip(1) {
            let key = part.replace("~1", "/").replace("~0", "~");
            let item = || at.items()?.get(key.parse::<usize>().ok()?);
            match at.get(&key).or_else(item) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    /// What it is, in an author's words.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Tree::Null => "nothing",
            Tree::Bool(_) => "a boolean",
            Tree::Number(_) => "a number",
            Tree::Text(_) => "a string",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a map",
        }
    }

    /// The value as policies read it; `None` where a key is no string.
    pub(crate) fn to_json(&self) -> Option<serde_json::Value> {
        Some(match &self.value {
            Tree::Null => serde_json::Value::Null,
            Tree::Bool(value) => serde_json::Value::Bool(*value),
            Tree::Number(number) => serde_json::Value::Number(number.clone()),
            Tree::Text(text) => serde_json::Value::String(text.clone()),
            Tree::List(items) => {
                serde_json::Value::Array(items.iter().map(Node::to_json).collect::<Option<_>>()?)
            }
            Tree::Map(members) => serde_json::Value::Object(
                members
                    .iter()
                    .map(|(key, value)| Some((key.as_text()?.to_owned(), value.to_json()?)))
                    .collect::<Option<_>>()?,
            ),
        })
    }

    /// The value as a document, if every key is a string.
    pub(crate) fn to_document(&self) -> Option<Document> {
        self.to_json().map(|json| Document::from_json(&json))
    }
}

fn unreadable(error: &serde_saphyr::Error) -> (Option<Position>, String) {
    let at = error.location().and_then(|at| position(at.line(), at.column()));
    let message = match too_much(error) {
        Some(message) => message.to_owned(),
        None => first_line(&error.without_snippet().to_string()),
    };
    (at, message)
}

/// What to say of YAML that the reader gave up on because of what it would become. The reader's words for that are about
/// itself, and about lines of what it was given, which need not be lines of a file.
pub(crate) fn too_much(error: &serde_saphyr::Error) -> Option<&'static str> {
    let words = error.without_snippet().to_string();
    let gave_up = ["budget breached", "recursion limit exceeded"];
    let is_too_much = gave_up.iter().any(|part| words.contains(part));
    is_too_much.then_some("it is nested too deep, or its aliases stand for too much")
}

fn node(spanned: Spanned<Tree>) -> Node {
    let at = spanned.referenced;
    Node {
        at: position(at.line(), at.column()),
        value: spanned.value,
    }
}

/// Positions count from 1; one that is unknown is 0.
fn position(line: u64, column: u64) -> Option<Position> {
    let (line, column) = (u32::try_from(line).ok()?, u32::try_from(column).ok()?);
    (line > 0).then_some(Position { line, column })
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML that JSON can hold")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
        // An integer of more than 64 bits arrives as a float that could not say it.
        let number = serde_json::Number::from_f64(value)
            .filter(|_| value.fract() != 0.0 || value.abs() < 2f64.powi(63))
            .ok_or_else(|| E::custom("a number out of range"))?;
        Ok(Tree::Number(number))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Tree>>()? {
            list.push(node(item));
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = members.next_entry::<Spanned<Tree>, Spanned<Tree>>()? {
            map.push((node(key), node(value)));
        }
        Ok(Tree::Map(map))
    }
}
