use super::*;
use crate::policy::files::RegoFile;
use crate::policy::matching::Key;

fn source(text: &str) -> Source {
    Source::parse(&RegoFile {
        path: "p.rego".into(),
        text: text.to_owned(),
        is_test: false,
        v0: false,
    })
    .unwrap()
}

/// A policy whose METADATA has these lines under `custom`.
fn custom(lines: &str) -> Source {
    let lines: String = lines.lines().map(|line| format!("#   {line}\n")).collect();
    source(&format!(
        "# METADATA\n# title: A title\n# custom:\n{lines}package p\n\nx := 1\n"
    ))
}

fn read(gate: Gate, denies: bool, lines: &str) -> (Metadata, Vec<String>) {
    let source = custom(lines);
    let mut findings = Vec::new();
    let metadata = of_package(gate, denies, &[&source], &mut findings);
    (metadata, findings.iter().map(ToString::to_string).collect())
}

fn findings(gate: Gate, denies: bool, lines: &str) -> Vec<String> {
    read(gate, denies, lines).1
}

#[test]
fn everything_that_can_be_said_is_read() {
    let (metadata, findings) = read(
        Gate::Validate,
        true,
        "enforcement: warn\n\
         order: -3\n\
         match:\n\
         \x20 kinds: [Pod, apps/Deployment]\n\
         \x20 operations: [CREATE]\n\
         \x20 namespaceSelector:\n\
         \x20   matchLabels: {env: prod}\n\
         \x20   matchExpressions: [{key: team, operator: Exists}]\n\
         parameters: {labels: [owner], limit: 3, ratio: 0.5}\n\
         instances:\n\
         - name: one\n\
         \x20 match: {namespaces: [a]}\n\
         \x20 enforcement: dryrun\n\
         \x20 parameters: {labels: [team]}\n\
         - name: two\n\
         needs: [data.teams.owners]\n\
         exceptions:\n\
         - match: {namespaces: [kube-system]}\n\
         \x20 reason: the cluster's own\n\
         \x20 until: \"2099-12-31\"\n\
         builtinErrors: undefined",
    );
    assert_eq!(findings, [""; 0]);
    assert_eq!((metadata.enforcement, metadata.order), (Enforcement::Warn, -3));
    assert_eq!(
        metadata.matching.patterns(Key::Kinds).unwrap(),
        ["Pod", "apps/Deployment"]
    );
    assert_eq!(metadata.matching.selector.unwrap().requirements.len(), 2);
    assert_eq!(
        metadata.parameters.to_json().unwrap(),
        serde_json::json!({"labels": ["owner"], "limit": 3, "ratio": 0.5})
    );
    let instances = metadata.instances.unwrap();
    assert_eq!(
        instances.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["one", "two"]
    );
    assert_eq!(instances[0].enforcement, Some(Enforcement::Dryrun));
    assert_eq!(instances[1].parameters, None);
    assert_eq!(metadata.needs[0].0, ["teams", "owners"]);
    assert_eq!(metadata.exceptions[0].reason, "the cluster's own");
    assert_eq!(metadata.builtin_errors, BuiltinErrors::Undefined);
}

#[test]
fn a_policy_without_metadata_enforces_everything() {
    let mut findings = Vec::new();
    let metadata = of_package(
        Gate::Validate,
        true,
        &[&source("package p\nx := 1\n")],
        &mut findings,
    );
    assert_eq!(metadata, Metadata::new(""));
    assert_eq!((metadata.enforcement, findings.len()), (Enforcement::Deny, 0));
}

#[test]
fn every_problem_is_told_at_its_place() {
    let (_, findings) = read(
        Gate::Validate,
        true,
        "enforcement: audit\norder: first\nmatch: {kind: [Pod], operations: create}\ninstances: []\nneeds: [x.y]\nbuiltinErrors: ignore",
    );
    assert_eq!(
        findings,
        [
            "p.rego:4:18: `enforcement` is one of deny, warn, dryrun",
            "p.rego:5:12: `order` must be an integer",
            "p.rego:6:13: `kind` is no key of `match` at the validate gate: it has apiGroups, resources, kinds, operations, \
             names, namespaces, excludedNamespaces, users, groups, namespaceSelector",
            "p.rego:6:38: `operations` must be a list of strings, it is a string",
            "p.rego:7:16: `instances` is empty: nobody would ask this policy",
            "p.rego:8:13: `needs` lists paths like data.x.y",
            "p.rego:9:20: `builtinErrors` is `fault` or `undefined`",
        ]
    );
}

#[test]
fn a_key_like_one_of_ours_is_refused_and_others_are_somebody_elses() {
    assert_eq!(
        findings(
            Gate::Validate,
            true,
            "enforcment: warn\nBuiltinerrors: undefined\nseverity: high\n1: x"
        ),
        [
            "p.rego:4:5: `enforcment` is no key of Regate's: did you mean `enforcement`?",
            "p.rego:5:5: `Builtinerrors` is no key of Regate's: did you mean `builtinErrors`?",
            "p.rego:7:5: a key must be a string, it is a number",
        ]
    );
}

