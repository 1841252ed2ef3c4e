//! Suites in folders, run: what passes, what fails and why, and what cannot be read.

use std::fs;

use super::*;

mod asked;

/// More than any case takes.
const TIME: Duration = Duration::from_secs(60);

const POLICIES: &str = r#"apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: uniquehost
spec:
  crd:
    spec:
      names:
        kind: UniqueHost
      validation:
        openAPIV3Schema:
          type: object
          properties:
            limit: {type: integer}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package uniquehost

      violation[{"msg": msg}] {
        host := input.review.object.spec.host
        other := data.inventory.namespace[_]["example.org/v1"].Site[name]
        other.spec.host == host
        msg := sprintf("%v is the host of %v", [host, name])
      }

      violation[{"msg": "made by hand"}] {
        input.review.operation == "CREATE"
      }
"#;

const CONSTRAINT: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1
kind: UniqueHost
metadata: {name: hosts}
spec:
  enforcementAction: dryrun
  match:
    kinds: [{apiGroups: [example.org], kinds: [Site]}]
    namespaceSelector: {matchLabels: {checked: 'yes'}}
";

const SUITE: &str = "apiVersion: test.gatekeeper.sh/v1alpha1
kind: Suite
tests:
- name: hosts
  template: template.yaml
  constraint: constraint.yaml
  cases:
  - name: taken
    object: site.yaml
    inventory: [namespace.yaml, other.yaml]
    assertions:
    - violations: yes
    - violations: 1
      message: '^shop[.]example .* other$'
    - violations: no
      message: by hand
  - name: free
    object: site.yaml
    inventory: [namespace.yaml]
    assertions:
    - violations: no
  - name: wrong
    object: site.yaml
    inventory: [namespace.yaml, other.yaml]
    assertions:
    - violations: 2
    - message: nothing like it
  - name: unknown namespace
    object: site.yaml
    assertions:
    - violations: no
  - name: review
    object: review.yaml
    inventory: [namespace.yaml]
    assertions:
    - message: made by hand
  - name: put off
    skip: true
    object: nowhere.yaml
    assertions:
    - violations: yes
- name: wrong parameters
  invalid: true
  template: template.yaml
  constraint: invalid.yaml
- name: right parameters
  invalid: true
  template: template.yaml
  constraint: constraint.yaml
- name: no parameters at all
  invalid: true
  template: broken.yaml
  constraint: constraint.yaml
- name: later
  skip: true
  template: nowhere.yaml
  constraint: nowhere.yaml
";

fn site(name: &str) -> String {
    format!(
        "apiVersion: example.org/v1\nkind: Site\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: shop.example}}\n"
    )
}

