//! Namespaces from a file, where there is no cluster to watch.

use std::path::Path;

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1;
use serde_json::Value;

use super::{text_at, wrap};
use crate::policy::namespaces::{Namespace, Namespaces};

/// The label that the API server gives every Namespace, and nobody can take away.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The Namespaces of a file: one or many manifests, or a List of them.
pub(super) fn from_file(file: &Path, text: &str) -> anyhow::Result<Namespaces> {
    let name = file.display().to_string();
    let mut namespaces: Vec<Namespace> = Vec::new();
    for document in wrap::documents(&name, text)? {
        for object in listed(document) {
            let namespace = namespace(object).with_context(|| name.clone())?;
            if namespaces.iter().any(|known| known.name == namespace.name) {
                bail!("{name}: the Namespace {} is there twice", namespace.name);
            }
            namespaces.push(namespace);
        }
    }
    if namespaces.is_empty() {
        bail!("{name}: it has no Namespace: `kubectl get namespaces -o yaml` writes such a file");
    }
    Ok(Namespaces::fixed(namespaces))
}

/// The objects of a List, or the object itself.
fn listed(document: Value) -> Vec<Value> {
    match document {
        Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
            match list.remove("items") {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            }
        }
        other => vec![other],
    }
}

fn namespace(object: Value) -> anyhow::Result<Namespace> {
    let said = |pointer| text_at(&object, pointer).unwrap_or_default();
    let (api_version, kind) = (said("/apiVersion"), said("/kind"));
    if (api_version, kind) != ("v1", "Namespace") {
        bail!("`kind: {kind}` of `apiVersion: {api_version}` is not a Namespace of v1, nor a List of them");
    }
    let metadata = serde_json::from_value::<v1::Namespace>(object)?.metadata;
    let Some(name) = metadata.name.filter(|name| !name.is_empty()) else {
        bail!("a Namespace has no `metadata.name`");
    };
    let mut labels = metadata.labels.unwrap_or_default();
    labels.insert(NAME_LABEL.to_owned(), name.clone());
    Ok(Namespace {
        name,
        labels,
        annotations: metadata.annotations.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::namespaces::Unknown;
    use std::collections::BTreeMap;
    use std::time::Instant;

    fn read(text: &str) -> anyhow::Result<Namespaces> {
        from_file(Path::new("ns.yaml"), text)
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn manifests_and_lists_are_read_and_named_as_the_api_server_would() {
        let one = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {team: x}, annotations: {note: hi}}\n";
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}, \
                    spec: {finalizers: [kubernetes]}, status: {phase: Active}}\n";
        let json = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "x"},
            "annotations": {"note": "hi"}}}"#;
        for (text, count) in [
            (one.to_owned(), 1),
            (format!("{one}---\n---\n{list}"), 2),
            (json.to_owned(), 1),
        ] {
            let namespaces = read(&text).unwrap();
            assert_eq!(namespaces.count(), count, "{text}");
            let a = namespaces.get("a", Instant::now()).unwrap();
            assert_eq!(
                a.labels,
                pairs(&[("kubernetes.io/metadata.name", "a"), ("team", "x")])
            );
            assert_eq!(a.annotations, pairs(&[("note", "hi")]));
            let absent = namespaces.get("z", Instant::now()).unwrap_err();
            assert_eq!(absent, Unknown::NotThere);
        }
        let b = read(list).unwrap().get("b", Instant::now()).unwrap();
        assert_eq!(b.labels, pairs(&[("kubernetes.io/metadata.name", "b")]));
    }

    #[test]
    fn what_holds_anything_else_is_refused() {
        let with = |metadata: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {metadata}\n");
        for (text, said) in [
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n".to_owned(),
                "ns.yaml: `kind: Pod` of `apiVersion: v1` is not a Namespace of v1, nor a List of them",
            ),
            (
                with("{labels: {}}"),
                "ns.yaml: a Namespace has no `metadata.name`",
            ),
            (
                format!("{}---\n{}", with("{name: a}"), with("{name: a}")),
                "ns.yaml: the Namespace a is there twice",
            ),
            (
                with("{name: a, labels: {team: 1}}"),
                "ns.yaml: invalid type: integer `1`, expected a string",
            ),
            ("[]".to_owned(), "ns.yaml: neither a review nor a manifest: []"),
            (
                "apiVersion: v1\nkind: List\nitems: []\n".to_owned(),
                "ns.yaml: it has no Namespace: `kubectl get namespaces -o yaml` writes such a file",
            ),
            (
                String::new(),
                "ns.yaml: it has no Namespace: `kubectl get namespaces -o yaml` writes such a file",
            ),
        ] {
            let error = read(&text).unwrap_err();
            assert_eq!(format!("{error:#}"), said);
        }
    }
}
