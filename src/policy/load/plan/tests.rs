use serde_json::json;

use super::*;
use crate::policy::PolicySet;
use crate::policy::files::{DataFile, Files, Format, RegoFile};
use crate::policy::load::load;
use crate::policy::metadata::Enforcement;

fn files(modules: &[&str], settings: &[Value]) -> Files {
    let module = |(number, text): (usize, &&str)| RegoFile {
        path: format!("{number}.rego"),
        text: (*text).to_owned(),
        is_test: false,
        v0: false,
    };
    Files {
        modules: modules.iter().enumerate().map(module).collect(),
        settings: settings.to_vec(),
        ..Files::default()
    }
}

fn set(modules: &[&str], settings: &[Value]) -> PolicySet {
    load(&files(modules, settings)).unwrap()
}

fn refused(modules: &[&str], settings: &[Value]) -> Vec<String> {
    load(&files(modules, settings))
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

const A: &str = "# METADATA\n# custom:\n#   parameters: {x: 1, y: 2}\n#   match: {namespaces: [a, b]}\n\
                 package kubernetes.admission.a\ndeny contains \"a\"\n";
const B: &str = "# METADATA\n# custom:\n#   instances: [{name: one}, {name: two, enforcement: warn}]\n\
                 package kubernetes.admission.b\ndeny contains \"b\"\n";
const M: &str = "package kubernetes.mutation.a\nwarn contains \"m\"\n";

fn found<'a>(set: &'a PolicySet, name: &str) -> &'a Policy {
    set.of(Gate::Validate).find(|policy| policy.name == name).unwrap()
}

#[test]
fn settings_replace_narrow_and_add_in_their_order() {
    let set = set(
        &[A, B, M],
        &[
            json!({ "policy": "validate/*", "enforcement": "dryrun" }),
            json!({ "policy": "validate/a", "enforcement": "warn", "parameters": { "z": 3 }, "match": { "kinds": ["Pod"] },
                "exceptions": [{ "match": { "users": ["root"] }, "reason": "break glass" }] }),
            json!({ "policy": "validate/b.two", "enforcement": "deny" }),
        ],
    );
    let a = found(&set, "a");
    assert_eq!(a.enforcement, Enforcement::Warn);
    assert_eq!(a.parameters.to_json().unwrap(), json!({ "z": 3 }));
    assert_eq!(a.matching.len(), 2, "both have to match");
    assert_eq!(a.exceptions[0].reason, "break glass");
    assert_eq!(found(&set, "b.one").enforcement, Enforcement::Dryrun);
    assert_eq!(found(&set, "b.two").enforcement, Enforcement::Deny);
    let mutation = set.of(Gate::Mutate).next().unwrap();
    assert_eq!(mutation.enforcement, Enforcement::Deny, "of another gate");
}

#[test]
fn a_setting_for_a_package_is_one_for_all_its_instances() {
    let set = set(&[B], &[json!({ "policy": "*/b", "parameters": { "k": "v" } })]);
    for name in ["b.one", "b.two"] {
        assert_eq!(
            found(&set, name).parameters.to_json().unwrap(),
            json!({ "k": "v" }),
            "{name}"
        );
    }
}

#[test]
fn a_setting_that_names_nothing_or_says_nonsense_refuses_the_set() {
    assert_eq!(
        refused(
            &[A, B],
            &[
                json!({ "policy": "validate/aa" }),
                json!({ "enforcement": "warn" }),
                json!({ "policy": "validate/b", "enforce": "warn", "match": { "paths": ["/x"] } }),
                json!("validate/a"),
                json!({ "policy": "validate/*" }),
            ]
        ),
        [
            "policies.settings[0]: no policy is named by `validate/aa`: did you mean `validate/a`?",
            "policies.settings[1]: a setting needs `policy`: GATE/NAME, with * for any run",
            "policies.settings[2]: `enforce` is no key of a setting: it has policy, enforcement, match, parameters, exceptions",
            "policies.settings[2]: `paths` is no key of `match` at the validate gate: it has apiGroups, resources, kinds, \
             operations, names, namespaces, excludedNamespaces, users, groups, namespaceSelector",
            "policies.settings[3]: a setting needs `policy`: GATE/NAME, with * for any run",
            "policies.settings[4]: sets nothing for `validate/*`: write `enforcement`, `match`, `parameters` or `exceptions`",
        ]
    );
}

#[test]
fn settings_are_part_of_the_revision_in_their_order() {
    let revision = |settings: &[Value]| files(&[A], &[]).with_data_of(files(&[], settings)).revision;
    let (one, other) = (
        json!({ "policy": "*/a", "enforcement": "warn" }),
        json!({ "policy": "*/a", "enforcement": "dryrun" }),
    );
    let both = [one.clone(), other.clone()];
    let revisions = [
        revision(&[]),
        revision(&both),
        revision(&[other.clone(), one.clone()]),
        revision(&[one]),
    ];
    for (at, revision) in revisions.iter().enumerate() {
        assert!(!revisions[..at].contains(revision), "{at}: {revisions:?}");
    }
    assert_eq!(revisions[1], revision(&both));
}