#[test]
fn what_no_review_of_the_gate_can_have_is_refused() {
    for (gate, lines, message) in [
        (
            Gate::Authn,
            "match: {users: [jane]}",
            "the authn gate has nothing to `match` on",
        ),
        (
            Gate::Image,
            "match: {kinds: [Pod]}",
            "`kinds` is no key of `match` at the image gate: it has namespaces, excludedNamespaces, namespaceSelector",
        ),
        (
            Gate::Authz,
            "match: {operations: [CREATE]}",
            "`CREATE` is no verb: verbs are lower-case, as in get, list, create",
        ),
        (
            Gate::Mutate,
            "match: {operations: [create]}",
            "`create` is no operation: one of CONNECT, CREATE, DELETE, UPDATE",
        ),
        (
            Gate::Mutate,
            "match: {resources: [Pods]}",
            "`Pods` is no resource: those are lower-case plurals like `pods`",
        ),
        (
            Gate::Mutate,
            "match: {resources: [a/b/c]}",
            "`a/b/c` is no resource: `pods`, `pods/exec`, `pods/*` or `*/*`",
        ),
        (
            Gate::Mutate,
            "match: {resources: ['']}",
            "`` is no resource: `pods`, `pods/exec`, `pods/*` or `*/*`",
        ),
        (
            Gate::Authz,
            "match: {paths: [healthz]}",
            "`healthz` is no path: `/healthz`, `/api/*` or `*`",
        ),
        (
            Gate::Authz,
            "match: {paths: [/a/*/b]}",
            "`/a/*/b` is no path: `/healthz`, `/api/*` or `*`",
        ),
        (
            Gate::Mutate,
            "match: {kinds: [Deployment]}",
            "`Deployment` is no kind of Kubernetes' own: did you mean `apps/Deployment`?",
        ),
        (
            Gate::Mutate,
            "match: {kinds: [example.com/Widget]}",
            "`example.com/Widget` is no kind of Kubernetes' own: name its `resources` too",
        ),
        (
            Gate::Mutate,
            "match: {names: [1]}",
            "`names` is a list of strings, this is a number",
        ),
        (
            Gate::Mutate,
            "match: [Pod]",
            "`match` must be a map, it is a list",
        ),
        (
            Gate::Authz,
            "enforcement: warn",
            "the authz gate has no warnings: `warn` is for mutate and validate",
        ),
        (
            Gate::Validate,
            "parameters: [a]",
            "`parameters` must be a map, it is a list",
        ),
        (
            Gate::Validate,
            "parameters: {1: a}",
            "every key of `parameters` must be a string",
        ),
        (
            Gate::Validate,
            "instances: [{match: {}}]",
            "an instance needs a `name`",
        ),
        (
            Gate::Validate,
            "instances: [{name: a.b}]",
            "an instance's `name` is of letters, digits, _ and -",
        ),
        (
            Gate::Validate,
            "instances: [{name: a}, {name: a}]",
            "a second instance called `a`",
        ),
        (
            Gate::Validate,
            "instances: [{name: a, order: 1}]",
            "`order` is no key of an instance: it has name, match, enforcement, parameters",
        ),
        (
            Gate::Validate,
            "exceptions: [{match: {}, reason: x}]",
            "an exception needs a `match` that says which reviews it is about",
        ),
        (
            Gate::Validate,
            "exceptions: [{match: {excludedNamespaces: []}, reason: x}]",
            "an exception needs a `match` that says which reviews it is about",
        ),
        (
            Gate::Validate,
            "exceptions: [{match: {namespaceSelector: {}}, reason: x}]",
            "an exception needs a `match` that says which reviews it is about",
        ),
        (
            Gate::Validate,
            "exceptions: [{match: {namespaces: [a]}}]",
            "an exception needs a `reason`",
        ),
        (
            Gate::Validate,
            "exceptions: [{match: {namespaces: [a]}, reason: ' '}]",
            "an exception needs a `reason`",
        ),
        (
            Gate::Validate,
            "exceptions: [{match: {namespaces: [a]}, reason: x, until: soon}]",
            "`until` is a quoted date like \"2027-01-31\" or an RFC 3339 time",
        ),
        (
            Gate::Validate,
            "match: {namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}",
            "`operator` is In or NotIn with `values`, or Exists or DoesNotExist without",
        ),
        (
            Gate::Validate,
            "match: {namespaceSelector: {labels: {}}}",
            "`labels` is no key of a namespaceSelector: it has matchLabels, matchExpressions",
        ),
    ] {
        let found = findings(gate, true, lines);
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        assert!(found[0].ends_with(&format!(": {message}")), "{lines}: {found:?}");
        assert!(found[0].starts_with("p.rego:4:"), "{found:?}");
    }
}

#[test]
fn a_kind_outside_of_the_table_may_name_its_resources() {
    let lines = "match: {kinds: [example.com/Widget, apps/*], resources: [widgets, deployments]}";
    assert_eq!(findings(Gate::Validate, true, lines), [""; 0]);
}

