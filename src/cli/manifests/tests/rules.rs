//! Rules from `match`: what the API server is told to ask, matched as the API server matches it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::rules::{self, OPERATIONS};
use super::*;
use crate::policy::matching::{Facts, Reach, Resource};

/// The lists of a `match`.
type Lists<'a> = &'a [(Key, &'a [&'a str])];

/// A name, the matches of a policy, and the rules.
type Case<'a> = (&'a str, &'a [Lists<'a>], &'a [[&'a str; 4]]);

/// The rules of the validating webhook for these policies, in short.
fn of(policies: &[Wanted]) -> Vec<[String; 4]> {
    let [webhook] = validating(&with_policies(policies.to_vec(), request()))
        .webhooks
        .unwrap()
        .try_into()
        .unwrap();
    let rules = webhook.rules.unwrap();
    let short = |one: &RuleWithOperations| {
        let [operations, groups, versions, resources, scope] = rule(one);
        assert_eq!(scope, "*");
        [operations, groups, versions, resources]
    };
    rules.iter().map(short).collect()
}

#[test]
fn rules_are_what_the_match_means() {
    use Key::{ApiGroups, Kinds, Namespaces, Operations, Resources, Users};
    let cu: (Key, &[&str]) = (Operations, &["CREATE", "UPDATE"]);
    let pods = "pods pods/ephemeralcontainers pods/resize";
    let cases: &[Case<'_>] = &[
        (
            "kinds",
            &[&[(Kinds, &["Pod"]), cu]],
            &[["CREATE UPDATE", "", "v1", pods]],
        ),
        (
            "kinds of several groups",
            &[&[
                (
                    Kinds,
                    &["Service", "apps/Deployment", "gateway.networking.k8s.io/Gateway"],
                ),
                cu,
            ]],
            &[
                ["CREATE UPDATE", "gateway.networking.k8s.io", "*", "gateways"],
                ["CREATE UPDATE", "apps", "v1", "deployments"],
                ["CREATE UPDATE", "", "v1", "services"],
            ],
        ),
        (
            "groups that share resources",
            &[&[
                (ApiGroups, &["apps", "batch"]),
                (Resources, &["*"]),
                (Operations, &["DELETE"]),
            ]],
            &[["DELETE", "apps batch", "v1", "*"]],
        ),
        (
            "no operations are all",
            &[&[
                (ApiGroups, &["example.com"]),
                (Resources, &["widgets", "widgets/scale"]),
            ]],
            &[["*", "example.com", "*", "widgets widgets/scale"]],
        ),
        (
            "no group is any",
            &[&[(Resources, &["pods/exec", "*/scale"]), (Operations, &["C*"])]],
            &[["CREATE CONNECT", "*", "*", "*/scale pods/exec"]],
        ),
        (
            "globs become what webhook rules know",
            &[&[
                (ApiGroups, &["*.example.com"]),
                (Resources, &["wid*/sc", "wid/sc*"]),
                cu,
            ]],
            &[["CREATE UPDATE", "*", "*", "*/sc wid/*"]],
        ),
        (
            "a part of another is not said again",
            &[&[
                (ApiGroups, &[""]),
                (
                    Resources,
                    &["pods", "pods/*", "*", "pods/exec", "*/scale", "services/scale"],
                ),
                cu,
            ]],
            &[["CREATE UPDATE", "", "v1", "* */scale pods/*"]],
        ),
        (
            "of several matches each narrows",
            &[
                &[(ApiGroups, &["apps", "batch"]), cu],
                &[
                    (Resources, &["deployments", "jobs"]),
                    (Operations, &["UPDATE", "DELETE"]),
                ],
                &[(Kinds, &["apps/Deployment", "Pod"]), (Users, &["jane"])],
            ],
            &[["UPDATE", "apps", "v1", "deployments"]],
        ),
        (
            "an ephemeral container is not asked about where resources leave it out",
            &[&[(Kinds, &["Pod"]), (Resources, &["pods"]), cu]],
            &[["CREATE UPDATE", "", "v1", "pods"]],
        ),
        (
            "an empty list is nothing",
            &[&[(Kinds, &["Pod"]), (Namespaces, &[])]],
            &[],
        ),
        (
            "no operation is left",
            &[&[(Operations, &["CREATE"])], &[(Operations, &["DELETE"])]],
            &[],
        ),
        (
            "nothing",
            &[],
            &[
                [
                    "CREATE UPDATE",
                    "",
                    "v1",
                    "* pods/ephemeralcontainers pods/resize",
                ],
                ["CREATE UPDATE", "apps batch", "v1", "*"],
            ],
        ),
        (
            "what is connected to is a subresource",
            &[&[(Operations, &["CONNECT"]), (Namespaces, &["shop"])]],
            &[
                [
                    "CONNECT",
                    "",
                    "v1",
                    "* nodes/proxy pods/attach pods/ephemeralcontainers pods/exec pods/portforward pods/proxy \
                     pods/resize services/proxy",
                ],
                ["CONNECT", "apps batch", "v1", "*"],
            ],
        ),
        (
            "everything of two groups is never asked for",
            &[&[(ApiGroups, &["apps", "example.com"]), (Operations, &["DELETE"])]],
            &[["DELETE", "example.com", "*", "*"], ["DELETE", "apps", "v1", "*"]],
        ),
    ];
    for (name, matching, expected) in cases {
        let rules = of(&[wanted("p", matching)]);
        let got: BTreeSet<_> = rules
            .iter()
            .map(|rule| rule.each_ref().map(String::as_str))
            .collect();
        assert_eq!(got, BTreeSet::from_iter(expected.iter().copied()), "{name}");
        assert_eq!(got.len(), rules.len(), "{name}");
    }
}

