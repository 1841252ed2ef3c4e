//! JSON patches: from what a policy wrote to the one patch that is sent to the API server.
//!
//! A mutating review makes one [`Mutation`] of the request's object and gives it the `patch` or `mutated` of each
//! policy in turn. Always holds: only operations that RFC 6902 and the API server's own patch library take alike are
//! recorded (`add` with existing parents, `replace` and `remove` of what exists), fields that identify the object are
//! as they came, no document is deeper than [`MAX_DEPTH`], and a patch that is handed out was applied with an
//! independent implementation and gave the expected document.

mod diff;
mod draft;
mod field;
mod operation;
mod pointer;
#[cfg(test)]
mod tests;

pub use json_patch::PatchOperation;
use serde_json::Value;

pub use diff::same;
use draft::Draft;

/// The depth that a document may have: what the API server may send and the engine reads.
pub const MAX_DEPTH: usize = 128;

/// The size of the joined patch as JSON. The API server takes no object above 3 MiB from anybody.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;

/// How many array elements the operations of one review may move in all. Each insertion or removal moves what comes
/// after it, here, in the check and in the API server: without a limit long arrays cost quadratic time.
pub const MAX_SHIFTS: usize = 20_000_000;

/// What a policy's `patch` was in Rego.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// An array: applied as written.
    Array,
    /// A set, handed over in Rego's order: removals go deepest first and from the highest index down.
    Set,
}

/// Why a policy's `patch` or `mutated` cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The policy's author: `patch` is a list of operations.
    #[error("`patch` is {found}, not an array or a set of operations")]
    NotOperations {
        /// The JSON type that it is.
        found: &'static str,
    },
    /// The policy's author: one operation is malformed or does not apply.
    #[error("`patch`, operation {index}: {reason}")]
    Operation {
        /// Its place, counted from 0, in the order of application.
        index: usize,
        /// What is wrong with it.
        reason: Reason,
    },
    /// The policy's author: the wanted object is none, or leads to a patch above a limit.
    #[error("`mutated`: {reason}")]
    Mutated {
        /// What is wrong with it.
        reason: Reason,
    },
    /// The policy's author: the operations change a field that no mutation may change.
    #[error("`{field}` may not be changed by a mutation")]
    Untouchable {
        /// JSON Pointer of the field.
        field: String,
    },
    /// We: the recorded operations do not give the expected document. Never sent.
    #[error("the joined patch failed its own check: {detail}")]
    Unverified {
        /// What the independent implementation said.
        detail: String,
    },
}

impl Error {
    /// The same for a log. A pointer may be of keys and values that the policy took from what it was asked about, and
    /// those may be secret: it is not quoted.
    pub fn without_pointers(&self) -> String {
        let pointer = match self {
            Error::Operation { reason, .. } | Error::Mutated { reason } => reason.pointer(),
            Error::Unverified { .. } => return "the joined patch failed its own check".to_owned(),
            Error::NotOperations { .. } | Error::Untouchable { .. } => None,
        };
        let text = self.to_string();
        match pointer {
            Some(pointer) => text.replace(&format!("`{pointer}`"), "its path"),
            None => text,
        }
    }
}

/// What is wrong with one operation. For the policy's author, without exception.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// An operation, a wanted object or its metadata is no object.
    #[error("{what} is {found}, not an object")]
    NotAnObject {
        /// What should be an object.
        what: &'static str,
        /// The JSON type that it is.
        found: &'static str,
    },
    /// `op` is missing, no string, or none of the six words.
    #[error("`op` has to be one of add, remove, replace, move, copy, test")]
    UnknownOp,
    /// `path` or `from` is missing or of a wrong type.
    #[error("`{member}` has to be a JSON Pointer or an array of keys")]
    NoPointer {
        /// `path` or `from`.
        member: &'static str,
    },
    /// `add`, `replace` or `test` without `value`.
    #[error("`value` is missing")]
    NoValue,
    /// The pointer addresses the whole document, where the two dialects differ.
    #[error("the path is empty: the whole object cannot be addressed")]
    WholeDocument,
    /// A pointer that does not begin with `/`.
    #[error("`{path}` does not begin with `/`")]
    NoLeadingSlash {
        /// The pointer as written.
        path: String,
    },
    /// A `~` that is neither `~0` nor `~1`.
    #[error("`{path}` has a `~` that is neither `~0` (for `~`) nor `~1` (for `/`)")]
    BadEscape {
        /// The pointer as written.
        path: String,
    },
    /// An element of a path's array form that is neither a string nor an integer from 0.
    #[error("a key in `{member}` is {found}, neither a string nor an index from 0")]
    BadKey {
        /// `path` or `from`.
        member: &'static str,
        /// The JSON type or the number that it is.
        found: String,
    },
    /// Nothing is at the path.
    #[error("nothing is at `{path}`")]
    Missing {
        /// The operation's pointer.
        path: String,
    },
    /// A parent on the path is a string, number or boolean.
    #[error("`{path}` leads through something that is neither an object nor an array")]
    NotAContainer {
        /// The operation's pointer.
        path: String,
    },
    /// A key of an array that is no index: negative, with leading zeros, a word, or `-` where nothing is added.
    #[error("`{path}` has a key of an array that is no index")]
    BadIndex {
        /// The operation's pointer.
        path: String,
    },
    /// An integer key where the document has an object.
    #[error("`{path}` has an index where the object has keys: write the key as a string")]
    IndexOfObject {
        /// The operation's pointer.
        path: String,
    },
    /// An index beyond the end of its array.
    #[error("`{path}` has an index beyond the end of its array of {length}")]
    OutOfRange {
        /// The operation's pointer.
        path: String,
        /// The array's length.
        length: usize,
    },
    /// `move` of a part into itself.
    #[error("`{from}` cannot be moved into itself")]
    IntoItself {
        /// The pointer that is moved.
        from: String,
    },
    /// A `test` found another value.
    #[error("the test of `{path}` failed")]
    TestFailed {
        /// The operation's pointer.
        path: String,
    },
    /// The result would be deeper than [`MAX_DEPTH`].
    #[error("the result would be deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The patch would be longer than [`MAX_BYTES`].
    #[error("the joined patch would be longer than {MAX_BYTES} bytes")]
    TooLarge,
    /// The patch would move more than [`MAX_SHIFTS`] array elements.
    #[error("the joined patch would move more than {MAX_SHIFTS} array elements")]
    TooManyShifts,
}

