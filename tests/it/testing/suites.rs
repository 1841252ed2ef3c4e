//! Suites: cases for every gate, and what is told of one that fails.

mod refused;

use super::{Desk, outcomes};

const FILES: &[(&str, &str)] = &[
    (
        "policies/owner.rego",
        "# METADATA\n# custom:\n#   match: {kinds: [ConfigMap]}\n#   parameters: {label: owner}\n#   exceptions:\n\
         #   - {match: {namespaces: [sandbox]}, reason: it is tried out, until: '2030-01-31'}\n\
         package kubernetes.admission.owner\n\
         deny contains {\"msg\": sprintf(\"no label %s\", [input.parameters.label]), \"code\": 422} if {\n\
         \tnot input.request.object.metadata.labels[input.parameters.label]\n}\n\
         warn contains \"jane did it\" if input.request.userInfo.username == \"jane\"\n\
         audit_annotations := {\"team\": input.regate.namespace.labels.team}\n",
    ),
    (
        "policies/rehearsed.rego",
        "# METADATA\n# custom:\n#   enforcement: dryrun\npackage kubernetes.admission.rehearsed\n\
         deny contains \"on Sundays\" if time.weekday(time.now_ns()) == \"Sunday\"\n",
    ),
    (
        "policies/label.rego",
        "package kubernetes.mutation.label\n\
         patch contains {\"op\": \"add\", \"path\": [\"metadata\", \"labels\", \"team\"], \"value\": data.teams[input.request.namespace]} if {\n\
         \tnot input.request.object.metadata.labels.team\n}\n",
    ),
    (
        "policies/tokens.rego",
        "package kubernetes.authentication.tokens\nuser := {\"username\": \"jane\"} if input.spec.token == \"t\"\n\
         audiences := [\"a\", \"b\"] if input.spec.token == \"t\"\n",
    ),
    (
        "policies/access.rego",
        "package kubernetes.authorization.access\nallow if \"dev\" in input.spec.groups\n\
         deny contains \"not in kube-system\" if input.spec.resourceAttributes.namespace == \"kube-system\"\n\
         deny contains \"no metrics\" if input.spec.nonResourceAttributes.path == \"/metrics\"\n",
    ),
    (
        "policies/images.rego",
        "package kubernetes.image.images\nallow if every c in input.spec.containers { startswith(c.image, \"reg/\") }\n\
         audit_annotations := {\"seen\": count(input.spec.containers)}\n",
    ),
    ("policies/data.json", "{\"teams\": {\"shop\": \"cart\"}}"),
    (
        "policies/files/old.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {owner: x}}\n",
    ),
    (
        "policies/files/two.yaml",
        "{apiVersion: v1, kind: ConfigMap}\n---\n{apiVersion: v1, kind: ConfigMap}\n",
    ),
    (
        "policies/files/review.json",
        "{\"apiVersion\": \"authorization.k8s.io/v1\", \"kind\": \"SubjectAccessReview\", \"spec\": {\"user\": \"x\", \"groups\": [\"dev\"],\
         \"resourceAttributes\": {\"verb\": \"get\", \"resource\": \"pods\"}}}",
    ),
];

fn desk(suite: &str) -> Desk {
    let desk = Desk::new(&[]);
    FILES.iter().for_each(|(name, text)| desk.write(name, text));
    desk.write(
        "policies/all_suite.yaml",
        &format!("apiVersion: regate.dev/v1alpha1\nkind: Suite\n{suite}"),
    );
    desk
}

const CASES: &str = r#"
defaults:
  user: jane
  now: "2026-01-03T12:00:00Z"
  namespace: {name: shop, labels: {team: cart}}
cases:
- name: both gates are asked about an object, one after the other
  object: &map {apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {owner: x}}}
  expect:
    decision: allow
    warnings: ["[owner] jane did it"]
    auditAnnotations: {owner.team: cart}
    patch: [{op: add, path: /metadata/labels/team, value: cart}]
    objectContains: {metadata: {labels: {team: cart}}}
- name: the whole object that comes of it
  gate: mutate
  object: *map
  expect:
    decision: allow
    by: [label]
    object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop, labels: {owner: x, team: cart}}}
- name: a denial with all that belongs to it
  gate: validate
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
  user: jack
  expect:
    decision: deny
    by: owner
    code: 422
    messages: ["[owner] no label owner"]
    messagesContain: [no label, owner]
    warnings: []
