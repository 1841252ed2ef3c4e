//! What a case asks: a review that is written out, or one made of what people have.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::reader::Reader;
use crate::cli::review::wrap::{self, Item, Operation, Subject};
use crate::gate::Gate;
use crate::policy::Document;
use crate::policy::metadata::Node;
use crate::policy::namespaces::{Namespace, Namespaces};
use crate::review::{Settings, put};

/// The label that the API server gives every Namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The forms in which a case says what it asks, each with the keys that go with it.
const FORMS: [(&str, &[&str]); 6] = [
    ("review", &["gate", "namespace"]),
    (
        "object",
        &["gate", "operation", "oldObject", "user", "groups", "namespace"],
    ),
    (
        "manifest",
        &["gate", "operation", "oldObject", "user", "groups", "namespace"],
    ),
    ("token", &["audiences"]),
    ("verb", &["resource", "path", "user", "groups", "namespace"]),
    ("images", &["annotations", "namespace"]),
];

/// The keys that go with every form.
const ALWAYS: [&str; 5] = ["name", "expect", "data", "parameters", "now"];

/// What may be said once for all cases of a suite.
pub(super) const DEFAULTS: &[&str] = &[
    "gate",
    "operation",
    "user",
    "groups",
    "namespace",
    "data",
    "parameters",
    "now",
];

/// What a case asks, and in what circumstances.
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) settings: Settings,
    /// `data`, if it is another than that of the files.
    pub(super) data: Option<Document>,
    /// `input.parameters` of policies that get others than their own.
    pub(super) parameters: Vec<(String, Document)>,
}

/// One review, or both that the API server asks about an object.
pub(super) enum Question {
    /// A review, by its text.
    One(Gate, String),
    /// An AdmissionReview for mutate, and with what comes of it for validate.
    Both(Value),
}

impl Question {
    /// The gates that are asked.
    pub(super) fn gates(&self) -> Vec<Gate> {
        match self {
            Question::One(gate, _) => vec![*gate],
            Question::Both(_) => vec![Gate::Mutate, Gate::Validate],
        }
    }
}

/// Looks things up in a case, and in the defaults of its suite where it says nothing.
struct Given<'a> {
    case: &'a Node,
    defaults: Option<&'a Node>,
}

impl<'a> Given<'a> {
    fn get(&self, key: &str) -> Option<&'a Node> {
        let of_suite = || self.defaults?.get(key);
        self.case.get(key).or_else(of_suite)
    }
}

/// Reads what a case asks; nothing where that is not to be understood.
pub(super) fn read(
    reader: &mut Reader<'_>,
    case: &Node,
    defaults: Option<&Node>,
    settings: &Settings,
) -> Option<Asked> {
    let forms: Vec<_> = FORMS
        .iter()
        .filter(|(form, _)| case.get(form).is_some())
        .collect();
    let [(form, more)] = forms.as_slice() else {
        let all = FORMS.map(|(form, _)| format!("`{form}`")).join(", ");
        reader.wrong(case, format!("a case has one of {all}"));
        return None;
    };
    let mut keys: Vec<&'static str> = ALWAYS.into_iter().chain(more.iter().copied()).collect();
    keys.push(form);
    reader.keys(case, &format!("a case with `{form}`"), &keys);
    let given = Given { case, defaults };
    let question = question(reader, &given, form)?;
    let mut settings = settings.clone();
    if let Some(namespace) = given.get("namespace").filter(|node| node.members().is_some()) {
        settings.namespaces = Arc::new(Namespaces::fixed([self::namespace(reader, namespace)?]));
    }
    if let Some(node) = given.get("now") {
        settings.now_ns = Some(now(reader, node)?);
    }
    let (data, parameters) = (data(reader, &given)?, parameters(reader, &given, &question)?);
    Some(Asked {
        question,
        settings,
        data,
        parameters,
    })
}