impl Reason {
    /// The pointer that is quoted.
    fn pointer(&self) -> Option<&str> {
        match self {
            Reason::NoLeadingSlash { path }
            | Reason::BadEscape { path }
            | Reason::Missing { path }
            | Reason::NotAContainer { path }
            | Reason::BadIndex { path }
            | Reason::IndexOfObject { path }
            | Reason::OutOfRange { path, .. }
            | Reason::IntoItself { from: path }
            | Reason::TestFailed { path } => Some(path),
            Reason::NotAnObject { .. }
            | Reason::UnknownOp
            | Reason::NoPointer { .. }
            | Reason::NoValue
            | Reason::WholeDocument
            | Reason::BadKey { .. }
            | Reason::TooDeep
            | Reason::TooLarge
            | Reason::TooManyShifts => None,
        }
    }
}

/// An object under mutation: as it came, as patched so far, and the operations between the two.
#[derive(Clone, Debug)]
pub struct Mutation {
    original: Value,
    draft: Draft,
    status_is_writable: bool,
}

impl Mutation {
    /// Begins with the request's object; `subresource` is the request's, empty for the main resource.
    pub fn new(object: Value, subresource: &str) -> Self {
        Self {
            original: object.clone(),
            draft: Draft::new(object),
            status_is_writable: subresource == "status",
        }
    }

    /// Begins again with the request's object.
    pub fn reset(&mut self) {
        self.draft = Draft::new(self.original.clone());
    }

    /// The object as patched so far: what the next policy sees.
    pub fn object(&self) -> &Value {
        &self.draft.document
    }

    /// The operations recorded so far.
    pub fn operations(&self) -> &[PatchOperation] {
        &self.draft.operations
    }

    /// Applies a policy's `patch` and says whether it changed anything. On an error nothing is applied.
    pub fn patch(&mut self, patch: &Value, order: Order) -> Result<bool, Error> {
        let operations = operation::read(patch, order)?;
        if operations.is_empty() {
            return Ok(false);
        }
        let mut draft = self.draft.clone();
        for (index, operation) in operations.into_iter().enumerate() {
            operation
                .apply(&mut draft)
                .map_err(|reason| Error::Operation { index, reason })?;
        }
        if let Some(field) = field::changed(self.object(), &draft.document, self.status_is_writable) {
            return Err(Error::Untouchable { field });
        }
        Ok(self.accept(draft))
    }

    /// Changes the object into a policy's `mutated` and says whether anything changed. Fields that may not be changed
    /// are taken from the request. On an error nothing is applied.
    pub fn mutated(&mut self, mut wanted: Value) -> Result<bool, Error> {
        let refuse = |reason| Error::Mutated { reason };
        if draft::depth(&wanted) > MAX_DEPTH {
            return Err(refuse(Reason::TooDeep));
        }
        field::restore(self.object(), &mut wanted, self.status_is_writable).map_err(refuse)?;
        let mut draft = self.draft.clone();
        diff::record(self.object(), &wanted, &mut draft).map_err(refuse)?;
        if !same(&draft.document, &wanted) {
            return Err(Error::Unverified {
                detail: "the difference does not lead to `mutated`".to_owned(),
            });
        }
        Ok(self.accept(draft))
    }

    /// The joined patch as JSON text, or `None` when the object is as it came. The operations are applied to the
    /// original by the json-patch crate first and have to give the object as patched here.
    pub fn encode(&self) -> Result<Option<Vec<u8>>, Error> {
        if same(&self.original, self.object()) {
            return Ok(None);
        }
        let unverified = |detail: String| Error::Unverified { detail };
        let mut checked = self.original.clone();
        // The variant without undo: the copy is thrown away, and undoing can panic.
        json_patch::patch_unsafe(&mut checked, self.operations())
            .map_err(|error| unverified(error.to_string()))?;
        if !same(&checked, self.object()) {
            return Err(unverified("another document results".to_owned()));
        }
        serde_json::to_vec(self.operations())
            .map(Some)
            .map_err(|error| unverified(error.to_string()))
    }

    /// Takes over a policy's result, unless its operations cancel each other out.
    fn accept(&mut self, draft: Draft) -> bool {
        let changed = !same(self.object(), &draft.document);
        if changed {
            self.draft = draft;
        }
        changed
    }
}

/// The JSON type of a value, with its article.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
