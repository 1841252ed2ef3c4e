//! Reading the parts of a review that Regate itself needs. Absent, `null` and empty are the same here, as they are for
//! the API server; a part of another type makes the content unreadable.

use crate::policy::Document;

/// The member, unless it is absent or null.
pub(crate) fn member(object: &Document, key: &str) -> Option<Document> {
    object.get(key).filter(|member| member.kind() != "null")
}

/// A member that is an object; an empty one where it is absent.
pub(crate) fn object(parent: &Document, key: &str) -> Result<Document, String> {
    match member(parent, key) {
        None => Ok(Document::empty()),
        Some(object) if object.kind() == "object" => Ok(object),
        Some(other) => Err(wrong(key, "an object", &other)),
    }
}

/// A member that is an object, and is there.
pub(crate) fn present(parent: &Document, key: &str) -> Result<Document, String> {
    match member(parent, key) {
        Some(_) => object(parent, key),
        None => Err(format!("`{key}` is missing")),
    }
}

/// Refuses a member that is no string, or an empty one.
pub(crate) fn check_text(parent: &Document, key: &str) -> Result<(), String> {
    match string(parent, key)?.is_empty() {
        true => Err(format!("`{key}` is missing")),
        false => Ok(()),
    }
}

/// A member that is a string; an empty one where it is absent.
pub(crate) fn string(parent: &Document, key: &str) -> Result<String, String> {
    match member(parent, key) {
        None => Ok(String::new()),
        Some(text) => text
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| wrong(key, "a string", &text)),
    }
}

/// A member that is a list of strings; an empty one where it is absent.
pub(crate) fn strings(parent: &Document, key: &str) -> Result<Vec<String>, String> {
    let Some(list) = member(parent, key) else {
        return Ok(Vec::new());
    };
    let items = list
        .items()
        .ok_or_else(|| wrong(key, "a list of strings", &list))?;
    items
        .iter()
        .map(|item| {
            item.as_str()
                .map(str::to_owned)
                .ok_or_else(|| wrong(key, "a list of strings", item))
        })
        .collect()
}

/// Refuses a member that is neither absent nor an object of lists of strings.
pub(crate) fn check_extra(parent: &Document, key: &str) -> Result<(), String> {
    let extra = object(parent, key)?;
    for (name, _) in extra.members().unwrap_or_default() {
        // The name is the requester's: it is not quoted.
        strings(&extra, &name).map_err(|_| format!("`{key}` must be an object of lists of strings"))?;
    }
    Ok(())
}

pub(crate) fn wrong(key: &str, want: &str, got: &Document) -> String {
    format!("`{key}` must be {want}, it is of type {}", got.kind())
}