fn question(reader: &mut Reader<'_>, given: &Given<'_>, form: &str) -> Option<Question> {
    let node = given.get(form)?;
    let subject = subject(reader, given, form)?;
    let items = match form {
        "token" => wrap::token(&reader.text(node, form)?).map(|item| vec![item]),
        "verb" => {
            let verb = reader.text(node, form)?;
            let mut part = |key: &str| match given.get(key) {
                Some(node) => reader.text(node, key).map(Some),
                None => Some(None),
            };
            let (resource, path) = (part("resource")?, part("path")?);
            if resource.is_some() == path.is_some() {
                reader.wrong(node, "a case with `verb` has either `resource` or `path`");
                return None;
            }
            wrap::access(&verb, resource.as_deref(), path.as_deref(), &subject).map(|item| vec![item])
        }
        "images" => return images(reader, given, node, &subject),
        _ => {
            let (path, text) = match node.as_text() {
                Some(name) if form != "object" => reader.file_text(node, name)?,
                _ => (form.into(), reader.object(node, form)?.to_string()),
            };
            wrap::items(Path::new(&path), text, &subject)
        }
    };
    let item = match items.map(|mut items| (items.pop(), items.is_empty())) {
        Ok((Some(item), true)) => item,
        Ok(_) => {
            reader.wrong(node, format!("`{form}` is one review or one object"));
            return None;
        }
        Err(error) => {
            reader.wrong(node, format!("{error:#}"));
            return None;
        }
    };
    match (item, form) {
        (Item::Manifest { .. }, "review") => {
            reader.wrong(
                node,
                "`review` is a review; an object is given as `object` or `manifest`",
            );
            None
        }
        (Item::Review { .. }, "object" | "manifest") => {
            reader.wrong(
                node,
                format!("`{form}` is an object; a review is given as `review`"),
            );
            None
        }
        (Item::Review { gate, body, .. }, _) => Some(Question::One(gate, audience(reader, given, body)?)),
        (
            Item::Manifest {
                gate: Some(gate),
                review,
                ..
            },
            _,
        ) => Some(Question::One(gate, review.to_string())),
        (
            Item::Manifest {
                gate: None, review, ..
            },
            _,
        ) => Some(Question::Both(review)),
    }
}

/// Who asks for what.
fn subject(reader: &mut Reader<'_>, given: &Given<'_>, form: &str) -> Option<Subject> {
    let mut parsed = |key: &str| match given.get(key) {
        Some(node) => reader.text(node, key).map(|text| Some((node, text))),
        None => Some(None),
    };
    let (operation, user, gate) = (parsed("operation")?, parsed("user")?, parsed("gate")?);
    let operation = match operation {
        Some((node, text)) => match text.parse() {
            Ok(operation) => operation,
            Err(problem) => {
                reader.wrong(node, format!("`operation` is {problem}"));
                return None;
            }
        },
        None => Operation::Create,
    };
    let gate = match gate {
        Some((node, text)) => match text.parse::<Gate>() {
            Ok(gate @ (Gate::Mutate | Gate::Validate)) => Some(gate),
            _ => {
                reader.wrong(
                    node,
                    "`gate` is mutate or validate; other reviews say theirs themselves",
                );
                return None;
            }
        },
        None => None,
    };
    let groups = match given.get("groups") {
        Some(node) => reader.texts(node, "groups")?,
        None => Vec::new(),
    };
    let namespace = match given.get("namespace") {
        Some(node) if node.members().is_some() => self::namespace(reader, node)?.name,
        Some(node) => reader.text(node, "namespace")?,
        // A question without a namespace is one about the whole cluster.
        None if form == "verb" || form == "images" => String::new(),
        None => "default".to_owned(),
    };
    let old = match given.get("oldObject") {
        Some(node) => Some(old(reader, node)?),
        None => None,
    };
    let user = user.map_or_else(|| "kubernetes-admin".to_owned(), |(_, user)| user);
    Some(Subject {
        operation: Some(operation),
        user: json!({ "username": user, "groups": groups }),
        namespace,
        old,
        gate,
        cluster: None,
    })
}