- name: other parameters
  gate: validate
  object: *map
  parameters: {owner: {label: team}}
  expect: {decision: deny, messagesContain: "no label team", warningsContain: jane}
- name: other data
  gate: mutate
  object: *map
  data: {teams: {shop: till}}
  expect: {decision: allow, objectContains: {metadata: {labels: {team: till}}}}
- name: an update with the old object from a file
  gate: validate
  operation: UPDATE
  object: *map
  oldObject: files/old.yaml
  expect: {decision: allow}
- name: a manifest from a file that goes away
  gate: validate
  operation: delete
  manifest: files/old.yaml
  expect: {decision: deny, code: 422}
- name: an exception that holds
  gate: validate
  namespace: {name: sandbox}
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
  expect: {decision: allow, excepted: [owner]}
- name: an exception that has ended
  gate: validate
  now: "2031-01-01T00:00:00Z"
  namespace: {name: sandbox, labels: {team: x}}
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
  expect: {decision: deny, excepted: []}
- name: a rehearsal
  gate: validate
  now: "2026-01-04T12:00:00Z"
  object: *map
  expect: {decision: allow, wouldDeny: [rehearsed]}
- name: a known token
  token: t
  audiences: [b, c]
  expect: {decision: allow, user: {username: jane}, audiences: [b]}
- name: an unknown token
  token: u
  expect: {decision: no opinion}
- name: an access that is allowed
  verb: get
  resource: deployments.apps/scale
  groups: [dev]
  expect: {decision: allow, by: [access]}
- name: an access that is denied
  verb: get
  resource: secrets
  namespace: kube-system
  expect: {decision: deny, messages: ["[access] not in kube-system"]}
- name: a path
  verb: get
  path: /metrics
  expect: {decision: deny, messagesContain: [metrics]}
- name: nothing to say
  verb: get
  resource: pods
  expect: {decision: no_opinion}
- name: a review from a file
  review: files/review.json
  expect: {decision: allow}
- name: a review that is written out
  review:
    apiVersion: authentication.k8s.io/v1
    kind: TokenReview
    spec: {token: t}
  expect: {decision: allow, user: {username: jane}}
- name: images that may run
  images: [reg/a, reg/b]
  expect: {decision: allow, auditAnnotations: {images.seen: "2"}}
- name: an image that may not
  images: [reg/a, other/b]
  expect: {decision: deny}
"#;

