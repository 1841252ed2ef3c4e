//! Running a case: the object as a review, the inventory as data, and the violations held against the assertions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::read::{Assertion, Case, Count, Test};
use super::{Verdict, text};
use crate::gate::Gate;
use crate::policy::dialect::Question;
use crate::policy::engine::{Document, builtins};
use crate::policy::files::{DataFile, Files, Format, ManifestFile};
use crate::policy::finding::Finding;
use crate::policy::load::load;
use crate::policy::matching::Facts;
use crate::policy::metadata::{Node, Tree};
use crate::policy::namespaces::{Namespace, Unknown};
use crate::policy::{Evaluate, Limits, PolicySet, context_of_now};

/// One line each.
type Problems = Vec<String>;

/// A test that is about its constraint alone.
pub(super) fn of_test(directory: &Path, test: &Test) -> Verdict {
    match policies(directory, test) {
        Err(problem) => Verdict::Failed(vec![problem]),
        Ok(files) if test.invalid => is_refused(files),
        Ok(files) => {
            load(&files).map_or_else(|findings| Verdict::Failed(told(&findings)), |_| Verdict::Passed)
        }
    }
}

/// A case, which may take so much time.
pub(super) fn of_case(directory: &Path, test: &Test, case: &Case, time: Duration) -> Verdict {
    let violations = match policies(directory, test) {
        Ok(files) => violations(directory, files, case, time),
        Err(problem) => Err(vec![problem]),
    };
    let problems = match violations {
        Err(problems) => problems,
        Ok(messages) => {
            let assertions = case.assertions.iter();
            assertions
                .filter_map(|assertion| assertion.unmet(&messages))
                .collect()
        }
    };
    match problems.is_empty() {
        true => Verdict::Passed,
        false => Verdict::Failed(problems),
    }
}

/// Passed if the constraint is refused and the template is not.
fn is_refused(mut files: Files) -> Verdict {
    if load(&files).is_ok() {
        return Verdict::Failed(vec![
            "the constraint fits its template, and should not".to_owned(),
        ]);
    }
    // Where both are in one file, either may be what is refused.
    if files.manifests.len() > 1 {
        files.manifests.truncate(1);
        if let Err(findings) = load(&files) {
            return Verdict::Failed(told(&findings));
        }
    }
    Verdict::Passed
}

fn told(findings: &[Finding]) -> Problems {
    findings.iter().map(ToString::to_string).collect()
}

/// The template and the constraint.
fn policies(directory: &Path, test: &Test) -> Result<Files, String> {
    let manifest = |file: &String| {
        let path = directory.join(file);
        let text = text(&path).map_err(|problem| format!("{}: {problem}", path.display()))?;
        Ok::<_, String>(ManifestFile {
            path: path.display().to_string(),
            text,
        })
    };
    let mut manifests = vec![manifest(&test.template)?];
    if test.constraint != test.template {
        manifests.push(manifest(&test.constraint)?);
    }
    Ok(Files {
        manifests,
        ..Files::default()
    })
}

impl Assertion {
    /// Why it does not hold of these messages.
    fn unmet(&self, messages: &[String]) -> Option<String> {
        let pattern = self.message.as_deref().unwrap_or_default();
        // Where there is no message to try it with, too.
        if let Err(error) = builtins::pattern_matches(pattern, "") {
            return Some(format!("`{pattern}` is no regular expression: {error}"));
        }
        let matches = |message: &&String| builtins::pattern_matches(pattern, message).unwrap_or(false);
        let count = messages.iter().filter(matches).fold(0, |count: u64, _| count + 1);
        let (holds, expected) = match self.violations {
            Count::Some => (count > 0, "at least 1".to_owned()),
            Count::None => (count == 0, "none".to_owned()),
            Count::Exactly(wanted) => (count == wanted, wanted.to_string()),
        };
        let like = self.message.as_ref().map(|pattern| format!(" like `{pattern}`"));
        let told = match messages {
            [] => "there are none at all".to_owned(),
            messages => format!("there are: {}", messages.join(" | ")),
        };
        (!holds).then(|| {
            format!(
                "{expected} violations{} expected, {count} found; {told}",
                like.unwrap_or_default()
            )
        })
    }
}

/// The messages of all violations of a case's object.
fn violations(directory: &Path, files: Files, case: &Case, time: Duration) -> Result<Vec<String>, Problems> {
    let deadline = Instant::now() + time;
    let one = |problem: String| vec![problem];
    let mut objects = objects(directory, &case.object).map_err(one)?;
    let (Some(object), true) = (objects.pop(), objects.is_empty()) else {
        return Err(one(format!("{} does not hold exactly one object", case.object)));
    };
    let mut inventory = Vec::new();
    for file in &case.inventory {
        inventory.extend(self::objects(directory, file).map_err(one)?);
    }
    let files = Files {
        data: vec![DataFile {
            path: "(inventory)".to_owned(),
            at: Vec::new(),
            format: Format::Json,
            bytes: json!({ "inventory": tree(&inventory) }).to_string().into_bytes(),
        }],
        ..files
    };
    let set = load(&files).map_err(|findings| told(&findings))?;
    let request = request(object).map_err(one)?;
    ask(&set, &request, &namespaces(&inventory), deadline).map_err(one)
}

/// The objects of a file.
fn objects(directory: &Path, file: &str) -> Result<Vec<Value>, String> {
    let path = directory.join(file);
    let named = |problem: String| format!("{}: {problem}", path.display());
    let documents = Node::parse_all(&text(&path).map_err(named)?).map_err(|(_, problem)| named(problem))?;
    let documents = documents.iter().filter(|document| document.value != Tree::Null);
    let objects: Option<Vec<Value>> = documents
        .map(|document| document.to_json().filter(Value::is_object))
        .collect();
    objects
        .filter(|objects| !objects.is_empty())
        .ok_or_else(|| named("holds no objects".to_owned()))
}

fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The inventory as Gatekeeper lays it out: by scope, version, kind and name.
fn tree(objects: &[Value]) -> Value {
    let mut tree = json!({});
    for object in objects {
        let text = |pointer: &str| text_at(object, pointer).to_owned();
        let namespace = text("/metadata/namespace");
        let mut path = match namespace.is_empty() {
            true => vec!["cluster".to_owned()],
            false => vec!["namespace".to_owned(), namespace],
        };
        path.extend([text("/apiVersion"), text("/kind")]);
        let mut at = &mut tree;
        for key in path {
            if !at.get(&key).is_some_and(Value::is_object)
                && let Some(members) = at.as_object_mut()
            {
                members.insert(key.clone(), Value::Object(Map::new()));
            }
            match at.get_mut(&key) {
                Some(next) => at = next,
                None => return tree,
            }
        }
        if let Some(members) = at.as_object_mut() {
            members.insert(text("/metadata/name"), object.clone());
        }
    }
    tree
}

/// The Namespaces of the inventory.
fn namespaces(objects: &[Value]) -> BTreeMap<String, Arc<Namespace>> {
    let texts = |object: &Value, pointer: &str| {
        let members = object.pointer(pointer).and_then(Value::as_object);
        let texts = members.into_iter().flatten();
        texts
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    };
    let namespaces = objects
        .iter()
        .filter(|object| text_at(object, "/apiVersion") == "v1" && text_at(object, "/kind") == "Namespace");
    let named = namespaces.map(|object| {
        let name = text_at(object, "/metadata/name").to_owned();
        let namespace = Namespace {
            name: name.clone(),
            labels: texts(object, "/metadata/labels"),
            annotations: texts(object, "/metadata/annotations"),
        };
        (name, Arc::new(namespace))
    });
    named.collect()
}

/// The request that an AdmissionReview has, or the one that stands for a plain object: it has no operation and no user.
fn request(object: Value) -> Result<Value, String> {
    if text_at(&object, "/kind") == "AdmissionReview" {
        let request = object.get("request").filter(|request| request.is_object());
        return request
            .cloned()
            .ok_or_else(|| "the AdmissionReview has no `request`".to_owned());
    }
    let version = text_at(&object, "/apiVersion").to_owned();
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    Ok(json!({
        "uid": "",
        "kind": { "group": group, "version": version, "kind": text_at(&object, "/kind") },
        "resource": { "group": "", "version": "", "resource": "" },
        "name": text_at(&object, "/metadata/name"),
        "namespace": text_at(&object, "/metadata/namespace"),
        "operation": "",
        "userInfo": {},
        "object": object,
        "oldObject": null,
        "options": null,
    }))
}

/// The violations of a request.
fn ask(
    set: &PolicySet,
    request: &Value,
    namespaces: &BTreeMap<String, Arc<Namespace>>,
    deadline: Instant,
) -> Result<Vec<String>, String> {
    let facts = facts(request);
    let limits = Limits {
        deadline,
        context: context_of_now(Gate::Validate),
    };
    let namespace = || match (&facts.own_namespace, facts.namespace.as_str()) {
        (Some(own), _) => Ok(Some(Arc::new(own.clone()))),
        (None, "") => Ok(None),
        (None, name) => namespaces.get(name).cloned().map(Some).ok_or(Unknown::NotThere),
    };
    let review = Document::from_json(&json!({ "request": request }));
    let mut messages = Vec::new();
    for selected in set.select(Gate::Validate, &facts, limits.context.now_ns, &namespace) {
        if let Some(unknown) = selected.unknown {
            return Err(format!("{unknown}: give it in the case's `inventory`"));
        }
        let policy = selected.policy;
        let input = policy.dialect.input(Question {
            review: &review,
            regate: Document::empty(),
            parameters: &policy.parameters,
            namespace: namespace().ok().flatten().as_deref(),
        });
        let Some(input) = input else { continue };
        let outcome = set
            .evaluate(policy, &input, &limits)
            .map_err(|fault| fault.to_string())?;
        messages.extend(outcome.deny.into_iter().map(|message| message.msg));
    }
    Ok(messages)
}

/// What a request says that `match` asks.
fn facts(request: &Value) -> Facts {
    let text = |pointer: &str| text_at(request, pointer).to_owned();
    let objects = ["object", "oldObject"]
        .into_iter()
        .filter_map(|key| request.get(key));
    let objects: Vec<&Value> = objects.filter(|object| object.is_object()).collect();
    let is_namespace = text("/kind/group").is_empty() && text("/kind/kind") == "Namespace";
    let own = objects
        .first()
        .filter(|_| is_namespace)
        .copied()
        .cloned()
        .map(|mut object| {
            // As any Namespace of the inventory.
            object.as_object_mut().into_iter().for_each(|members| {
                members.insert("apiVersion".to_owned(), json!("v1"));
                members.insert("kind".to_owned(), json!("Namespace"));
            });
            let mut found = namespaces(&[object]);
            found
                .pop_first()
                .map(|(_, namespace)| (*namespace).clone())
                .unwrap_or_default()
        });
    Facts {
        kind: Some((text("/kind/group"), text("/kind/kind"))),
        operation: text("/operation"),
        name: text("/name"),
        namespace: text("/namespace"),
        own_namespace: own,
        objects: objects.into_iter().map(Document::from_json).collect(),
        ..Facts::default()
    }
}
