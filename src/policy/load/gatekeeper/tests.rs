//! Templates and constraints from files in memory: what they come to, and everything that is refused, in its place.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gate::Gate;
use crate::policy::dialect::Question;
use crate::policy::engine::{Context, Document};
use crate::policy::files::{DataFile, Files, Format, ManifestFile};
use crate::policy::load::load;
use crate::policy::{Enforcement, Evaluate, Fault, Finding, Limits, Outcome, PolicySet};

/// A template that wants labels; what stands in for `RULES` is its Rego.
const TEMPLATE: &str = r#"apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: wantslabels
spec:
  crd:
    spec:
      names:
        kind: WantsLabels
      validation:
        openAPIV3Schema:
          type: object
          required: [labels]
          properties:
            labels:
              type: array
              items: {type: string}
            limit:
              type: integer
              minimum: 0
              exclusiveMinimum: true
              default: 3
            either:
              x-kubernetes-int-or-string: true
            maybe:
              type: string
              nullable: true
            open:
              type: object
              x-kubernetes-preserve-unknown-fields: true
  targets:
  - target: admission.k8s.gatekeeper.sh
    libs:
    - |
      package lib.labels

      missing(object, wanted) = names {
        names := {name | name := wanted[_]; not object.metadata.labels[name]}
      }
    rego: |
      package wantslabels

      import data.lib.labels

      violation[{"msg": msg, "details": {"missing": missing}}] {
        missing := labels.missing(input.review.object, input.parameters.labels)
        count(missing) > 0
        msg := sprintf("labels are missing: %v", [missing])
      }
"#;

const CONSTRAINT: &str = r"apiVersion: constraints.gatekeeper.sh/v1beta1
kind: WantsLabels
metadata:
  name: pods-have-owners
spec:
  enforcementAction: warn
  match:
    kinds:
    - apiGroups: ['']
      kinds: [Pod]
  parameters:
    labels: [owner]
";

fn files(manifests: &[&str], data: Option<Value>) -> Files {
    let manifest = |(number, text): (usize, &&str)| ManifestFile {
        path: format!("{number}.yaml"),
        text: (*text).to_owned(),
    };
    let data = data.map(|data| DataFile {
        path: "data.json".into(),
        at: Vec::new(),
        format: Format::Json,
        bytes: data.to_string().into_bytes(),
    });
    Files {
        manifests: manifests.iter().enumerate().map(manifest).collect(),
        data: data.into_iter().collect(),
        ..Files::default()
    }
}

fn set(manifests: &[&str]) -> PolicySet {
    load(&files(manifests, None)).unwrap()
}

fn findings(manifests: &[&str]) -> Vec<String> {
    let findings = load(&files(manifests, None)).unwrap_err();
    findings.iter().map(Finding::to_string).collect()
}

/// What a constraint says of a request.
fn ask(set: &PolicySet, name: &str, request: &Value) -> Result<Outcome, Fault> {
    let policy = set.policies().iter().find(|policy| policy.name == name).unwrap();
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(20),
        context: Context::default(),
    };
    let input = policy.dialect.input(Question {
        review: &Document::from_json(&json!({ "request": request })),
        regate: Document::empty(),
        parameters: &policy.parameters,
        namespace: None,
    });
    set.evaluate(policy, &input.unwrap(), &limits)
}

fn messages(set: &PolicySet, name: &str, request: &Value) -> Vec<String> {
    let outcome = ask(set, name, request).unwrap();
    outcome.deny.into_iter().map(|message| message.msg).collect()
}

#[test]
fn a_constraint_is_a_policy_of_the_validating_gate() {
    let set = set(&[CONSTRAINT, TEMPLATE]);
    let [policy] = set.policies() else {
        panic!("{set:?}")
    };
    assert_eq!(
        (policy.gate, policy.name.as_str()),
        (Gate::Validate, "pods-have-owners")
    );
    assert_eq!(policy.enforcement, Enforcement::Warn);
    assert!(policy.has("deny"));
    let bare = json!({"operation": "CREATE", "object": {"metadata": {"labels": {"a": "b"}}}});
    let outcome = ask(&set, "pods-have-owners", &bare).unwrap();
    let [message] = outcome.deny.as_slice() else {
        panic!("{outcome:?}")
    };
    assert_eq!(message.msg, r#"labels are missing: {"owner"}"#);
    assert_eq!(message.details, Some(json!({"missing": ["owner"]})));
    let owned = json!({"operation": "CREATE", "object": {"metadata": {"labels": {"owner": "b"}}}});
    assert_eq!(messages(&set, "pods-have-owners", &owned), [""; 0]);
    // What goes is looked at as what comes.
    let deleted = json!({"operation": "DELETE", "object": null, "oldObject": owned["object"]});
    assert_eq!(messages(&set, "pods-have-owners", &deleted), [""; 0]);
}

#[test]
fn what_is_wrong_in_rego_is_told_at_its_place_in_the_yaml() {
    let broken = TEMPLATE
        .replace("not object.metadata", "not objekt.metadata")
        .replace("count(missing) > 0", "cuont(missing) > 0");
    assert_eq!(
        findings(&[&broken, CONSTRAINT]),
        [
            "0.yaml:38:49: nothing binds `objekt`: there is no such variable here, and no rule or import of that name",
            "0.yaml:47:9: there is no function `cuont`: did you mean `count`?",
        ]
    );
    let unreadable = TEMPLATE.replace("count(missing) > 0", "count(missing > 0");
    assert_eq!(
        findings(&[&unreadable, CONSTRAINT]),
        ["0.yaml:48:13: expecting `)`"]
    );
}
