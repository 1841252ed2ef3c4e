//! The operations of RFC 6902 as an author writes them, and what each does to a draft.
//!
//! Read leniently where the RFC says so (members it does not know are ignored), strictly in everything else. `copy`
//! and `move` become `add` and `remove`; a `test` that holds is not recorded: the API server compares strings and
//! numbers as text, so one that holds here could fail there.

use serde_json::{Map, Value};

use super::draft::{Draft, depth};
use super::pointer::{Key, Path};
use super::{Error, MAX_DEPTH, Order, Reason, same, type_of};

/// One operation that is well-formed.
#[derive(Debug)]
pub(super) enum Operation<'a> {
    Add { path: Path, value: &'a Value },
    Copy { from: Path, path: Path },
    Move { from: Path, path: Path },
    Remove { path: Path },
    Replace { path: Path, value: &'a Value },
    Test { path: Path, value: &'a Value },
}

/// Reads all operations of a policy and puts them into the order of application.
pub(super) fn read(patch: &Value, order: Order) -> Result<Vec<Operation<'_>>, Error> {
    let Value::Array(items) = patch else {
        return Err(Error::NotOperations {
            found: type_of(patch),
        });
    };
    let mut operations = items
        .iter()
        .enumerate()
        .map(|(index, item)| Operation::read(item).map_err(|reason| Error::Operation { index, reason }))
        .collect::<Result<Vec<_>, _>>()?;
    if order == Order::Set {
        sort_removals(&mut operations);
    }
    Ok(operations)
}

/// Sorts the removals of a set among their places; the other operations stay where Rego's order put them.
fn sort_removals(operations: &mut [Operation<'_>]) {
    let mut paths: Vec<Path> = operations
        .iter()
        .filter_map(Operation::removed)
        .cloned()
        .collect();
    paths.sort_by(Path::cmp_removal);
    let places = operations
        .iter_mut()
        .filter(|operation| operation.removed().is_some());
    for (place, path) in places.zip(paths) {
        *place = Operation::Remove { path };
    }
}

impl<'a> Operation<'a> {
    fn read(item: &'a Value) -> Result<Self, Reason> {
        let Value::Object(members) = item else {
            return Err(Reason::NotAnObject {
                what: "it",
                found: type_of(item),
            });
        };
        let op = members
            .get("op")
            .and_then(Value::as_str)
            .ok_or(Reason::UnknownOp)?;
        let path = || Path::read(members.get("path"), "path");
        let from = || Path::read(members.get("from"), "from");
        match op {
            "add" => Ok(Self::Add {
                path: path()?,
                value: value(members)?,
            }),
            "copy" => Ok(Self::Copy {
                from: from()?,
                path: path()?,
            }),
            "move" => Ok(Self::Move {
                from: from()?,
                path: path()?,
            }),
            "remove" => Ok(Self::Remove { path: path()? }),
            "replace" => Ok(Self::Replace {
                path: path()?,
                value: value(members)?,
            }),
            "test" => Ok(Self::Test {
                path: path()?,
                value: value(members)?,
            }),
            _ => Err(Reason::UnknownOp),
        }
    }

    fn removed(&self) -> Option<&Path> {
        match self {
            Self::Remove { path } => Some(path),
            _ => None,
        }
    }

    /// Changes the draft as the operation says; records nothing where nothing changes.
    pub(super) fn apply(self, draft: &mut Draft) -> Result<(), Reason> {
        match self {
            Self::Add { path, value } => add(draft, &path, value.clone()),
            Self::Copy { from, path } => {
                let value = from.find(&draft.document)?.clone();
                add(draft, &path, value)
            }
            Self::Move { from, path } => relocate(draft, &from, &path),
            Self::Remove { path } => draft.remove(&path).map(drop),
            Self::Replace { path, value } => {
                if same(path.find(&draft.document)?, value) {
                    return Ok(());
                }
                draft.replace(&path, value.clone())
            }
            Self::Test { path, value } => {
                if same(path.find(&draft.document)?, value) {
                    Ok(())
                } else {
                    Err(Reason::TestFailed {
                        path: path.to_string(),
                    })
                }
            }
        }
    }
}

/// The operation's value, shallow enough for everything that follows to recurse.
fn value(members: &Map<String, Value>) -> Result<&Value, Reason> {
    let value = members.get("value").ok_or(Reason::NoValue)?;
    if depth(value) > MAX_DEPTH {
        Err(Reason::TooDeep)
    } else {
        Ok(value)
    }
}

fn relocate(draft: &mut Draft, from: &Path, path: &Path) -> Result<(), Reason> {
    if from.contains(path) {
        from.find(&draft.document)?;
        return if from.len() == path.len() {
            Ok(())
        } else {
            Err(Reason::IntoItself {
                from: from.to_string(),
            })
        };
    }
    let value = draft.remove(from)?;
    add(draft, path, value)
}

/// Adds a value, with the parents that are missing, as one operation at the first missing key. A parent that is null
/// is missing: null is how Kubernetes may write nothing.
fn add(draft: &mut Draft, path: &Path, value: Value) -> Result<(), Reason> {
    let mut node = &draft.document;
    for (position, key) in path.parents().iter().enumerate() {
        let found = match node {
            Value::Object(members) => members.get(path.name(key)?),
            Value::Array(_) if key.is_end() => None,
            Value::Array(_) => Some(path.child(node, key)?),
            _ => return Err(path.no_container()),
        };
        match found {
            Some(Value::Null) => {
                return draft.replace(&path.prefix(position + 1), within(path, position + 1, value)?);
            }
            Some(child) => node = child,
            None => return draft.add(&path.prefix(position + 1), within(path, position + 1, value)?),
        }
    }
    if let Value::Object(members) = node
        && let Some(present) = members.get(path.name(path.last())?)
        && same(present, &value)
    {
        return Ok(());
    }
    draft.add(path, value)
}

/// The value inside new parents, one for each key of the path from a position on.
fn within(path: &Path, position: usize, value: Value) -> Result<Value, Reason> {
    if path.len() + depth(&value) > MAX_DEPTH {
        return Err(Reason::TooDeep);
    }
    path.keys()
        .skip(position)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .try_fold(value, |inner, key| match key {
            Key::Index(0) => Ok(Value::Array(vec![inner])),
            Key::Index(_) => Err(Reason::OutOfRange {
                path: path.to_string(),
                length: 0,
            }),
            end if end.is_end() => Ok(Value::Array(vec![inner])),
            Key::Name(name) => Ok(Value::Object(Map::from_iter([(name.clone(), inner)]))),
        })
}