/// A folder with the suite and all that it names.
fn folder(suite: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let review = "apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest:\n  operation: CREATE\n  kind: {group: example.org, version: v1, kind: Site}\n  namespace: shop\n  object: {spec: {host: x}}\n";
    for (name, text) in [
        ("suite.yaml", suite),
        ("template.yaml", POLICIES),
        (
            "broken.yaml",
            &POLICIES.replace("admission.k8s.gatekeeper.sh", "none"),
        ),
        ("constraint.yaml", CONSTRAINT),
        (
            "invalid.yaml",
            &CONSTRAINT.replace("  match:", "  parameters: {limit: much}\n  match:"),
        ),
        ("site.yaml", &site("mine")),
        ("other.yaml", &site("other")),
        (
            "namespace.yaml",
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {checked: 'yes'}}\n",
        ),
        ("review.yaml", review),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn read(folder: &tempfile::TempDir) -> Result<Vec<Suite>, Vec<Finding>> {
    Suite::read(&folder.path().join("suite.yaml"), &mut BTreeSet::new())
}

/// What is run of the suites of a folder, with what becomes of it.
fn tried(folder: &tempfile::TempDir) -> Vec<(Entry, Verdict)> {
    let suites = read(folder).unwrap();
    let of = |suite: &Suite| -> Vec<(Entry, Verdict)> {
        let entries = suite.entries().into_iter();
        entries
            .map(|entry| (entry.clone(), suite.run(&entry, TIME)))
            .collect()
    };
    suites.iter().flat_map(of).collect()
}

#[test]
fn each_case_is_decided_by_its_assertions() {
    let folder = folder(SUITE);
    let told: Vec<(String, String)> = tried(&folder)
        .into_iter()
        .map(|(entry, verdict)| {
            let name = entry.name.replace("hosts/", "");
            let verdict = match &verdict {
                Verdict::Passed => "passed".to_owned(),
                Verdict::Skipped => "skipped".to_owned(),
                Verdict::Failed(why) => why.join("\n").replace(&folder.path().display().to_string(), ""),
            };
            (name, verdict)
        })
        .collect();
    let told: Vec<(&str, &str)> = told
        .iter()
        .map(|(name, verdict)| (name.as_str(), verdict.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("taken", "passed"),
            ("free", "passed"),
            (
                "wrong",
                "2 violations expected, 1 found; there are: shop.example is the host of other\n\
                 at least 1 violations like `nothing like it` expected, 0 found; there are: shop.example is the host of other"
            ),
            (
                "unknown namespace",
                "its Namespace is not there: neither in the cluster nor, for a command, in --namespace-file: give it in the case's `inventory`"
            ),
            ("review", "passed"),
            ("put off", "skipped"),
            ("wrong parameters", "passed"),
            (
                "right parameters",
                "the constraint fits its template, and should not"
            ),
            (
                "no parameters at all",
                "/broken.yaml:16:5: the target `none` is not served: only `admission.k8s.gatekeeper.sh` is"
            ),
            ("later", "skipped"),
        ]
    );
}

#[test]
fn what_can_be_run_is_named_with_its_line_and_what_is_skipped_is_not_run() {
    let folder = folder(SUITE);
    let entries = read(&folder).unwrap()[0].entries();
    let named = |at: usize| {
        (
            entries[at].name.as_str(),
            entries[at].line,
            entries[at].is_skipped,
        )
    };
    assert_eq!(entries.len(), 10);
    assert_eq!(named(0), ("hosts/taken", Some(8), false));
    assert_eq!(named(5), ("hosts/put off", Some(37), true));
    assert_eq!(named(6), ("wrong parameters", Some(42), false));
    let skipped = SUITE.replace("kind: Suite", "kind: Suite\nskip: true");
    fs::write(folder.path().join("suite.yaml"), skipped).unwrap();
    let tried = tried(&folder);
    assert_eq!(tried.len(), 10);
    assert!(
        tried
            .iter()
            .all(|(entry, verdict)| entry.is_skipped && *verdict == Verdict::Skipped)
    );
}

#[test]
fn what_has_no_name_is_run_and_so_is_each_of_those_that_share_one() {
    let suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\nskip:\nmetadata:\ntests:\n\
        - name: \n  skip:\n  template: template.yaml\n  constraint: constraint.yaml\n  cases:\n  \
        - name: a\n    object: review.yaml\n    inventory: [namespace.yaml]\n    assertions: [{violations: no}]\n  \
        - object: review.yaml\n    skip:\n    inventory: [namespace.yaml]\n    assertions: [{violations:, message:}]\n\
        - template: template.yaml\n  constraint: constraint.yaml\n  cases:\n  \
        - {name: a, object: review.yaml, inventory: [namespace.yaml], assertions: [{}]}\n\
        - {template: template.yaml, constraint: constraint.yaml, cases: }\n";
    let folder = folder(suite);
    let tried = tried(&folder);
    let told: Vec<(&str, Option<u32>, bool)> = tried
        .iter()
        .map(|(entry, verdict)| (entry.name.as_str(), entry.line, *verdict == Verdict::Passed))
        .collect();
    assert_eq!(
        told,
        [
            ("(unnamed)/a", Some(11), false),
            ("(unnamed)/(unnamed)", Some(15), true),
            ("(unnamed)/a", Some(22), true),
            ("(unnamed)", Some(23), true),
        ],
        "{tried:?}"
    );
}

#[test]
fn a_test_without_cases_fails_where_its_constraint_is_refused() {
    let suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests:\n\
        - {name: a, template: template.yaml, constraint: invalid.yaml}\n\
        - {name: b, template: template.yaml, constraint: constraint.yaml}\n";
    let folder = folder(suite);
    let tried = tried(&folder);
    let [(_, Verdict::Failed(why)), (_, Verdict::Passed)] = tried.as_slice() else {
        panic!("{tried:?}")
    };
    assert!(why[0].contains("invalid.yaml:6:"), "{why:?}");
}

#[test]
fn a_message_that_is_no_expression_fails_where_nothing_is_said_too() {
    let suite = SUITE.replace(
        "inventory: [namespace.yaml]\n    assertions:\n    - violations: no\n",
        "inventory: [namespace.yaml]\n    assertions:\n    - violations: no\n      message: '('\n",
    );
    let folder = folder(&suite);
    let tried = tried(&folder);
    let Verdict::Failed(why) = &tried[1].1 else {
        panic!("{:?}", tried[1])
    };
    assert!(why[0].starts_with("`(` is no regular expression: "), "{why:?}");
}

#[test]
fn the_files_that_a_suite_names_are_noted_whether_they_are_there_or_not() {
    let folder = folder(SUITE);
    let mut named = BTreeSet::new();
    let path = folder.path().join("suite.yaml");
    Suite::read(&path, &mut named).unwrap();
    let names: Vec<&str> = named
        .iter()
        .map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "broken.yaml",
            "constraint.yaml",
            "invalid.yaml",
            "namespace.yaml",
            "nowhere.yaml",
            "other.yaml",
            "review.yaml",
            "site.yaml",
            "template.yaml",
        ]
    );
}