#[test]
fn a_denial_at_authz_cannot_leave_out_requests_for_all_namespaces() {
    let listed = "`namespaces` of a policy that denies must list \"\" too";
    let excluded = "`excludedNamespaces` of a policy that denies must not list \"\"";
    for (denies, lines, message) in [
        (true, "match: {namespaces: [a]}", Some(listed)),
        (true, "match: {namespaces: []}", Some(listed)),
        (true, "match: {namespaces: ['', a]}", None),
        (true, "match: {namespaces: ['*']}", None),
        (true, "match: {excludedNamespaces: ['', a]}", Some(excluded)),
        (true, "match: {excludedNamespaces: [a]}", None),
        (false, "match: {namespaces: [a]}", None),
        (
            true,
            "instances: [{name: i, match: {namespaces: [a]}}]",
            Some(listed),
        ),
        (true, "exceptions: [{match: {namespaces: [a]}, reason: x}]", None),
    ] {
        let found = findings(Gate::Authz, denies, lines);
        match message {
            None => assert_eq!(found, [""; 0], "{lines}"),
            Some(message) => assert!(
                found.len() == 1 && found[0].contains(message),
                "{lines}: {found:?}"
            ),
        }
    }
}

#[test]
fn ours_is_refused_outside_of_a_policys_package_scope() {
    let refused = |text: &str| {
        let source = source(text);
        let mut findings = Vec::new();
        of_package(Gate::Validate, true, &[&source], &mut findings);
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        refused("package p\n# METADATA\n# custom:\n#   enforcement: warn\nx := 1\n"),
        ["p.rego:4:5: `enforcement` in METADATA: only a policy's package can have it"]
    );
    assert_eq!(
        refused("# METADATA\n# scope: subpackages\n# custom:\n#   order: 1\npackage p\nx := 1\n"),
        ["p.rego:4:5: `order` in METADATA: only a policy's package can have it"]
    );
    assert_eq!(
        refused("# METADATA\n# enforcement: warn\npackage p\nx := 1\n"),
        ["p.rego:2:3: `enforcement` belongs under `custom` in METADATA"]
    );
    assert_eq!(
        refused("package p\n# METADATA\n# title: a rule\n# custom: {severity: 1}\nx := 1\n"),
        [""; 0]
    );
    let mut findings = Vec::new();
    of_library(&custom("match: {}"), &mut findings);
    assert_eq!(
        findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["p.rego:4:5: `match` in METADATA: this package is no policy"]
    );
}

#[test]
fn ours_is_refused_where_no_block_begins_or_an_empty_line_has_ended_it() {
    for text in [
        "# Metadata\n# title: a\n# custom:\n#   enforcement: dryrun\npackage p\nx := 1\n",
        "# METADATA\n# title: a\n\n# custom:\n#   enforcement: dryrun\npackage p\nx := 1\n",
    ] {
        let line = 1 + text
            .lines()
            .position(|line| line.contains("enforcement"))
            .unwrap();
        let mut findings = Vec::new();
        of_package(Gate::Validate, true, &[&source(text)], &mut findings);
        assert_eq!(
            findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [format!(
                "p.rego:{line}:5: `enforcement` in METADATA: a block begins with a line `# METADATA` and has no empty lines"
            )]
        );
    }
    let mut findings = Vec::new();
    let prose = "# custom: see below\n# custom:\n#   colour: red\npackage p\nx := 1\n";
    of_package(Gate::Validate, true, &[&source(prose)], &mut findings);
    assert_eq!(findings, []);
}

#[test]
fn metadata_that_is_no_yaml_or_is_there_twice_is_refused() {
    let mut findings = Vec::new();
    let twice = source("# METADATA\n# title: a\n\n# METADATA\n# title: b\npackage p\nx := 1\n");
    of_package(Gate::Validate, true, &[&twice], &mut findings);
    assert_eq!(
        findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["p.rego:4:1: a second METADATA block for this package: the first is at p.rego:1"]
    );
    for (yaml, start) in [
        ("# title: [a", "p.rego:2:"),
        ("# custom: {enforcement: warn, enforcement: deny}", "p.rego:2:"),
    ] {
        let mut findings = Vec::new();
        let source = source(&format!("# METADATA\n{yaml}\npackage p\nx := 1\n"));
        of_package(Gate::Validate, true, &[&source], &mut findings);
        let found = findings[0].to_string();
        assert!(
            found.starts_with(start) && found.contains("METADATA is no YAML: "),
            "{found}"
        );
    }
    for (yaml, message) in [
        ("# just a text", "METADATA must be a map, it is a string"),
        ("# custom: 1", "`custom` must be a map, it is a number"),
        ("# title: 1", "a title or description is a string, not a number"),
    ] {
        let mut findings = Vec::new();
        let source = source(&format!("# METADATA\n{yaml}\npackage p\nx := 1\n"));
        of_package(Gate::Validate, true, &[&source], &mut findings);
        assert_eq!(findings.len(), 1, "{yaml}");
        assert_eq!(findings[0].message, message);
    }
}
