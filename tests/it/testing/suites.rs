//! Suites: cases for every gate, what is told of one that fails, and what is refused in them.

use std::process::{Command, Stdio};

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
             object: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, labels: {{owner: x}}}}}}\n  \
             expect: {{{expectation}}}\n"
        );
        let (code, out, error) = desk(&suite).test(&[]);
        assert_eq!((code, error.as_str()), (1, ""), "{expectation}: {out}");
        assert!(out.starts_with("policies/all_suite.yaml:4: failed it ("), "{out}");
        assert!(out.contains("\n  --- expected\n  +++ actual\n"), "{out}");
        assert!(out.contains(shown), "{expectation}: {out}");
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

#[test]
fn what_a_suite_says_that_means_nothing_is_told_with_its_place_and_nothing_runs() {
    let ok = "expect: {decision: allow}";
    for (suite, expected) in [
        (
            "cases: []\n".to_owned(),
            "1:1: a suite has a list of `cases`, at least one",
        ),
        (
            format!("casez: []\ncases:\n- {{name: a, token: t, {ok}}}\n"),
            "3:1: a suite has no key `casez`: did you mean `cases`?",
        ),
        (
            format!("defaults: {{users: x}}\ncases:\n- {{name: a, token: t, {ok}}}\n"),
            "3:12: `defaults` has no key `users`: did you mean `user`?",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: allow, messagesContain: []}}\n".to_owned(),
            "4:66: `messagesContain` holds of everything: name a text",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: allow, messagesContain: [x, \"\"]}}\n"
                .to_owned(),
            "4:66: `messagesContain` holds of everything: name a text",
        ),
        (
            format!("cases:\n- {{token: t, {ok}}}\n"),
            "4:3: a case has a `name`, a string that is not empty",
        ),
        (
            format!("cases:\n- {{name: a, token: t, {ok}}}\n- {{name: a, token: t, {ok}}}\n"),
            "5:3: another case of this suite is called `a`",
        ),
        (
            format!("cases:\n- {{name: a, {ok}}}\n"),
            "4:3: a case has one of `review`, `object`, `manifest`, `token`, `verb`, `images`",
        ),
        (
            format!("cases:\n- {{name: a, token: t, verb: get, {ok}}}\n"),
            "4:3: a case has one of `review`, `object`, `manifest`, `token`, `verb`, `images`",
        ),
        (
            format!("cases:\n- {{name: a, token: t, operation: CREATE, {ok}}}\n"),
            "4:23: a case with `token` has no key `operation`",
        ),
        (
            format!("cases:\n- {{name: a, manifest: files/none.yaml, {ok}}}\n"),
            "4:23: policies/files/none.yaml: cannot be read: No such file or directory (os error 2)",
        ),
        (
            format!("cases:\n- {{name: a, object: {{kind: Pod}}, {ok}}}\n"),
            "4:21: object: a manifest has apiVersion and kind",
        ),
        (
            format!("cases:\n- {{name: a, object: {{kind: TokenReview, spec: {{}}}}, {ok}}}\n"),
            "4:21: `object` is an object; a review is given as `review`",
        ),
        (
            format!("cases:\n- {{name: a, review: {{apiVersion: v1, kind: Pod}}, {ok}}}\n"),
            "4:21: `review` is a review; an object is given as `object` or `manifest`",
        ),
        (
            format!("cases:\n- {{name: a, object: {{apiVersion: v1, kind: Pod}}, gate: authz, {ok}}}\n"),
            "4:56: `gate` is mutate or validate; other reviews say theirs themselves",
        ),
        (
            format!("cases:\n- {{name: a, object: {{apiVersion: v1, kind: Pod}}, operation: PATCH, {ok}}}\n"),
            "4:61: `operation` is one of CREATE, UPDATE, DELETE",
        ),
        (
            format!("cases:\n- {{name: a, verb: get, {ok}}}\n"),
            "4:19: a case with `verb` has either `resource` or `path`",
        ),
        (
            format!("cases:\n- {{name: a, token: t, now: tomorrow, {ok}}}\n"),
            "4:28: `now` is a time as in `2026-01-31T12:00:00Z`",
        ),
        (
            format!("cases:\n- {{name: a, token: t, parameters: {{token: {{}}}}, {ok}}}\n"),
            "4:36: there is no policy `token` at authn: did you mean `tokens`?",
        ),
        (
            format!(
                "cases:\n- {{name: a, token: t, data: {{kubernetes: {{admission: {{owner: 1}}}}}}, {ok}}}\n"
            ),
            "4:29: data at `data.kubernetes.admission.owner.deny` would hide a rule there",
        ),
        (
            "cases:\n- {name: a, token: t}\n".to_owned(),
            "4:3: a case says what to `expect`",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {user: {}}}\n".to_owned(),
            "4:31: `expect` has a `decision`: allow, deny, no opinion, error",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: yes}}\n".to_owned(),
            "4:42: `decision` is one of allow, deny, no opinion, error",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: deny, code: 403}}\n".to_owned(),
            "4:54: an answer of authn has no `code`",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: deny, by: [owner]}}\n".to_owned(),
            "4:52: there is no policy `owner` at authn",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: deny, mesages: []}}\n".to_owned(),
            "4:48: `expect` has no key `mesages`: did you mean `messages`?",
        ),
        ("cases: [\n".to_owned(), ""),
    ] {
        let (code, out, error) = desk(&suite).test(&[]);
        assert_eq!((code, out.as_str()), (2, ""), "{suite}{error}");
        let expected = format!("policies/all_suite.yaml:{expected}");
        assert!(
            error.lines().any(|line| line == expected
                || (suite == "cases: [\n" && line.starts_with("policies/all_suite.yaml:"))),
            "{expected}\n{error}"
        );
    }
    let desk = desk("");
    desk.write(
        "policies/all_suite.yaml",
        "apiVersion: v1\nkind: Suites\ncases:\n- {name: a, token: t, expect: {decision: deny}}\n",
    );
    let (code, _, error) = desk.test(&[]);
    assert_eq!(
        (code, error.as_str()),
        (
            2,
            "policies/all_suite.yaml:1:13: `apiVersion` must be regate.dev/v1alpha1\n\
             policies/all_suite.yaml:2:7: `kind` must be Suite\n"
        )
    );
}

