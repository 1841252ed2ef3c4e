//! Every condition on objects, alone.

use serde_json::{Value, json};

use super::super::{Key, Match, Reach};
use super::*;
use crate::policy::matching::selector::{Operator, Requirement};

fn facts(group: &str, kind: &str, namespace: &str, objects: &[Value]) -> Facts {
    Facts {
        kind: Some((group.to_owned(), kind.to_owned())),
        namespace: namespace.to_owned(),
        objects: objects.iter().map(Document::from_json).collect(),
        ..Facts::default()
    }
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

fn fits(objects: Objects, facts: &Facts) -> bool {
    let matching = Match {
        objects: Some(objects),
        ..Match::default()
    };
    matching.fits(facts, Reach::Wide)
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_scope_is_of_clusters_or_of_namespaces_and_a_namespace_is_of_the_cluster() {
    let pod = facts("", "Pod", "shop", &[named("p")]);
    let node = facts("", "Node", "", &[named("n")]);
    let namespace = facts("", "Namespace", "shop", &[named("shop")]);
    let scoped = |scope, facts: &Facts| {
        fits(
            Objects {
                scope,
                ..Objects::default()
            },
            facts,
        )
    };
    for (scope, expected) in [
        (Scope::Any, [true, true, true]),
        (Scope::Cluster, [false, true, true]),
        (Scope::Namespaced, [true, false, false]),
    ] {
        let found = [&pod, &node, &namespace].map(|facts| scoped(scope, facts));
        assert_eq!(found, expected, "{scope:?}");
    }
}

#[test]
fn namespaces_have_globs_and_what_is_in_none_is_neither_left_out_nor_excluded() {
    let of = |namespaces: &[&str], excluded: &[&str]| Objects {
        namespaces: texts(namespaces),
        excluded: texts(excluded),
        ..Objects::default()
    };
    let pod = facts("", "Pod", "shop-a", &[named("p")]);
    for (namespaces, excluded, expected) in [
        (&["shop-*"][..], &[][..], true),
        (&["*-a"], &[], true),
        (&["shop"], &[], false),
        (&[], &["shop-*"], false),
        (&["shop-*"], &["*-a"], false),
        (&[], &["kube-*"], true),
    ] {
        assert_eq!(
            fits(of(namespaces, excluded), &pod),
            expected,
            "{namespaces:?} {excluded:?}"
        );
    }
    let node = facts("", "Node", "", &[named("n")]);
    assert!(fits(of(&["shop"], &["*"]), &node));
    // A Namespace is in itself, also where the review says so only in its name.
    let namespace = facts("", "Namespace", "", &[named("kube-system")]);
    assert!(!fits(of(&[], &["kube-*"]), &namespace));
    assert!(!fits(of(&["shop"], &[]), &namespace));
}

#[test]
fn a_label_that_was_there_before_still_counts() {
    let objects = || Objects {
        labels: Some(Selector {
            requirements: vec![Requirement {
                key: "guarded".to_owned(),
                operator: Operator::In(texts(&["yes"])),
            }],
        }),
        ..Objects::default()
    };
    let labelled = json!({"metadata": {"labels": {"guarded": "yes"}}});
    let bare = json!({"metadata": {}});
    assert!(fits(
        objects(),
        &facts("", "Pod", "a", std::slice::from_ref(&labelled))
    ));
    assert!(fits(objects(), &facts("", "Pod", "a", &[bare.clone(), labelled])));
    assert!(!fits(objects(), &facts("", "Pod", "a", &[bare])));
    assert!(!fits(objects(), &facts("", "Pod", "a", &[])));
}

#[test]
fn a_name_may_be_one_that_is_yet_to_be_generated() {
    let called = |name: &str| Objects {
        name: Some(name.to_owned()),
        ..Objects::default()
    };
    let pod = facts("", "Pod", "a", &[named("web-1")]);
    assert!(fits(called("web-*"), &pod));
    assert!(!fits(called("db-*"), &pod));
    let generated = facts("", "Pod", "a", &[json!({"metadata": {"generateName": "web-"}})]);
    assert!(fits(called("web-*"), &generated));
    for whole in ["web", "web-"] {
        assert!(!fits(called(whole), &generated), "{whole}");
    }
}

#[test]
fn a_kind_is_matched_whatever_it_is_written_as() {
    let exec = Facts {
        resource: Some(super::super::Resource {
            group: String::new(),
            plural: "pods".to_owned(),
            subresource: "exec".to_owned(),
        }),
        ..facts("", "PodExecOptions", "a", &[json!({})])
    };
    let of = |key, pattern: &str| Match {
        lists: vec![(key, texts(&[pattern]))],
        ..Match::default()
    };
    assert!(of(Key::ObjectKinds, "PodExecOptions").fits(&exec, Reach::Wide));
    assert!(of(Key::ObjectKinds, "*/*").fits(&exec, Reach::Wide));
    assert!(!of(Key::ObjectKinds, "apps/*").fits(&exec, Reach::Wide));
    assert!(!of(Key::Kinds, "PodExecOptions").fits(&exec, Reach::Wide));
}

#[test]
fn what_does_not_fit_is_told_by_its_key() {
    let objects = Objects {
        namespaces: texts(&["shop"]),
        ..Objects::default()
    };
    let misfit = objects.misfit(&facts("", "Pod", "other", &[named("p")])).unwrap();
    assert_eq!(
        misfit,
        ("namespaces", r#"["shop"]"#.to_owned(), r#""other""#.to_owned())
    );
    assert_eq!(objects.misfit(&facts("", "Pod", "shop", &[named("p")])), None);
}