#[test]
fn each_webhook_asks_for_the_policies_of_its_own_gate() {
    let pods = wanted("v", &[&[(Key::Kinds, &["Service"])]]);
    let jobs = Wanted {
        gate: Gate::Mutate,
        ..wanted("m", &[&[(Key::Kinds, &["batch/Job"])]])
    };
    let both = with_policies(vec![pods, jobs], request());
    let resources = |rules: Option<Vec<RuleWithOperations>>| {
        let rules = rules.unwrap().into_iter();
        rules
            .map(|rule| rule.resources.unwrap().join(" "))
            .collect::<Vec<_>>()
    };
    let [validate] = validating(&both).webhooks.unwrap().try_into().unwrap();
    let [mutate] = mutating(&both).webhooks.unwrap().try_into().unwrap();
    assert_eq!(resources(validate.rules), ["services"]);
    assert_eq!(resources(mutate.rules), ["jobs"]);
}

#[test]
fn whoever_is_asked_about_less_or_more_than_meant_is_told() {
    use Key::{ApiGroups, Kinds, Namespaces, Operations, Resources};
    let policies = [
        wanted("none", &[]),
        wanted("namespaces", &[&[(Namespaces, &["shop"])]]),
        wanted("groups", &[&[(ApiGroups, &["apps"]), (Operations, &["DELETE"])]]),
        wanted("globs", &[&[(ApiGroups, &["*.example.com"])]]),
        wanted("kinds", &[&[(Kinds, &["Pod"])]]),
        wanted("all", &[&[(Resources, &["*/*"]), (Operations, &["CREATE"])]]),
        wanted("exact", &[&[(Kinds, &["Pod"]), (Operations, &["CREATE"])]]),
    ];
    let vague = |names: &str, what: &str| {
        format!(
            "{names}: no `match` that names `resources` (or `kinds`), so admission asks for {what}; name them, or add \
             others with --rule"
        )
    };
    assert_eq!(
        rules::warnings(policies.iter()),
        [
            vague("validate/none, validate/namespaces", "CREATE and UPDATE in the API groups apps, batch and core"),
            vague("validate/all", "CREATE in the API groups apps, batch and core"),
            vague("validate/groups", "DELETE in the API group apps"),
            vague("validate/globs", "nothing"),
            "validate/kinds: no `match` that names `operations`, so admission asks for all of them, DELETE too, which \
             has no `object`"
                .to_owned(),
        ]
    );
}

/// What the API server asks of a rule, as its own matcher does.
fn matches(rule: &RuleWithOperations, operation: &str, resource: &Resource) -> bool {
    let any = |texts: &Option<Vec<String>>, value: &str| {
        let texts = texts.as_deref().unwrap();
        texts.iter().any(|text| text == "*" || text == value)
    };
    let of_resource = |text: &String| {
        let (plural, subresource) = text.split_once('/').unwrap_or((text, ""));
        (plural == "*" || plural == resource.plural)
            && (subresource == "*" || subresource == resource.subresource)
    };
    any(&rule.operations, operation)
        && any(&rule.api_groups, &resource.group)
        && any(&rule.api_versions, "v1")
        && rule.resources.as_deref().unwrap().iter().any(of_resource)
}