#[test]
fn hostile_suites_are_findings_and_no_reason_to_hang() {
    let desk = desk("cases:\n- {name: a, token: t, expect: {decision: allow}}\n");
    let told = |expected: &str| {
        let (code, out, error) = desk.test(&[]);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(
            error.starts_with("policies/b_suite.yaml") && error.contains(expected),
            "{expected}: {error}"
        );
    };
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, inner) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        let items = vec![format!("*{inner}"); 10].join(", ");
        bomb += &format!("{name}: &{name} [{items}]\n");
    }
    desk.write("policies/b_suite.yaml", &bomb);
    told("its aliases stand for too much");
    desk.write("policies/b_suite.yaml", &"[".repeat(100_000));
    told("");
    desk.write("policies/b_suite.yaml", "");
    told("a suite is a map");
    desk.write("policies/b_suite.yaml", &"# much\n".repeat(700_000));
    told("is longer than 4194304 bytes");
    std::fs::write(desk.path().join("policies/b_suite.yaml"), b"a: \xff\n").unwrap();
    told("is not UTF-8");
    std::fs::remove_file(desk.path().join("policies/b_suite.yaml")).unwrap();
    let made = Command::new("mkfifo")
        .arg(desk.path().join("policies/b_suite.yaml"))
        .status()
        .unwrap();
    assert!(made.success());
    told("is no file");
    // What is served has nothing to do with it.
    let checked = Command::new(env!("CARGO_BIN_EXE_regate"))
        .args(["check", "policies"])
        .current_dir(desk.path())
        .env_clear()
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(checked.success());
    std::fs::remove_file(desk.path().join("policies/b_suite.yaml")).unwrap();
    std::os::unix::fs::symlink("gone", desk.path().join("policies/b_suite.yaml")).unwrap();
    told("cannot be read");
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
