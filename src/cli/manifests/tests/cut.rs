//! What exclusions take from policies: all of it is told, and a policy that nobody enforces ends the command with 1.

use super::*;
use crate::policy::matching::Selector;
use crate::policy::matching::selector::{Operator, Requirement};

/// The lists of a `match`.
type Lists<'a> = &'a [(Key, &'a [&'a str])];

const CU: (Key, &[&str]) = (Key::Operations, &["CREATE", "UPDATE"]);

fn of(policies: Vec<Wanted>, request: Request) -> Cuts {
    cuts(&with_policies(policies, request))
}

#[test]
fn every_policy_that_an_exclusion_cuts_is_told() {
    use Key::{ExcludedNamespaces, Groups, Kinds, Namespaces, Resources, Users};
    let policies = vec![
        wanted("wide", &[]),
        wanted("shop", &[&[(Kinds, &["Service"]), (Namespaces, &["shop"]), CU]]),
        wanted(
            "kube",
            &[&[
                (Kinds, &["Service"]),
                (Namespaces, &["kube-*", "shop"]),
                (Groups, &["dev"]),
                CU,
            ]],
        ),
        wanted(
            "spared",
            &[&[
                (Kinds, &["Service"]),
                (ExcludedNamespaces, &["kube-*"]),
                (Groups, &["dev"]),
                CU,
            ]],
        ),
        wanted(
            "parts",
            &[&[
                (Key::ApiGroups, &[""]),
                (Resources, &["pods/*", "nodes"]),
                (Namespaces, &["shop"]),
                (Users, &["jane"]),
                CU,
            ]],
        ),
    ];
    let cut = of(policies, request());
    assert_eq!(cut.whole, [""; 0]);
    assert_eq!(
        cut.partly,
        [
            "never asked about /endpoints, /events, /nodes: validate/wide",
            "never asked about /nodes, /pods/binding, /pods/status: validate/parts",
            "never asked about the group system:nodes: validate/wide, validate/shop, validate/parts",
            "never asked about the namespace kube-system: validate/wide, validate/kube",
        ]
    );
}

#[test]
fn the_namespace_and_the_user_of_regate_are_exclusions_too() {
    let policies = vec![wanted(
        "shop",
        &[&[(Key::Kinds, &["Service"]), (Key::Groups, &["dev"]), CU]],
    )];
    let exempt_namespaces = ["zoo".parse().unwrap()].into();
    let cut = of(
        policies,
        Request {
            exempt_namespaces,
            ..by_service()
        },
    );
    assert_eq!(
        cut.partly,
        [
            "never asked about the namespace kube-system: validate/shop",
            "never asked about the namespace regate-system: validate/shop",
            "never asked about the namespace zoo: validate/shop",
            "never asked about the user system:serviceaccount:regate-system:regate: validate/shop",
        ]
    );
}

#[test]
fn a_selector_by_name_says_which_namespaces_are_meant() {
    let selecting = |operator: Operator| {
        let mut policy = wanted("p", &[&[(Key::Kinds, &["Service"]), (Key::Groups, &["dev"]), CU]]);
        let requirement = |key: &str, operator| Requirement {
            key: key.to_owned(),
            operator,
        };
        policy.matching[0].selector = Some(Selector {
            requirements: vec![
                requirement("kubernetes.io/metadata.name", operator),
                requirement("env", Operator::Exists),
            ],
        });
        of(vec![policy], request()).partly
    };
    let kube_system = || vec!["kube-system".to_owned()];
    assert_eq!(selecting(Operator::NotIn(kube_system())), [""; 0]);
    assert_eq!(
        selecting(Operator::In(kube_system())),
        ["never asked about the namespace kube-system: validate/p"]
    );
}

#[test]
fn a_policy_that_nobody_would_enforce_is_told_apart() {
    use Key::{Groups, Kinds, Namespaces, Resources, Users};
    let zoo = || Request {
        exempt_namespaces: ["zoo".parse().unwrap()].into(),
        ..by_service()
    };
    let service: (Key, &[&str]) = (Kinds, &["Service"]);
    let cases: [(Lists<'_>, &str); 7] = [
        (
            &[service, (Namespaces, &["zoo", "kube-system"])],
            "the namespace kube-system, zoo",
        ),
        (&[service, (Groups, &["system:nodes"])], "the group system:nodes"),
        (
            &[service, (Users, &["system:node:a", "system:node:*"])],
            "the group system:nodes",
        ),
        (
            &[
                service,
                (Users, &["system:serviceaccount:regate-system:regate"]),
                (Groups, &["x"]),
            ],
            "the user system:serviceaccount:regate-system:regate",
        ),
        (
            &[(Kinds, &["Node", "coordination.k8s.io/Lease"])],
            "/nodes, coordination.k8s.io/leases",
        ),
        (
            &[
                (Key::ApiGroups, &["authentication.k8s.io"]),
                (Resources, &["tokenreviews"]),
            ],
            "authentication.k8s.io/tokenreviews",
        ),
        (&[service, (Namespaces, &["zoo", ""])], ""),
    ];
    for (lists, what) in cases {
        let cut = of(vec![wanted("p", &[lists])], zoo());
        let expected = format!(
            "validate/p: nobody enforces it: its `match` is about nothing but {what}, and admission is never asked \
             about that"
        );
        let expected = if what.is_empty() {
            Vec::new()
        } else {
            vec![expected]
        };
        assert_eq!(cut.whole, expected, "{lists:?}");
        assert_eq!(cut.partly.is_empty(), !what.is_empty(), "{:?}", cut.partly);
    }
    let elsewhere = Wanted {
        gate: Gate::Mutate,
        ..wanted("p", &[&[(Groups, &["system:nodes"])]])
    };
    let validate_only = Request {
        gates: BTreeSet::from([Gate::Validate]),
        ..request()
    };
    assert_eq!(of(vec![elsewhere], validate_only), Cuts::default());
}

#[test]
fn a_policy_that_no_rule_asks_about_is_told_unless_it_says_so_itself() {
    use Key::{ApiGroups, Kinds, Operations, Resources};
    let policies = || {
        vec![
            wanted("globs", &[&[(ApiGroups, &["*.example.com"]), CU]]),
            wanted("kinds", &[&[(ApiGroups, &["apps"]), (Kinds, &["Pod"]), CU]]),
            wanted("operations", &[&[CU], &[(Operations, &["DELETE"])]]),
            wanted("off", &[&[(Resources, &[])]]),
            wanted("asked", &[&[(Kinds, &["Pod"]), (Key::Namespaces, &["shop"]), CU]]),
        ]
    };
    let keys = |name: &str| {
        format!("validate/{name}: nobody enforces it: the keys of its `match` rule each other out")
    };
    let globs = "validate/globs: nobody enforces it: its `match` names no `resources`, and none of its API groups: name \
                 them, or add them with --rule"
        .to_owned();
    assert_eq!(
        of(policies(), request()).whole,
        [globs, keys("kinds"), keys("operations")]
    );
    let Rules(rules) = "CREATE:a.example.com/widgets".parse().unwrap();
    let added = Request { rules, ..request() };
    assert_eq!(of(policies(), added).whole, [keys("kinds"), keys("operations")]);
}
