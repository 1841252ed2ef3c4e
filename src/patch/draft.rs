//! A document that is being changed, and the record of how.
//!
//! The three primitives here are all that ever reaches the API server: each changes the document and records the same
//! change as one operation, within the limits on depth, size and work.

use std::io;

use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;

use super::pointer::Path;
use super::{MAX_BYTES, MAX_DEPTH, MAX_SHIFTS, Reason};

/// A document and the operations that lead to it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) document: Value,
    pub(super) operations: Vec<PatchOperation>,
    bytes: usize,
    shifts: usize,
}

impl Draft {
    /// Nothing is changed yet.
    pub(super) fn new(document: Value) -> Self {
        Self {
            document,
            operations: Vec::new(),
            bytes: 0,
            shifts: 0,
        }
    }

    /// Adds to a parent that exists: a member, which may replace one, or an array's element.
    pub(super) fn add(&mut self, path: &Path, value: Value) -> Result<(), Reason> {
        shallow(path, &value)?;
        self.record(PatchOperation::Add(AddOperation {
            path: path.to_pointer(),
            value: value.clone(),
        }))?;
        match path.parent_mut(&mut self.document)? {
            Value::Object(members) => {
                members.insert(path.name(path.last())?.to_owned(), value);
            }
            Value::Array(items) => {
                let index = path.insertion(path.last(), items.len())?;
                let shifted = items.len() - index;
                items.insert(index, value);
                self.shift(shifted)?;
            }
            _ => return Err(path.no_container()),
        }
        Ok(())
    }

    /// Replaces what exists.
    pub(super) fn replace(&mut self, path: &Path, value: Value) -> Result<(), Reason> {
        shallow(path, &value)?;
        self.record(PatchOperation::Replace(ReplaceOperation {
            path: path.to_pointer(),
            value: value.clone(),
        }))?;
        let present = match path.parent_mut(&mut self.document)? {
            Value::Object(members) => members.get_mut(path.name(path.last())?),
            Value::Array(items) => {
                let index = path.element(path.last(), items.len())?;
                items.get_mut(index)
            }
            _ => return Err(path.no_container()),
        };
        *present.ok_or_else(|| path.missing())? = value;
        Ok(())
    }

    /// Removes what exists and gives it back.
    pub(super) fn remove(&mut self, path: &Path) -> Result<Value, Reason> {
        self.record(PatchOperation::Remove(RemoveOperation {
            path: path.to_pointer(),
        }))?;
        match path.parent_mut(&mut self.document)? {
            Value::Object(members) => members
                .remove(path.name(path.last())?)
                .ok_or_else(|| path.missing()),
            Value::Array(items) => {
                let index = path.element(path.last(), items.len())?;
                let value = items.remove(index);
                let shifted = items.len() - index;
                self.shift(shifted)?;
                Ok(value)
            }
            _ => Err(path.no_container()),
        }
    }

    fn record(&mut self, operation: PatchOperation) -> Result<(), Reason> {
        let mut counter = Counter { bytes: self.bytes };
        serde_json::to_writer(&mut counter, &operation).map_err(|_| Reason::TooLarge)?;
        // The comma, or the bracket.
        self.bytes = counter.bytes + 1;
        self.operations.push(operation);
        Ok(())
    }

    fn shift(&mut self, elements: usize) -> Result<(), Reason> {
        self.shifts = self.shifts.saturating_add(elements);
        if self.shifts > MAX_SHIFTS {
            Err(Reason::TooManyShifts)
        } else {
            Ok(())
        }
    }
}

/// How deep a value is: 0 for a scalar, 1 for an object of scalars. Not recursive, for values of unknown depth.
pub(super) fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(value, 1)];
    while let Some((value, level)) = open.pop() {
        match value {
            Value::Array(items) => {
                deepest = deepest.max(level);
                open.extend(
                    items
                        .iter()
                        .filter(|item| is_container(item))
                        .map(|item| (item, level + 1)),
                );
            }
            Value::Object(members) => {
                deepest = deepest.max(level);
                open.extend(
                    members
                        .values()
                        .filter(|item| is_container(item))
                        .map(|item| (item, level + 1)),
                );
            }
            _ => {}
        }
    }
    deepest
}

fn is_container(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

/// Whether a value may stand at a path.
fn shallow(path: &Path, value: &Value) -> Result<(), Reason> {
    if path.len() + depth(value) > MAX_DEPTH {
        Err(Reason::TooDeep)
    } else {
        Ok(())
    }
}

/// Counts what is written, up to the limit.
struct Counter {
    bytes: usize,
}

impl io::Write for Counter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes < MAX_BYTES {
            Ok(text.len())
        } else {
            Err(io::ErrorKind::FileTooLarge.into())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
