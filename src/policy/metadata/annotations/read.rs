//! From the YAML of a block to the members that OPA makes of it.
//!
//! OPA reads a block into fields of fixed types, and with another YAML reader. What that one would make something else of
//! is refused, with what to write instead: here nobody but `rego.metadata` reads it, and it should say the same.

use serde_json::{Map, Value, json};

use crate::policy::engine::ast::{Position, Source};
use crate::policy::metadata::node::{Node, Tree};

type Read<T> = Result<T, (Position, String)>;

/// How an item of a list is read.
type Reads<'a> = &'a dyn Fn(&Node) -> Read<Value>;

/// Whether a block says that its rule or package is asked from outside.
pub(super) fn is_entrypoint(node: &Node) -> bool {
    matches!(
        node.get("entrypoint").map(|node| &node.value),
        Some(Tree::Bool(true))
    )
}

/// What a block says, without its scope.
pub(super) fn annotations(source: &Source, block: &Node, at: Position) -> Read<Map<String, Value>> {
    let reader = Reader { source, at };
    if block.members().is_none() {
        return Err(reader.problem(block, &format!("it is a map, not {}", block.kind())));
    }
    let mut members = Map::new();
    for name in ["title", "description"] {
        let text = block.get(name).map(|node| reader.text(node)).transpose()?;
        members.extend(
            text.filter(|text| !text.is_empty())
                .map(|text| (name.to_owned(), json!(text))),
        );
    }
    match block.get("scope").map(|node| &node.value) {
        None | Some(Tree::Text(_) | Tree::Null) => {}
        Some(_) => return Err(reader.problem(block, "`scope` is a string")),
    }
    match block.get("entrypoint").map(|node| &node.value) {
        None | Some(Tree::Bool(false) | Tree::Null) => {}
        Some(Tree::Bool(true)) => drop(members.insert("entrypoint".into(), json!(true))),
        Some(_) => return Err(reader.problem(block, "`entrypoint` is true or false")),
    }
    let lists: [(&str, Reads<'_>); 4] = [
        ("organizations", &|node| reader.text(node).map(Value::from)),
        ("related_resources", &|node| reader.resource(node)),
        ("authors", &|node| reader.author(node)),
        ("schemas", &|node| reader.schema(node)),
    ];
    for (name, read) in lists {
        let items = reader.items(block, name)?.iter().map(read);
        let items = items.collect::<Read<Vec<_>>>()?;
        members.extend((!items.is_empty()).then(|| (name.to_owned(), items.into())));
    }
    for name in ["custom", "labels"] {
        let value = match block.get(name) {
            Some(node) if node.members().is_some() => reader.value(node)?,
            None
            | Some(Node {
                value: Tree::Null, ..
            }) => continue,
            Some(node) => return Err(reader.problem(node, &format!("`{name}` is a map"))),
        };
        let is_empty = value.as_object().is_some_and(Map::is_empty);
        members.extend((!is_empty).then(|| (name.to_owned(), value)));
    }
    Ok(members)
}

struct Reader<'a> {
    source: &'a Source,
    /// Where the block stands.
    at: Position,
}

