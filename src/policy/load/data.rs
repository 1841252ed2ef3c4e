//! Data files as one document below `data`, and what must not stand there.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::json::Problem;
use crate::policy::engine::Document;
use crate::policy::engine::ast::Source;
use crate::policy::engine::entry::RESERVED;
use crate::policy::files::{DataFile, Format};
use crate::policy::finding::{Finding, Id};
use crate::policy::metadata::too_much;

/// All data files as one document; findings for unreadable ones, paths given twice and data that would hide a rule.
pub(super) fn merged(files: &[DataFile], sources: &[Source], findings: &mut Vec<Finding>) -> Document {
    let mut tree = Document::empty();
    for file in files {
        let finding = |id, message: String| Finding::new(id, message).in_file(&file.path);
        let read = match file.format {
            Format::Json => {
                Document::parse(&file.bytes).map_err(|error| finding(Id::DataFormat, error.to_string()))
            }
            Format::Yaml => yaml(&file.bytes).map_err(|(place, message)| Finding {
                line: place.map(|(line, _)| line),
                column: place.map(|(_, column)| column),
                ..finding(Id::DataFormat, message)
            }),
        };
        let document = match read {
            Ok(document) => document,
            Err(unreadable) => {
                findings.push(unreadable);
                continue;
            }
        };
        if document.kind() != "object" {
            let message = format!(
                "a data file holds an object, this one has type {}",
                document.kind()
            );
            findings.push(finding(Id::DataFormat, message));
            continue;
        }
        let document = file
            .at
            .iter()
            .rev()
            .fold(document, |inner, key| Document::object([(key.as_str(), inner)]));
        for path in rule_paths(sources) {
            if lies_over(&document, &path) {
                let message = format!("data at `data.{}` would hide a rule there", path.join("."));
                findings.push(finding(Id::DataConflict, message));
            }
        }
        match merge(&tree, &document, &mut Vec::new()) {
            Ok(merged) => tree = merged,
            Err(path) => {
                let message = format!("`data.{path}` is given by another data file too");
                findings.push(finding(Id::DataConflict, message));
            }
        }
    }
    tree
}

/// What is wrong, and the line and column of it where they are known.
type Unreadable = (Option<(u32, u32)>, String);

fn yaml(bytes: &[u8]) -> Result<Document, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| (None, "not UTF-8".to_owned()))?;
    let json: serde_json::Value = serde_saphyr::from_str(text).map_err(|error| not_yaml(&error))?;
    if beyond_64_bits(&json) {
        return Err((None, Problem::NumberRange.to_string()));
    }
    Ok(Document::from_json(&json))
}

/// The place of an error and a sentence of ours: the reader's own words may quote the file, and data may be secret.
fn not_yaml(error: &serde_saphyr::Error) -> Unreadable {
    let place = error.location().and_then(|at| {
        let column = u32::try_from(at.column()).ok()?;
        Some((u32::try_from(at.line()).ok()?, column))
    });
    let message = match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { .. } => Problem::DuplicateKey.to_string(),
        _ => too_much(error).unwrap_or("not valid YAML").to_owned(),
    };
    (place, message)
}

/// Whether a number has become a float that could not say its integer: 2^63 is the first that no signed integer is.
fn beyond_64_bits(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::Number(number) => {
            number.is_f64()
                && number
                    .as_f64()
                    .is_none_or(|float| float.fract() == 0.0 && float.abs() >= 2f64.powi(63))
        }
        serde_json::Value::Array(items) => items.iter().any(beyond_64_bits),
        serde_json::Value::Object(members) => members.values().any(beyond_64_bits),
        _ => false,
    }
}

/// Adds a finding for each rule of a file that data stands at, or above.
pub(super) fn hiding(data: &Document, sources: &[Source], findings: &mut Vec<Finding>) {
    for source in sources {
        for rule in &source.rules {
            let path: Vec<String> = source.package.iter().chain([&rule.name]).cloned().collect();
            if lies_over(data, &path) {
                let message = format!("data at `data.{}` hides this rule", path.join("."));
                findings.push(source.problem(Id::DataConflict, rule.at, message));
            }
        }
    }
}

/// Paths of rules below `data`, one per package and rule name, the generated ones among them.
fn rule_paths(sources: &[Source]) -> BTreeSet<Vec<String>> {
    let path =
        |source: &Source, name: &str| source.package.iter().cloned().chain([name.to_owned()]).collect();
    let written = sources
        .iter()
        .flat_map(|source| source.rules.iter().map(move |rule| path(source, &rule.name)));
    let generated = sources.iter().map(|source| path(source, RESERVED));
    written.chain(generated).collect()
}

/// Whether the document has a value at the path, or something that is no object above it.
pub(in crate::policy) fn lies_over(document: &Document, path: &[String]) -> bool {
    let mut at = document.clone();
    for key in path {
        if at.kind() != "object" {
            return true;
        }
        match at.get(key) {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}

/// Members that are set one by one: each copies the object, more than these make a new one.
const FEW: usize = 8;

/// Both objects in one; the path that both give, if they do.
fn merge(tree: &Document, more: &Document, path: &mut Vec<String>) -> Result<Document, String> {
    let (Some(members), "object") = (more.members(), tree.kind()) else {
        return Err(path.join("."));
    };
    let mut added = Vec::with_capacity(members.len());
    for (key, value) in members {
        let value = match tree.get(&key) {
            None => value,
            Some(have) => {
                path.push(key.to_string());
                let value = merge(&have, &value, path)?;
                path.pop();
                value
            }
        };
        added.push((key, value));
    }
    if added.len() <= FEW {
        let with = |tree: Document, (key, value): (Arc<str>, Document)| tree.with(&key, value);
        return Ok(added.into_iter().fold(tree.clone(), with));
    }
    // What comes later stands in the place of what it was merged with.
    let all = tree.members().unwrap_or_default().into_iter().chain(added);
    let all: Vec<_> = all.collect();
    Ok(Document::object(
        all.iter().map(|(key, value)| (&**key, value.clone())),
    ))
}
