//! The schema of a template's parameters: what constraints may say, and what holds where they say nothing.
//!
//! Schemas are those of custom resources (OpenAPI v3); the parts of it that JSON Schema has otherwise are translated. They
//! are walked by recursion, and as deep as a document of YAML can be at most.

use serde_json::{Map, Value, json};

use super::Spot;
use crate::policy::files::ManifestFile;
use crate::policy::finding::{Finding, Id};
use crate::policy::metadata::Node;

/// A template's schema.
pub(super) struct Schema {
    /// As it is written.
    written: Value,
    validator: jsonschema::Validator,
    /// Whether a parameter that it does not name would be dropped by the API server.
    is_structural: bool,
}

impl Schema {
    /// Reads `validation` of a template. Templates of `v1` have structural schemas, unless they say otherwise.
    pub(super) fn read(
        file: &ManifestFile,
        validation: Option<&Node>,
        version: &str,
        findings: &mut Vec<Finding>,
    ) -> Option<Self> {
        let validation = validation?;
        let node = validation.get("openAPIV3Schema")?;
        let legacy = validation.get("legacySchema").map_or(version != "v1", |legacy| {
            legacy.to_json() == Some(Value::Bool(true))
        });
        let spot = Spot::of(file, node);
        let written = node.to_json();
        let translated = written.as_ref().and_then(translated);
        let (Some(written), Some(translated)) = (written, translated) else {
            findings.push(spot.finding("no schema: it refers to others"));
            return None;
        };
        match jsonschema::draft4::new(&translated) {
            Ok(validator) => Some(Schema {
                written,
                validator,
                is_structural: !legacy,
            }),
            Err(error) => {
                findings.push(spot.finding(format!("is no schema: {error}")));
                None
            }
        }
    }

    /// The parameters with what is missing filled in; findings for what does not fit, warnings for what no schema names.
    pub(super) fn check(
        &self,
        file: &ManifestFile,
        parameters: &Node,
        warnings: &mut Vec<Finding>,
        findings: &mut Vec<Finding>,
    ) -> Option<Value> {
        let Some(mut value) = parameters.to_json() else {
            findings.push(Spot::of(file, parameters).finding("every key of `parameters` must be a string"));
            return None;
        };
        fill(&self.written, &mut value);
        for error in self.validator.iter_errors(&value) {
            let pointer = error.instance_path().as_str();
            let message = format!("`parameters{pointer}` does not fit the template's schema: {error}");
            findings.push(Spot::of(file, parameters.pointed(pointer)).problem(Id::Parameters, message));
        }
        if self.is_structural {
            let mut unknown = Vec::new();
            unnamed(&self.written, parameters, &mut unknown);
            warnings.extend(unknown.into_iter().map(|key| {
                let name = key.as_text().unwrap_or_default();
                let message =
                    format!("the template's schema names no `{name}`: the API server would drop it");
                Spot::of(file, key).problem(Id::UnnamedParameter, message)
            }));
        }
        Some(value)
    }
}

/// The schema in the words of JSON Schema; `None` where it refers to others.
fn translated(schema: &Value) -> Option<Value> {
    let Value::Object(members) = schema else {
        return Some(schema.clone());
    };
    let mut out = Map::new();
    for (key, member) in members {
        let member = match (key.as_str(), member) {
            ("$ref" | "$schema" | "id" | "$id", _) => return None,
            ("properties" | "patternProperties" | "definitions", Value::Object(each)) => {
                let each = each
                    .iter()
                    .map(|(name, one)| Some((name.clone(), translated(one)?)));
                Value::Object(each.collect::<Option<_>>()?)
            }
            ("items" | "additionalProperties" | "not", one) => translated(one)?,
            ("allOf" | "anyOf" | "oneOf", Value::Array(each)) => {
                let each = each.iter().map(translated);
                Value::Array(each.collect::<Option<_>>()?)
            }
            // Of no meaning to a validator, or with another one.
            ("default" | "example" | "description" | "title" | "nullable" | "format", _) => continue,
            (extension, _) if extension.starts_with("x-") => continue,
            (_, member) => member.clone(),
        };
        out.insert(key.clone(), member);
    }
    let says = |key: &str| members.get(key) == Some(&Value::Bool(true));
    if says("x-kubernetes-int-or-string") {
        out.insert("type".to_owned(), json!(["integer", "string"]));
    }
    if says("nullable")
        && let Some(Value::String(kind)) = out.get("type").cloned()
    {
        out.insert("type".to_owned(), json!([kind, "null"]));
        if let Some(Value::Array(values)) = out.get_mut("enum") {
            values.push(Value::Null);
        }
    }
    Some(Value::Object(out))
}

/// Fills in the defaults.
fn fill(schema: &Value, value: &mut Value) {
    let nullable = |schema: &Value| schema.get("nullable") == Some(&Value::Bool(true));
    match value {
        Value::Object(members) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                let missing = match members.get(name) {
                    None => true,
                    Some(value) => value.is_null() && !nullable(property),
                };
                if let Some(default) = property.get("default").filter(|_| missing) {
                    members.insert(name.clone(), default.clone());
                }
            }
            for (name, member) in members {
                let property = properties.and_then(|properties| properties.get(name));
                if let Some(property) = property.or_else(|| schema.get("additionalProperties")) {
                    fill(property, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| fill(schema, item));
            }
        }
        _ => {}
    }
}

/// The keys that the schema does not name, where it names any.
fn unnamed<'n>(schema: &Value, node: &'n Node, found: &mut Vec<&'n Node>) {
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        return;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let rest = schema.get("additionalProperties");
    for (key, member) in node.members().unwrap_or_default() {
        let property = key.as_text().and_then(|name| properties?.get(name));
        match property.or(rest) {
            Some(property) => unnamed(property, member, found),
            None => found.push(key),
        }
    }
    if let Some(schema) = schema.get("items") {
        node.items()
            .unwrap_or_default()
            .iter()
            .for_each(|item| unnamed(schema, item, found));
    }
}
