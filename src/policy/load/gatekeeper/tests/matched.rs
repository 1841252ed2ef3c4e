//! Which reviews a constraint is about: each key of its `match`, and what stands for any.

use std::sync::Arc;

use super::*;
use crate::policy::matching::Facts;
use crate::policy::namespaces::Namespace;

/// A Pod of the namespace `shop`, or what else is asked about.
fn pod(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = Facts {
        kind: Some((String::new(), "Pod".to_owned())),
        operation: "CREATE".to_owned(),
        name: "web-1".to_owned(),
        namespace: "shop".to_owned(),
        ..Facts::default()
    };
    change(&mut facts);
    let object =
        json!({"metadata": {"name": facts.name, "namespace": facts.namespace, "labels": {"app": "web"}}});
    facts.objects = vec![Document::from_json(&object)];
    facts
}

fn kind(group: &str, kind: &str) -> Facts {
    pod(|facts| facts.kind = Some((group.to_owned(), kind.to_owned())))
}

/// Whether a constraint with this `match` is asked about a review.
fn is_asked(matching: &str, facts: &Facts) -> bool {
    let constraint = with_parameters("{labels: []}") + &format!("  match: {matching}\n");
    let set = set(&[TEMPLATE, &constraint]);
    let shop = Arc::new(Namespace {
        name: "shop".to_owned(),
        labels: [("team".to_owned(), "carts".to_owned())].into(),
        annotations: [].into(),
    });
    let namespace = || Ok((!facts.namespace.is_empty()).then(|| Arc::clone(&shop)));
    set.select(Gate::Validate, facts, 0, &namespace).len() == 1
}

#[test]
fn a_constraint_is_asked_about_what_every_key_of_its_match_fits() {
    let in_cluster = |facts: &mut Facts| facts.namespace = String::new();
    let elsewhere = |facts: &mut Facts| facts.namespace = "kube-system".to_owned();
    for (matching, yes, no) in [
        (
            "{kinds: [{apiGroups: [''], kinds: [Pod]}]}",
            vec![kind("", "Pod")],
            vec![kind("", "Service"), kind("apps", "Pod")],
        ),
        (
            "{kinds: [{apiGroups: [apps], kinds: [Deployment, StatefulSet]}, {apiGroups: [''], kinds: [Pod]}]}",
            vec![
                kind("apps", "StatefulSet"),
                kind("apps", "Deployment"),
                kind("", "Pod"),
            ],
            vec![kind("", "Deployment"), kind("apps", "Pod")],
        ),
        (
            "{kinds: [{apiGroups: ['*'], kinds: [Ingress]}]}",
            vec![
                kind("networking.k8s.io", "Ingress"),
                kind("extensions", "Ingress"),
            ],
            vec![kind("networking.k8s.io", "NetworkPolicy")],
        ),
        (
            "{kinds: [{apiGroups: [apps, '*'], kinds: [Ingress, '*']}]}",
            vec![kind("", "Pod"), kind("apps", "Deployment")],
            vec![],
        ),
        (
            "{kinds: [{kinds: [Ingress]}]}",
            vec![kind("networking.k8s.io", "Ingress")],
            vec![kind("", "Pod")],
        ),
        (
            "{kinds: [{apiGroups: [apps]}]}",
            vec![kind("apps", "Deployment")],
            vec![kind("", "Pod")],
        ),
        (
            "{kinds: [{apiGroups: ['*'], kinds: ['*']}]}",
            vec![kind("apps", "Deployment"), kind("", "Pod")],
            vec![],
        ),
        ("{kinds: []}", vec![kind("apps", "Deployment")], vec![]),
        ("{}", vec![kind("apps", "Deployment")], vec![]),
        ("{scope: Cluster}", vec![pod(in_cluster)], vec![pod(|_| {})]),
        ("{scope: Namespaced}", vec![pod(|_| {})], vec![pod(in_cluster)]),
        ("{scope: '*'}", vec![pod(|_| {}), pod(in_cluster)], vec![]),
        ("{namespaces: [sho*]}", vec![pod(|_| {})], vec![pod(elsewhere)]),
        (
            "{excludedNamespaces: [kube-*]}",
            vec![pod(|_| {})],
            vec![pod(elsewhere)],
        ),
        (
            "{name: web-*}",
            vec![pod(|_| {})],
            vec![pod(|facts| facts.name = "db-1".to_owned())],
        ),
        ("{name: ''}", vec![pod(|_| {})], vec![]),
        (
            "{labelSelector: {matchLabels: {app: web}}}",
            vec![pod(|_| {})],
            vec![],
        ),
        (
            "{labelSelector: {matchLabels: {app: db}}}",
            vec![],
            vec![pod(|_| {})],
        ),
        (
            "{namespaceSelector: {matchLabels: {team: carts}}}",
            vec![pod(|_| {})],
            vec![],
        ),
        (
            "{namespaceSelector: {matchLabels: {team: other}}}",
            vec![],
            vec![pod(|_| {})],
        ),
        ("{source: Original}", vec![pod(|_| {})], vec![]),
    ] {
        for (expected, facts) in [(true, yes), (false, no)] {
            for facts in facts {
                assert_eq!(is_asked(matching, &facts), expected, "{matching}: {facts:?}");
            }
        }
    }
}

#[test]
fn a_name_may_be_as_long_as_any_name() {
    let name = "a".repeat(253);
    let constraint = CONSTRAINT.replace("pods-have-owners", &name);
    assert_eq!(set(&[TEMPLATE, &constraint]).policies()[0].name, name);
}