#[test]
fn a_library_has_no_terms() {
    let library = "# METADATA\n# custom: {enforcement: warn}\npackage lib.x\ny := 1\n";
    assert_eq!(
        refused(&[A, library], &[]),
        ["1.rego:2:12: `enforcement` in METADATA: this package is no policy"]
    );
}

#[test]
fn what_a_dry_run_has_has_no_effect() {
    let policy = "package kubernetes.authorization.a\ndeny contains \"a\" if input.a\n";
    assert!(set(&[policy], &[]).any_has(Gate::Authz, "deny"));
    let dry = [json!({ "policy": "authz/a", "enforcement": "dryrun" })];
    assert!(!set(&[policy], &dry).any_has(Gate::Authz, "deny"));
}

#[test]
fn an_instance_may_not_be_called_like_another_policy() {
    let twin = "package kubernetes.admission.b.two\ndeny contains \"x\"\n";
    assert_eq!(
        refused(&[B, twin], &[]),
        ["1.rego:1:1: a second policy called `b.two`: the first is at 0.rego:4"]
    );
}

#[test]
fn an_exception_that_has_ended_is_a_warning_and_frees_nobody() {
    let policy = "# METADATA\n# custom:\n#   exceptions:\n#   - {match: {users: [a]}, reason: old, until: \"2020-01-31\"}\n\
                  #   - {match: {users: [b]}, reason: new, until: \"2999-01-31\"}\n\
                  package kubernetes.admission.a\ndeny contains \"a\"\n";
    let setting = json!({ "policy": "validate/a",
        "exceptions": [{ "match": { "users": ["c"] }, "reason": "outside", "until": "2021-01-01T00:00:00Z" }] });
    let warnings: Vec<String> = set(&[policy], &[setting])
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "0.rego:4:7: an exception of validate/a ended with 2020-01-31: old",
            "policies.settings: an exception of validate/a ended with 2021-01-01T00:00:00Z: outside",
        ]
    );
}

#[test]
fn data_that_is_needed_and_missing_is_told_with_its_place() {
    let policy = "# METADATA\n# custom:\n#   needs: [data.teams.owners, data.sites]\n\
                  package kubernetes.admission.a\ndeny contains \"a\"\n";
    let mut files = files(&[policy], &[]);
    let missing = |files: &Files| -> Vec<String> {
        load(files)
            .unwrap()
            .missing
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        missing(&files),
        [
            "0.rego:3:13: needs `data.teams.owners`, which nothing gives",
            "0.rego:3:32: needs `data.sites`, which nothing gives"
        ]
    );
    files.data = vec![DataFile {
        path: "data.json".into(),
        at: Vec::new(),
        format: Format::Json,
        bytes: br#"{"teams": {"owners": null}, "sites": []}"#.to_vec(),
    }];
    assert_eq!(missing(&files), [""; 0]);
}

#[test]
fn a_policy_says_whether_it_needs_to_know_namespaces() {
    let uses = |module: &str| set(&[module], &[]).policies()[0].uses_namespaces();
    let policy = |custom: &str, body: &str| {
        format!(
            "# METADATA\n# custom: {custom}\npackage kubernetes.admission.a\ndeny contains \"a\" if {body}\n"
        )
    };
    assert!(!uses(&policy("{order: 1}", "input.regate.policy")));
    assert!(!uses(&policy("{order: 1}", "input.request.namespace")));
    assert!(uses(&policy("{order: 1}", "input.regate.namespace.labels.a")));
    assert!(uses(&policy("{order: 1}", "[x | x := input.regate[_].labels]")));
    assert!(uses(&policy("{match: {namespaceSelector: {}}}", "true")));
    // Under another name, in whatever the whole input was handed on as.
    for body in [
        "{ x := input; x.regate.namespace.labels.a }",
        "{ x := input; x[\"regate\"].namespace.labels.a }",
        "object.get(input, [\"regate\", \"namespace\", \"labels\", \"a\"], \"\") == \"b\"",
        "count(json.filter(input, [\"regate/namespace/labels\"])) > 0",
        "f(input)\nf(review) := review.regate.namespace.labels.a",
        "input[k].namespace.labels.a\nk := \"regate\"",
    ] {
        assert!(uses(&policy("{order: 1}", body)), "{body}");
    }
    for body in [
        "count(json.marshal(input)) > 9",
        "input.request.namespace == \"regate\"",
        "{ x := input.request; x.object.metadata.labels.regate }",
    ] {
        assert!(!uses(&policy("{order: 1}", body)), "{body}");
    }
    let library = "package lib.x\nf(review) := review.regate.namespace.labels.a\n";
    let calling = policy("{order: 1}", "data.lib.x.f(input)");
    assert!(set(&[&calling, library], &[]).policies()[0].uses_namespaces());
    let pods = policy("{order: 1}", "data.regate.lib.pods.bad(input)");
    let library = "package regate.lib.pods\nbad(review) if review.request.object.a\n";
    assert!(!set(&[&pods, library], &[]).policies()[0].uses_namespaces());
    assert!(uses(&policy(
        "{exceptions: [{match: {namespaceSelector: {matchLabels: {a: b}}}, reason: x}]}",
        "true"
    )));
}