#[test]
fn cases_for_every_gate_pass_where_they_say_what_a_server_answers() {
    let desk = desk(CASES);
    let report = desk.json(&[]);
    let failed: Vec<_> = report["tests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|test| test["outcome"] != "passed")
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(report["passed"], 20);
    // What suites come to counts, too.
    let (code, out, _) = desk.test(&["--coverage", "--threshold", "90"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn each_expectation_that_is_not_met_fails_its_case_and_shows_the_difference() {
    for (expectation, shown) in [
        ("decision: deny", "-decision: deny\n  +decision: allow"),
        ("decision: allow, by: [owner]", "-by:\n  -- owner\n  +by: []"),
        ("decision: allow, code: 422", "-code: 422\n  +code: 200"),
        (
            "decision: allow, warnings: []",
            "-warnings: []\n  +warnings:\n  +- \"[owner] jane did it\"",
        ),
        (
            "decision: allow, warningsContain: [jack]",
            "-- jack\n  +- \"[owner] jane did it\"",
        ),
        (
            "decision: allow, warningsContain: [jane, jack]",
            "-- jack\n  +- \"[owner] jane did it\"",
        ),
        (
            "decision: allow, objectContains: {metadata: {finalizers: [f]}}",
            "+    - g",
        ),
        (
            "decision: allow, messages: [\"[owner] no\"]",
            "-messages:\n  -- \"[owner] no\"\n  +messages: []",
        ),
        ("decision: allow, messagesContain: x", "-messagesContain:\n  -- x"),
        (
            "decision: allow, auditAnnotations: {}",
            "+auditAnnotations:\n  +  owner.team: cart",
        ),
        (
            "decision: allow, objectContains: {metadata: {labels: {team: till}}}",
            "-      team: till\n  +      team: cart",
        ),
        ("decision: allow, patch: []", "+- op: add"),
        ("decision: allow, faults: [owner]", "-faults:\n  -- owner"),
        ("decision: allow, excepted: [owner]", "-excepted:\n  -- owner"),
        (
            "decision: allow, wouldDeny: [rehearsed]",
            "-wouldDeny:\n  -- rehearsed",
        ),
    ] {
        let suite = format!(
            "cases:\n- name: it\n  user: jane\n  now: \"2026-01-03T12:00:00Z\"\n  \
             namespace: {{name: shop, labels: {{team: cart}}}}\n  \
             object: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, labels: {{owner: x}}, finalizers: [f, g]}}}}\n  \
             expect: {{{expectation}}}\n"
        );
        let (code, out, error) = desk(&suite).test(&[]);
        assert_eq!((code, error.as_str()), (1, ""), "{expectation}: {out}");
        assert!(out.starts_with("policies/all_suite.yaml:4: failed it ("), "{out}");
        assert!(out.contains("\n  --- expected\n  +++ actual\n"), "{out}");
        assert!(out.contains(shown), "{expectation}: {out}");
        // That there are none is what everybody expects.
        assert_eq!(out.contains("faults"), expectation.contains("faults"), "{out}");
    }
    for (case, shown) in [
        (
            "token: t, expect: {decision: allow, user: {username: jack}}",
            "-  username: jack\n  +  username: jane",
        ),
        (
            "token: t, expect: {decision: allow, audiences: [a]}",
            "   - a\n  +- b",
        ),
        (
            "review: {apiVersion: authentication.k8s.io/v1, kind: TokenReview, spec: {}}, expect: {decision: allow}",
            "\n  not decided by policies: ",
        ),
    ] {
        let (code, out, _) = desk(&format!("cases:\n- {{name: it, {case}}}\n")).test(&[]);
        assert_eq!(code, 1, "{case}");
        assert!(out.contains(shown), "{case}: {out}");
    }
}

#[test]
fn a_mutation_that_changes_its_own_result_fails_and_so_does_any_fault_that_nobody_expects() {
    let suite = "cases:\n- name: it\n  gate: mutate\n  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {n: x}}}\n  \
        data: {teams: {default: x}}\n  expect: {decision: allow}\n";
    let desk = desk(suite);
    assert_eq!(desk.test(&[]).0, 0);
    desk.write(
        "policies/longer.rego",
        "package kubernetes.mutation.longer\npatch := [{\"op\": \"replace\", \"path\": \"/metadata/annotations/n\", \
         \"value\": concat(\"\", [input.request.object.metadata.annotations.n, \"x\"])}]\n",
    );
    let (code, out, _) = desk.test(&[]);
    assert_eq!(code, 1);
    assert!(
        out.contains(
            "fault of longer (patch): not idempotent: applied to its own result it changes the object again"
        ),
        "{out}"
    );
    let text = std::fs::read_to_string(desk.path().join("policies/all_suite.yaml")).unwrap();
    let expected = text.replace("decision: allow", "decision: error, faults: [longer]");
    desk.write("policies/all_suite.yaml", &expected);
    assert_eq!(desk.test(&[]).0, 0);
}

#[test]
fn a_fault_that_changes_no_decision_fails_a_case_all_the_same() {
    let desk = desk("cases:\n- {name: it, verb: get, path: /x, expect: {decision: no opinion}}\n");
    assert_eq!(desk.test(&[]).0, 0);
    desk.write(
        "policies/faulty.rego",
        "package kubernetes.authorization.faulty\nallow if to_number(input.spec.user) > 0\n",
    );
    let (code, out, _) = desk.test(&[]);
    assert_eq!(code, 1);
    assert!(
        out.contains("  +- faulty\n  fault of faulty (builtin): policies/faulty.rego:2:"),
        "{out}"
    );
}

#[test]
fn a_case_that_needs_a_namespace_says_so() {
    let suite = "cases:\n- name: it\n  gate: validate\n  namespace: shop\n  \
        object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {owner: x}}}\n  expect: {decision: allow}\n";
    let (code, out, _) = desk(suite).test(&[]);
    assert_eq!(code, 1);
    assert!(
        out.contains("give the case a `namespace` with its `name` and `labels`"),
        "{out}"
    );
}

/// Each tells all that it is asked about.
const TELLERS: &[(&str, &str)] = &[
    (
        "policies/a.rego",
        "package kubernetes.admission.told\n\
         deny contains sprintf(\"%s %v; [%s\", [input.request.userInfo.username, input.request.userInfo.groups, \
         input.regate.namespace.labels[\"kubernetes.io/metadata.name\"]])\ndeny contains \"z\"\n",
    ),
    (
        "policies/b.rego",
        "package kubernetes.authorization.told\ndeny contains json.marshal(input.spec)\n",
    ),
    (
        "policies/c.rego",
        "package kubernetes.image.told\ndeny contains json.marshal(input.spec)\n",
    ),
];

const TOLD: &str = r#"apiVersion: regate.dev/v1alpha1
kind: Suite
cases:
- name: an object in a Namespace
  gate: validate
  object: &map {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
  groups: [dev]
  namespace: {name: shop, labels: {env: lab}}
  expect: {decision: deny, messages: ['[told] kubernetes-admin ["dev"]; [shop', "[told] z"]}
- name: an access
  verb: get
  resource: pods
  expect:
    decision: deny
    messages: ['[told] {"groups":[],"resourceAttributes":{"resource":"pods","verb":"get"},"user":"kubernetes-admin"}']
- name: images
  images: [a]
  annotations: {x: z}
  namespace: shop
  expect:
    decision: deny
    messages: ['[told] {"annotations":{"x":"z"},"containers":[{"image":"a"}],"namespace":"shop"}']
- name: images of no namespace
  images: [a]
  expect:
    decision: deny
    messages: ['[told] {"containers":[{"image":"a"}],"namespace":""}']
"#;

#[test]
fn a_review_is_made_of_what_a_case_says_and_of_defaults_for_the_rest() {
    let desk = Desk::new(TELLERS);
    desk.write("policies/all_suite.yaml", TOLD);
    let (code, out, error) = desk.test(&[]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    // A message is one, wherever in it another one could begin.
    desk.write(
        "policies/all_suite.yaml",
        &TOLD.replace("; [shop'", "; [shop', '[told] more'"),
    );
    let (code, out, _) = desk.test(&[]);
    assert!(code == 1 && out.contains("-- \"[told] more\""), "{out}");
}

#[test]
fn what_had_no_effect_is_that_of_both_gates() {
    let desk = Desk::new(&[]);
    let excepting = "exceptions: [{match: {names: [a]}, reason: old}]";
    for (package, custom, condition) in [
        ("mutation.freed", excepting, ""),
        ("mutation.spared", excepting, ""),
        ("admission.freed", excepting, ""),
        ("mutation.rehearsed", "enforcement: dryrun", ""),
        (
            "mutation.faulty",
            "enforcement: dryrun",
            " if to_number(input.request.name) > 0",
        ),
        ("admission.a", "order: 2", ""),
        ("admission.z", "order: 1", ""),
    ] {
        let policy = format!(
            "# METADATA\n# custom:\n#   {custom}\npackage kubernetes.{package}\ndeny contains \"a; b\"{condition}\n"
        );
        desk.write(&format!("policies/{package}.rego"), &policy);
    }
    desk.write(
        "policies/all_suite.yaml",
        "apiVersion: regate.dev/v1alpha1\nkind: Suite\ncases:\n- name: it\n  \
         object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n  \
         expect: {decision: deny, by: [z, a], excepted: [freed, spared], wouldDeny: [rehearsed], faults: [faulty]}\n\
         - name: parts\n  gate: validate\n  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n  \
         expect: {decision: deny, messages: [none]}\n",
    );
    let (code, out, error) = desk.test(&[]);
    assert_eq!((code, error.as_str()), (1, ""));
    assert!(!out.contains("failed it"), "{out}");
    assert!(out.contains("\n  +- \"[z] a; b\"\n  +- \"[a] a; b\"\n"), "{out}");
}

#[test]
fn what_mutating_refuses_is_not_validated() {
    let desk = desk(
        "cases:\n- name: it\n  namespace: {name: shop, labels: {team: cart}}\n  \
         object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {owner: x}}}\n  \
         expect: {decision: deny, by: [closed], code: 403, messages: [\"[closed] not today\"], auditAnnotations: {}}\n",
    );
    desk.write(
        "policies/closed.rego",
        "package kubernetes.mutation.closed\ndeny contains \"not today\"\n",
    );
    let (code, out, error) = desk.test(&[]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
}

#[test]
fn a_suite_given_by_name_is_run_and_one_among_data_is_data() {
    let desk = desk("cases:\n- {name: a, token: t, expect: {decision: allow}}\n");
    std::fs::rename(
        desk.path().join("policies/all_suite.yaml"),
        desk.path().join("all_suite.yaml"),
    )
    .unwrap();
    assert_eq!(
        outcomes(&desk.json(&["policies", "all_suite.yaml"])),
        [("a", "passed")]
    );
    let (code, _, error) = desk.test(&["--data", "all_suite.yaml"]);
    assert_eq!(code, 2);
    assert!(error.contains("no test ran"), "{error}");
}