/// What the API server refuses in a rule.
fn check_rule(rule: &RuleWithOperations) {
    for texts in [&rule.operations, &rule.api_groups, &rule.api_versions] {
        let texts = texts.as_deref().unwrap();
        assert!(!texts.is_empty(), "{rule:?}");
        assert!(texts.len() == 1 || !texts.contains(&"*".to_owned()), "{rule:?}");
    }
    let resources = rule.resources.as_deref().unwrap();
    assert!(
        !resources.is_empty() && !resources.contains(&"*/*".to_owned()),
        "{rule:?}"
    );
    assert!(
        rule.api_groups.as_deref() != Some(&["*".to_owned()]) || !resources.contains(&"*".to_owned()),
        "{rule:?}"
    );
    for one in resources {
        for other in resources.iter().filter(|other| *other != one) {
            let hides = |wide: &str, narrow: &str| {
                let ((plural, sub), (other_plural, other_sub)) =
                    match (wide.split_once('/'), narrow.split_once('/')) {
                        (None, None) => return wide == "*",
                        (Some(wide), Some(narrow)) => (wide, narrow),
                        _ => return false,
                    };
                (sub == "*" && plural == other_plural) || (plural == "*" && sub == other_sub)
            };
            assert!(!hides(one, other), "{one} {other}: {rule:?}");
        }
    }
}

/// Group, kind, plural and subresource of requests as API servers make them.
const REQUESTS: [(&str, &str, &str, &str); 12] = [
    ("", "Pod", "pods", ""),
    ("", "Pod", "pods", "ephemeralcontainers"),
    ("", "Pod", "pods", "resize"),
    ("", "Pod", "pods", "status"),
    ("", "PodExecOptions", "pods", "exec"),
    ("", "Service", "services", ""),
    ("", "Node", "nodes", ""),
    ("apps", "Deployment", "deployments", ""),
    ("autoscaling", "Scale", "deployments", "scale"),
    ("batch", "Job", "jobs", ""),
    ("example.com", "Widget", "widgets", ""),
    ("example.com", "Widget", "widgets", "status"),
];

fn a_request() -> impl Strategy<Value = Facts> {
    let operation = prop::sample::select(OPERATIONS.to_vec());
    (prop::sample::select(REQUESTS.to_vec()), operation).prop_map(
        |((group, kind, plural, sub), operation)| Facts {
            resource: Some(Resource {
                // A scale is of the group autoscaling, its resource of apps.
                group: if sub == "scale" { "apps" } else { group }.to_owned(),
                plural: plural.to_owned(),
                subresource: sub.to_owned(),
            }),
            kind: Some((group.to_owned(), kind.to_owned())),
            operation: operation.to_owned(),
            ..Facts::default()
        },
    )
}

fn patterns(key: Key) -> &'static [&'static str] {
    match key {
        Key::ApiGroups => &["", "apps", "batch", "example.com", "*.com", "a*", "*"],
        Key::Resources => &[
            "pods",
            "pods/*",
            "pods/exec",
            "*",
            "*/*",
            "*/status",
            "p*/*",
            "widgets",
            "w*",
            "deployments",
            "*/sc*",
            "nodes",
            "pods/re*",
        ],
        Key::Kinds => &["Pod", "Service", "apps/Deployment", "batch/Job", "Node"],
        Key::Operations => &["CREATE", "UPDATE", "DELETE", "CONNECT", "*", "C*"],
        _ => &["a", "*"],
    }
}

fn a_match() -> impl Strategy<Value = Match> {
    let keys = vec![
        Key::ApiGroups,
        Key::Resources,
        Key::Kinds,
        Key::Operations,
        Key::Names,
    ];
    let lists = prop::sample::subsequence(keys, 0..4).prop_flat_map(|keys| {
        let some = |key: Key| {
            prop::collection::vec(prop::sample::select(patterns(key)).prop_map(str::to_owned), 1..4)
        };
        keys.into_iter()
            .map(|key| (Just(key), some(key)))
            .collect::<Vec<_>>()
    });
    lists.prop_map(|lists| Match {
        lists,
        ..Match::default()
    })
}

fn policies() -> impl Strategy<Value = Vec<Wanted>> {
    let matching = prop::collection::vec(a_match(), 0..3);
    prop::collection::vec(matching, 1..4).prop_map(|all| {
        let named = all.into_iter().enumerate();
        let wanted = |(at, matching): (usize, Vec<Match>)| Wanted {
            gate: Gate::Validate,
            name: format!("p{at}"),
            matching,
        };
        named.map(wanted).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn whatever_a_policy_matches_is_asked_for_or_the_operator_is_told(policies in policies(), facts in a_request()) {
        let [webhook] = validating(&with_policies(policies.clone(), request())).webhooks.unwrap().try_into().unwrap();
        let rules = webhook.rules.unwrap();
        rules.iter().for_each(check_rule);
        let resource = facts.resource.as_ref().unwrap();
        let is_asked = rules.iter().any(|rule| matches(rule, &facts.operation, resource));
        for policy in &policies {
            let fits = policy.matching.iter().all(|matching| matching.fits(&facts, Reach::Wide));
            let told = rules::warnings([policy].into_iter())
                .iter()
                .any(|warning| warning.contains("names `resources`"));
            prop_assert!(!fits || is_asked || told, "{policy:?}\n{facts:?}\n{rules:?}");
        }
    }
}
