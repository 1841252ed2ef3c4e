use proptest::prelude::*;

use super::*;
use crate::gate::Gate;
use crate::policy::Enforcement;
use crate::policy::dialect::Dialect;
use crate::policy::engine::Document;
use crate::policy::engine::builtins::BuiltinErrors;
use crate::policy::matching::Resource;
use crate::policy::matching::selector::{Operator, Requirement, Selector};
use crate::policy::metadata::Until;

fn policy(name: &str, rules: &[&'static str], matching: Vec<Match>) -> Policy {
    Policy {
        gate: Gate::Authz,
        name: name.to_owned(),
        dialect: Dialect::Regate,
        rules: rules.to_vec(),
        entry_rules: Vec::new(),
        order: 0,
        enforcement: Enforcement::Deny,
        matching,
        parameters: Document::empty(),
        exceptions: Vec::new(),
        reads_namespace: false,
        builtin_errors: BuiltinErrors::Fault,
        conduct: Arc::default(),
        group: 0,
        entry: String::new(),
    }
}

fn matching(lists: &[(Key, &[&str])]) -> Match {
    let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Match {
        lists: lists
            .iter()
            .map(|(key, patterns)| (*key, owned(patterns)))
            .collect(),
        ..Match::default()
    }
}

fn no_namespace() -> Result<Option<Arc<Namespace>>, Unknown> {
    Ok(None)
}

/// Names of the policies that the index gives.
fn indexed<'a>(policies: &'a [Policy], facts: &Facts) -> Vec<&'a str> {
    let index = GateIndex::build(policies.iter().enumerate());
    let candidates = index.candidates(facts).into_iter().map(|place| &policies[place]);
    candidates
        .filter_map(|policy| judge(policy, facts, 0, &no_namespace))
        .map(|selected| selected.policy.name.as_str())
        .collect()
}

/// Names of the policies that asking each of them gives.
fn filtered<'a>(policies: &'a [Policy], facts: &Facts) -> Vec<&'a str> {
    policies
        .iter()
        .filter_map(|policy| judge(policy, facts, 0, &no_namespace))
        .map(|selected| selected.policy.name.as_str())
        .collect()
}

/// Few words, so that they meet.
fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "a",
        "b",
        "ab",
        "abc",
        "*",
        "a*",
        "*b",
        "a*c",
        "impersonate",
        "pods",
    ])
    .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "a",
        "b",
        "ab",
        "abc",
        "aXc",
        "*",
        "impersonate",
        "impersonate:x",
        "impersonate-on:x:y",
        "pods",
    ])
    .prop_map(str::to_owned)
}

fn a_match() -> impl Strategy<Value = Match> {
    let pattern = |key: Key| match key {
        Key::Resources | Key::Kinds => (word(), prop::option::of(word()))
            .prop_map(|(one, other)| other.map_or(one.clone(), |other| format!("{one}/{other}")))
            .boxed(),
        _ => word().boxed(),
    };
    let lists = prop::sample::subsequence(Key::ALL.to_vec(), 0..4).prop_flat_map(move |keys| {
        let lists: Vec<_> = keys
            .into_iter()
            .map(|key| (Just(key), prop::collection::vec(pattern(key), 0..4)))
            .collect();
        lists
    });
    lists.prop_map(|lists| Match {
        lists,
        ..Match::default()
    })
}

fn a_policy() -> impl Strategy<Value = Policy> {
    (prop::collection::vec(a_match(), 0..3), any::<bool>()).prop_map(|(matching, denies)| {
        let rules: &[&str] = if denies { &["allow", "deny"] } else { &["allow"] };
        policy("", rules, matching)
    })
}