/// The object as it was before, written out or in a file.
fn old(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    let Some(name) = node.as_text() else {
        return reader.object(node, "oldObject");
    };
    let (path, text) = reader.file_text(node, name)?;
    match wrap::manifest(&path, &text) {
        Ok(object) => Some(object),
        Err(error) => {
            reader.wrong(node, format!("{error:#}"));
            None
        }
    }
}

/// A TokenReview with the audiences that it asks for.
fn audience(reader: &mut Reader<'_>, given: &Given<'_>, body: String) -> Option<String> {
    let Some(node) = given.get("audiences") else {
        return Some(body);
    };
    let audiences = reader.texts(node, "audiences")?;
    let mut review: Value = serde_json::from_str(&body).ok()?;
    put(review.get_mut("spec")?, "audiences", json!(audiences));
    Some(review.to_string())
}

fn images(reader: &mut Reader<'_>, given: &Given<'_>, node: &Node, subject: &Subject) -> Option<Question> {
    let images = reader.texts(node, "images")?;
    let containers: Vec<Value> = images.iter().map(|image| json!({ "image": image })).collect();
    let mut spec = json!({ "containers": containers, "namespace": subject.namespace });
    if let Some(node) = given.get("annotations") {
        put(&mut spec, "annotations", reader.object(node, "annotations")?);
    }
    let review = json!({ "kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1", "spec": spec });
    Some(Question::One(Gate::Image, review.to_string()))
}

/// What is known of the review's Namespace.
fn namespace(reader: &mut Reader<'_>, node: &Node) -> Option<Namespace> {
    reader.keys(node, "`namespace`", &["name", "labels", "annotations"]);
    let Some(name) = node.get("name").and_then(Node::as_text) else {
        reader.wrong(node, "a `namespace` that is a map has a `name`");
        return None;
    };
    let mut map = |key: &str| match node.get(key) {
        None => Some(Default::default()),
        Some(node) => {
            let texts = node.members().and_then(|members| {
                let text = |node: &Node| node.as_text().map(str::to_owned);
                members
                    .iter()
                    .map(|(key, value)| Some((text(key)?, text(value)?)))
                    .collect()
            });
            if texts.is_none() {
                reader.wrong(node, format!("`{key}` is a map of strings"));
            }
            texts
        }
    };
    let (mut labels, annotations): (std::collections::BTreeMap<_, _>, _) =
        (map("labels")?, map("annotations")?);
    labels.insert(NAME_LABEL.to_owned(), name.to_owned());
    Some(Namespace {
        name: name.to_owned(),
        labels,
        annotations,
    })
}

fn now(reader: &mut Reader<'_>, node: &Node) -> Option<i64> {
    let time = node
        .as_text()
        .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let now = time.and_then(|time| i64::try_from(time.unix_timestamp_nanos()).ok());
    if now.is_none() {
        reader.wrong(node, "`now` is a time as in `2026-01-31T12:00:00Z`");
    }
    now
}

/// The data that the case has over that of the files.
fn data(reader: &mut Reader<'_>, given: &Given<'_>) -> Option<Option<Document>> {
    let Some(node) = given.get("data") else {
        return Some(None);
    };
    let data = Document::from_json(&reader.object(node, "data")?);
    match reader.trials.with_data(&data) {
        Ok(data) => Some(Some(data)),
        Err(path) => {
            reader.wrong(node, format!("data at `data.{path}` would hide a rule there"));
            None
        }
    }
}

fn parameters(
    reader: &mut Reader<'_>,
    given: &Given<'_>,
    question: &Question,
) -> Option<Vec<(String, Document)>> {
    let Some(node) = given.get("parameters") else {
        return Some(Vec::new());
    };
    reader.object(node, "parameters")?;
    let mut parameters = Vec::new();
    for (key, value) in node.members().unwrap_or_default() {
        let name = key.as_text().unwrap_or_default().to_owned();
        reader.policies(key, std::slice::from_ref(&name), &question.gates());
        let value = reader.object(value, "parameters of a policy")?;
        parameters.push((name, Document::from_json(&value)));
    }
    Some(parameters)
}