#[test]
fn a_constraint_that_is_expected_to_be_refused_is_not_excused_by_a_broken_template() {
    let suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests:\n\
                 - {name: refused, template: template.yaml, constraint: invalid.yaml, invalid: true}\n";
    let folder = folder(suite);
    let verdict = || tried(&folder).remove(0).1;
    assert_eq!(verdict(), Verdict::Passed);
    fs::write(
        folder.path().join("template.yaml"),
        POLICIES.replace("host := input", "host := (input"),
    )
    .unwrap();
    let Verdict::Failed(why) = verdict() else {
        panic!("{:?}", verdict())
    };
    assert!(why[0].contains("template.yaml:20:"), "{why:?}");
}

#[test]
fn what_a_suite_says_and_nobody_understands_is_told_in_its_place() {
    for (from, to, expected) in [
        ("kind: Suite", "kind: Sweet", "2:7: the kind is Suite"),
        (
            "v1alpha1",
            "v2",
            "1:13: suites have the version test.gatekeeper.sh/v1alpha1",
        ),
        ("- name: hosts", "- nam: hosts", "4:3: `nam` is no key of a test"),
        (
            "  template: template.yaml",
            "  expansion: x",
            "a test needs a `template`",
        ),
        (
            "violations: yes",
            "violations: maybe",
            "12:19: `violations` is yes, no or how many",
        ),
        (
            "violations: 1",
            "violations: -1",
            "13:19: `violations` is yes, no or how many",
        ),
        ("    object: site.yaml\n", "", "8:5: a case needs an `object`"),
        (
            "  invalid: true",
            "  expansion: more.yaml",
            "43:14: expansion is not done here: give the cases the expanded object",
        ),
        (
            "    skip: true",
            "    skip: maybe",
            "this must be a boolean, it is a string",
        ),
        (
            "    assertions:\n    - violations: yes\n- name: wrong p",
            "    inventory: []\n- name: wrong p",
            "a case needs `assertions`",
        ),
        (
            "object: site.yaml",
            "object: nowhere.yaml",
            "9:13: there is no file `nowhere.yaml`",
        ),
        (
            "template: template.yaml",
            "template: nowhere.yaml",
            "5:13: there is no file `nowhere.yaml`",
        ),
        (
            "[namespace.yaml, other.yaml]",
            "[namespace.yaml, nowhere.yaml]",
            "10:33: there is no file `nowhere.yaml`",
        ),
    ] {
        let folder = folder(&SUITE.replacen(from, to, 1));
        let findings = read(&folder).unwrap_err();
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|finding| finding.contains(expected)),
            "{expected}: {told:#?}"
        );
    }
    assert!(is_suite(SUITE.as_bytes()));
    assert!(!is_suite(CONSTRAINT.as_bytes()));
}