impl Reader<'_> {
    fn problem(&self, node: &Node, message: &str) -> (Position, String) {
        (node.at.unwrap_or(self.at), message.to_owned())
    }

    fn text(&self, node: &Node) -> Read<String> {
        match &node.value {
            Tree::Text(text) => Ok(text.clone()),
            Tree::Null => Ok(String::new()),
            _ => Err(self.problem(
                node,
                &format!("a string stands here, not {}: quote it", node.kind()),
            )),
        }
    }

    fn items<'n>(&self, block: &'n Node, name: &str) -> Read<&'n [Node]> {
        match block.get(name) {
            None
            | Some(Node {
                value: Tree::Null, ..
            }) => Ok(&[]),
            Some(node) => node
                .items()
                .ok_or_else(|| self.problem(node, &format!("`{name}` is a list, not {}", node.kind()))),
        }
    }

    /// The text of a member; empty where there is none.
    fn member<'n>(node: &'n Node, name: &str) -> &'n str {
        node.get(name).and_then(Node::as_text).unwrap_or_default().trim()
    }

    /// `Jane Doe <jane@example.com>`, or a map of `name` and `email`.
    fn author(&self, node: &Node) -> Read<Value> {
        let (name, email) = match node.as_text() {
            Some(text) => {
                let mut words: Vec<&str> = text.split_whitespace().collect();
                if words.is_empty() {
                    return Err(self.problem(node, "an author has a name"));
                }
                let last = words.last().copied().unwrap_or_default();
                let email = last.strip_prefix('<').and_then(|last| last.strip_suffix('>'));
                words.truncate(words.len() - usize::from(email.is_some()));
                (words.join(" "), email.unwrap_or_default().to_owned())
            }
            None => (
                Self::member(node, "name").to_owned(),
                Self::member(node, "email").to_owned(),
            ),
        };
        if node.as_text().is_none() && name.is_empty() && email.is_empty() {
            return Err(self.problem(node, "an author has a `name` or an `email`"));
        }
        Ok(without_empty([("name", name), ("email", email)]))
    }

    /// A URL, or a map of `ref` and `description`.
    fn resource(&self, node: &Node) -> Read<Value> {
        let (url, description) = match node.as_text() {
            Some(text) => (text, ""),
            None => (Self::member(node, "ref"), Self::member(node, "description")),
        };
        if !is_plain_url(url) {
            return Err(self.problem(node, "a related resource is a URL like https://example.com/page"));
        }
        Ok(without_empty([
            ("ref", url.to_owned()),
            ("description", description.to_owned()),
        ]))
    }

    /// `input.x: schema.y`, or `input.x: {type: string}`.
    fn schema(&self, node: &Node) -> Read<Value> {
        let [(path, schema)] = node.members().unwrap_or_default() else {
            return Err(self.problem(node, "a schema is one path with one schema"));
        };
        let refused = || self.problem(node, "the paths of a schema are names with dots between them");
        let path = path.as_text().and_then(names).ok_or_else(refused)?;
        match schema.as_text() {
            Some(schema) => {
                let schema = names(schema).filter(|names| names.first() == Some(&"schema"));
                Ok(json!({"path": path, "schema": schema.ok_or_else(refused)?}))
            }
            None if schema.members().is_some() => {
                Ok(json!({"path": path, "definition": self.value(schema)?}))
            }
            None => Err(refused()),
        }
    }

    /// Anything.
    fn value(&self, node: &Node) -> Read<Value> {
        self.refuse_ambiguous(node)?;
        node.to_json()
            .ok_or_else(|| self.problem(node, "every key must be a string"))
    }

    /// Refuses what OPA's YAML takes for something else.
    fn refuse_ambiguous(&self, node: &Node) -> Read<()> {
        match &node.value {
            Tree::List(items) => items.iter().try_for_each(|item| self.refuse_ambiguous(item)),
            Tree::Map(members) => members.iter().try_for_each(|(key, value)| {
                self.refuse_ambiguous(key)?;
                self.refuse_ambiguous(value)
            }),
            Tree::Null | Tree::Bool(_) => Ok(()),
            Tree::Number(_) | Tree::Text(_) if is_ambiguous(self.written(node)) => {
                Err(self.problem(node, "OPA takes this for a time or another number: quote it"))
            }
            Tree::Number(_) | Tree::Text(_) => Ok(()),
        }
    }

    /// What its author wrote of a scalar, as far as it is on one line and ends with it.
    fn written(&self, node: &Node) -> &str {
        let place = |number: u32| usize::try_from(number).ok()?.checked_sub(1);
        let find = || {
            let at = node.at?;
            let line = self.source.text.lines().nth(place(at.line)?)?;
            let (start, _) = line.char_indices().nth(place(at.column)?)?;
            line.get(start..)
        };
        let rest = find().unwrap_or_default();
        rest.split([',', ']', '}', '#']).next().unwrap_or_default().trim()
    }
}

fn without_empty<const N: usize>(members: [(&str, String); N]) -> Value {
    let members = members.into_iter().filter(|(_, text)| !text.is_empty());
    members
        .map(|(name, text)| (name.to_owned(), Value::from(text)))
        .collect::<Map<_, _>>()
        .into()
}

/// The names of a path.
fn names(path: &str) -> Option<Vec<&str>> {
    let is_name = |name: &&str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let names: Vec<&str> = path.trim().split('.').collect();
    names.iter().all(is_name).then_some(names)
}

/// Whether a URL stays what it is when it is taken apart and put together again.
fn is_plain_url(url: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?@&=+$,;#".contains(c);
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphanumeric())
            && rest.chars().all(is_plain)
            && !rest.ends_with('#')
            && rest.matches('#').count() <= 1
            && !rest.split('/').next().unwrap_or_default().contains([':', '@'])
    })
}

/// Whether a plain scalar means something else to OPA's YAML: `2027-01-31`, `010`, `1_000`, `!!str x`.
fn is_ambiguous(written: &str) -> bool {
    let digits = written.trim_start_matches(['-', '+']);
    let is_number = |c: char| c.is_ascii_hexdigit() || "_xXoObB.".contains(c);
    let has_prefix = digits.starts_with('0')
        && digits
            .chars()
            .nth(1)
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_time = written.split('-').next().is_some_and(|year| {
        year.len() == 4 && year.len() < written.len() && year.bytes().all(|byte| byte.is_ascii_digit())
    });
    written.starts_with(['!', '+'])
        || is_time
        || digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(is_number)
            && (has_prefix || digits.contains('_'))
}