fn some_facts() -> impl Strategy<Value = Facts> {
    let resource = (value(), value(), value()).prop_map(|(group, plural, subresource)| Resource {
        group,
        plural,
        subresource,
    });
    (
        (
            prop::option::of(resource),
            prop::option::of((value(), value())),
            value(),
            value(),
            value(),
        ),
        (
            any::<bool>(),
            value(),
            prop::collection::vec(value(), 0..3),
            prop::option::of(value()),
        ),
    )
        .prop_map(
            |((resource, kind, operation, name, namespace), (all_namespaces, user, groups, path))| Facts {
                resource,
                kind,
                operation,
                name,
                namespace,
                all_namespaces,
                user,
                groups,
                path,
                ..Facts::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_index_selects_what_asking_every_policy_selects(
        mut policies in prop::collection::vec(a_policy(), 0..12),
        facts in some_facts(),
    ) {
        for (place, policy) in policies.iter_mut().enumerate() {
            policy.name = place.to_string();
        }
        prop_assert_eq!(indexed(&policies, &facts), filtered(&policies, &facts));
    }
}

#[test]
fn what_does_not_match_is_not_even_looked_at() {
    let policies: Vec<Policy> = (0..1_000)
        .map(|at| {
            let namespace = format!("team-{at}");
            let group = format!("group-{at}-*");
            match at % 2 {
                0 => policy(
                    "",
                    &["deny"],
                    vec![matching(&[
                        (Key::Resources, &["pods"]),
                        (Key::Namespaces, &[&namespace, ""]),
                    ])],
                ),
                _ => policy(
                    "",
                    &["deny"],
                    vec![matching(&[(Key::Resources, &["pods"]), (Key::Groups, &[&group])])],
                ),
            }
        })
        .collect();
    let index = GateIndex::build(policies.iter().enumerate());
    let facts = |namespace: &str| Facts {
        resource: Some(Resource {
            plural: "pods".into(),
            ..Resource::default()
        }),
        namespace: namespace.to_owned(),
        groups: vec!["group-7-ops".into(), "other".into()],
        ..Facts::default()
    };
    assert_eq!(index.candidates(&facts("team-4")), [4, 7]);
    assert_eq!(index.candidates(&facts("elsewhere")), [7]);
    assert_eq!(index.candidates(&facts("")).len(), 501);
}

#[test]
fn a_policy_is_found_by_the_key_that_tells_it_from_the_others() {
    let policies: Vec<Policy> = (0..10)
        .map(|at| {
            let namespace = format!("team-{at}");
            let lists: [(Key, &[&str]); 3] = [
                (Key::Names, &["*-db"]),
                (Key::Operations, &["get"]),
                (Key::Namespaces, &[&namespace]),
            ];
            policy("", &["allow"], vec![matching(&lists)])
        })
        .collect();
    let index = GateIndex::build(policies.iter().enumerate());
    let facts = Facts {
        operation: "get".into(),
        namespace: "team-3".into(),
        ..Facts::default()
    };
    assert_eq!(index.candidates(&facts), [3]);
}

#[test]
fn a_policy_that_can_match_nothing_is_never_a_candidate() {
    let policies = [policy(
        "never",
        &["deny"],
        vec![matching(&[(Key::Resources, &[])])],
    )];
    let wild = Facts {
        operation: "*".into(),
        resource: Some(Resource {
            plural: "*".into(),
            ..Resource::default()
        }),
        ..Facts::default()
    };
    assert_eq!(
        GateIndex::build(policies.iter().enumerate()).candidates(&wild),
        [0; 0]
    );
}

fn production() -> Match {
    let requirement = Requirement {
        key: "env".into(),
        operator: Operator::In(vec!["prod".into()]),
    };
    Match {
        lists: Vec::new(),
        selector: Some(Selector {
            requirements: vec![requirement],
        }),
        ..Match::default()
    }
}

fn labelled(value: &str) -> Namespace {
    Namespace {
        labels: [("env".to_owned(), value.to_owned())].into(),
        ..Namespace::default()
    }
}

#[test]
fn a_selector_asks_the_labels_of_the_namespace_and_never_guesses() {
    let policy = policy("p", &["deny"], vec![production()]);
    let facts = Facts::default();
    let judged = |namespace: Result<Option<Namespace>, Unknown>| {
        let given = move || namespace.clone().map(|found| found.map(Arc::new));
        judge(&policy, &facts, 0, &given).map(|selected| selected.unknown)
    };
    assert_eq!(judged(Ok(Some(labelled("prod")))), Some(None));
    assert_eq!(judged(Ok(Some(labelled("dev")))), None);
    assert_eq!(
        judged(Ok(None)),
        Some(None),
        "what is in no Namespace is always selected"
    );
    assert_eq!(judged(Err(Unknown::NotSynced)), Some(Some(Unknown::NotSynced)));
}

#[test]
fn an_exception_frees_until_it_ends() {
    let mut policy = policy("p", &["deny"], Vec::new());
    policy.exceptions = vec![Exception {
        matching: matching(&[(Key::Namespaces, &["monitoring"])]),
        reason: "node exporter".into(),
        until: Until::parse("1970-01-01"),
        at: None,
    }];
    let day: i64 = 24 * 60 * 60 * 1_000_000_000;
    let reason = |namespace: &str, now_ns: i64| {
        let facts = Facts {
            namespace: namespace.to_owned(),
            ..Facts::default()
        };
        judge(&policy, &facts, now_ns, &no_namespace)
            .unwrap()
            .exception
            .map(|exception| exception.reason.clone())
    };
    assert_eq!(reason("monitoring", 0).as_deref(), Some("node exporter"));
    assert_eq!(reason("monitoring", day - 1).as_deref(), Some("node exporter"));
    assert_eq!(reason("monitoring", day), None);
    assert_eq!(reason("shop", 0), None);
}

#[test]
fn an_exception_is_for_what_is_certainly_meant() {
    let mut policy = policy("p", &["deny"], Vec::new());
    policy.exceptions = vec![Exception {
        matching: matching(&[(Key::Operations, &["get"]), (Key::ExcludedNamespaces, &["prod"])]),
        reason: "reads".into(),
        until: None,
        at: None,
    }];
    let excepted = |operation: &str, namespace: &str| {
        let facts = Facts {
            operation: operation.to_owned(),
            namespace: namespace.to_owned(),
            all_namespaces: true,
            ..Facts::default()
        };
        judge(&policy, &facts, 0, &no_namespace)
            .unwrap()
            .exception
            .is_some()
    };
    assert!(excepted("get", "shop"));
    assert!(
        !excepted("*", "shop"),
        "a review for all verbs is not one for get"
    );
    assert!(
        !excepted("get", ""),
        "a review for all namespaces is one for prod, too"
    );
}

#[test]
fn an_exception_by_labels_frees_nothing_that_has_none() {
    let mut policy = policy("p", &["deny"], vec![production()]);
    policy.exceptions = vec![Exception {
        matching: production(),
        reason: "it moves".into(),
        until: None,
        at: None,
    }];
    let excepted = |namespace: Option<Namespace>| {
        let given = move || Ok(namespace.clone().map(Arc::new));
        let selected = judge(&policy, &Facts::default(), 0, &given).unwrap();
        selected.exception.is_some()
    };
    assert!(excepted(Some(labelled("prod"))));
    assert!(!excepted(None), "a ClusterRole is in no Namespace of production");
}

#[test]
fn what_is_looked_up_does_not_grow_with_what_a_review_repeats() {
    let policies: Vec<Policy> = (0..100)
        .map(|at| {
            let groups: &[&str] = if at % 2 == 0 { &["team-a"] } else { &["team-*"] };
            policy("", &["deny"], vec![matching(&[(Key::Groups, groups)])])
        })
        .collect();
    let index = GateIndex::build(policies.iter().enumerate());
    let facts = |groups: Vec<String>| Facts {
        groups,
        ..Facts::default()
    };
    let repeated = facts(vec!["team-a".to_owned(); 1_000]);
    assert_eq!(index.filed(&repeated).len(), 100);
    let alike = facts((0..1_000).map(|at| format!("team-{at}")).collect());
    assert_eq!(index.filed(&alike).len(), 50);
}