#[test]
fn an_action_at_every_point_is_one_at_the_webhook() {
    let constraint = with_parameters("{labels: []}").replace(
        "enforcementAction: warn",
        "enforcementAction: scoped\n  scopedEnforcementActions: [{action: warn, enforcementPoints: [{name: '*'}]}]",
    );
    assert_eq!(
        set(&[TEMPLATE, &constraint]).policies()[0].enforcement,
        Enforcement::Warn
    );
}

#[test]
fn a_template_without_a_schema_takes_any_parameters() {
    let (head, rest) = TEMPLATE.split_once("      validation:\n").unwrap();
    let (_, targets) = rest.split_once("  targets:\n").unwrap();
    let template = format!("{head}  targets:\n{targets}");
    let set = set(&[&template, &with_parameters("{labels: [owner], more: 1}")]);
    assert_eq!(
        messages(&set, "pods-have-owners", &json!({"object": {}})),
        [r#"labels are missing: {"owner"}"#]
    );
}

/// What is found of these parameters under this schema: findings and warnings; and what they come to.
fn checked(schema: &str, version: &str, parameters: &str) -> (Vec<String>, Option<Value>) {
    let (head, rest) = TEMPLATE.split_once("        openAPIV3Schema:\n").unwrap();
    let (_, targets) = rest.split_once("  targets:\n").unwrap();
    let template = format!("{head}        openAPIV3Schema: {schema}\n  targets:\n{targets}");
    let template = template.replace("gatekeeper.sh/v1\n", &format!("gatekeeper.sh/{version}\n"));
    let told = |findings: &[Finding]| findings.iter().map(|one| one.message.clone()).collect();
    match load(&files(&[&template, &with_parameters(parameters)], None)) {
        Ok(set) => (told(&set.warnings), set.policies()[0].parameters.to_json().ok()),
        Err(findings) => (told(&findings), None),
    }
}

#[test]
fn parameters_are_filled_and_held_against_every_part_of_a_schema() {
    for (schema, parameters, expected) in [
        (
            "{type: object, properties: {a: {type: object, properties: {b: {type: integer, default: 2}}}}}",
            "{a: {}}",
            json!({"a": {"b": 2}}),
        ),
        (
            "{type: object, properties: {a: {type: array, items: {type: object, properties: {b: {default: 2}}}}}}",
            "{a: [{}, {b: 1}]}",
            json!({"a": [{"b": 2}, {"b": 1}]}),
        ),
        (
            "{type: object, additionalProperties: {type: object, properties: {b: {default: 2}}}}",
            "{x: {}}",
            json!({"x": {"b": 2}}),
        ),
        (
            "{type: object, properties: {a: {type: string, default: x}}}",
            "{a: null}",
            json!({"a": "x"}),
        ),
        (
            "{type: object, properties: {a: {type: string, nullable: true, default: x}}}",
            "{a: null}",
            json!({"a": null}),
        ),
        (
            "{type: object, properties: {a: {type: string, nullable: true, enum: [x]}}}",
            "{a: null}",
            json!({"a": null}),
        ),
        (
            "{type: object, properties: {a: {x-kubernetes-int-or-string: true}}}",
            "{a: 50%}",
            json!({"a": "50%"}),
        ),
        (
            "{type: object, properties: {a: {oneOf: [{type: string, nullable: true}, {type: integer}]}}}",
            "{a: null}",
            json!({"a": null}),
        ),
        (
            "{type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {}}}",
            "{b: 1}",
            json!({"b": 1}),
        ),
    ] {
        assert_eq!(
            checked(schema, "v1", parameters),
            (vec![], Some(expected)),
            "{schema}"
        );
    }
    for (schema, parameters, expected) in [
        (
            "{type: object, properties: {a: {x-kubernetes-int-or-string: true}}}",
            "{a: true}",
            "`parameters/a` does not fit the template's schema: true is not of types \"integer\", \"string\"",
        ),
        (
            "{type: object, properties: {a: {type: string}}}",
            "{a: null}",
            "`parameters/a` does not fit the template's schema: null is not of type \"string\"",
        ),
        (
            "{type: object, properties: {a: {$ref: '#'}}}",
            "{}",
            "no schema: it refers to others",
        ),
    ] {
        assert_eq!(
            checked(schema, "v1", parameters),
            (vec![expected.to_owned()], None),
            "{schema}"
        );
    }
    let deep = |levels: usize| {
        let (open, close) = ("{items: ".repeat(levels), "}".repeat(levels));
        checked(
            &format!("{{type: object, properties: {{a: {open}{{}}{close}}}}}"),
            "v1",
            "{}",
        )
        .0
    };
    assert_eq!(deep(40), [""; 0]);
    let told = deep(63);
    assert!(told[0].contains("is no YAML: it is nested too deep"), "{told:?}");
}

#[test]
fn only_where_the_api_server_would_drop_a_parameter_is_it_told() {
    let schema = "{type: object, properties: {a: {type: object}}}";
    let told = "the template's schema names no `b`: the API server would drop it";
    for (schema, version, expected) in [
        (schema, "v1", vec![told]),
        (schema, "v1beta1", vec![]),
        (&*format!("{schema}\n        legacySchema: true"), "v1", vec![]),
        (
            &*format!("{schema}\n        legacySchema: false"),
            "v1beta1",
            vec![told],
        ),
        (
            "{type: object, additionalProperties: {type: integer}}",
            "v1",
            vec![],
        ),
    ] {
        let (warnings, _) = checked(schema, version, "{b: 1}");
        assert_eq!(warnings, expected, "{schema} {version}");
    }
    let items = format!("{{type: object, properties: {{a: {{type: array, items: {schema}}}}}}}");
    assert_eq!(checked(&items, "v1", "{a: [{a: {}}, {b: 1}]}").0, [told]);
}
