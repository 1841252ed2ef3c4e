use super::*;

fn list(key: Key, patterns: &[&str]) -> Match {
    let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Match {
        lists: vec![(key, patterns)],
        ..Match::default()
    }
}

fn resource(group: &str, plural: &str, subresource: &str) -> Facts {
    Facts {
        resource: Some(Resource {
            group: group.to_owned(),
            plural: plural.to_owned(),
            subresource: subresource.to_owned(),
        }),
        ..Facts::default()
    }
}

fn admission(group: &str, kind: &str, plural: &str, subresource: &str) -> Facts {
    Facts {
        kind: Some((group.to_owned(), kind.to_owned())),
        ..resource(group, plural, subresource)
    }
}

#[test]
fn keys_and_values_or_absent_matches_all_and_empty_nothing() {
    let facts = Facts {
        operation: "CREATE".into(),
        namespace: "shop".into(),
        ..resource("", "pods", "")
    };
    let both = |operation: &str, namespace: &str| Match {
        lists: vec![
            (Key::Operations, vec!["UPDATE".into(), operation.into()]),
            (Key::Namespaces, vec![namespace.into(), "other".into()]),
        ],
        ..Match::default()
    };
    assert!(both("CREATE", "shop").fits(&facts, Reach::Narrow));
    assert!(!both("CREATE", "cart").fits(&facts, Reach::Narrow));
    assert!(!both("DELETE", "shop").fits(&facts, Reach::Narrow));
    assert!(Match::default().fits(&facts, Reach::Narrow));
    assert!(!list(Key::Namespaces, &[]).fits(&facts, Reach::Wide));
}

#[test]
fn resources_are_written_as_in_webhook_rules() {
    for (pattern, plural, subresource, expected) in [
        ("pods", "pods", "", true),
        ("pods", "pods", "exec", false),
        ("*", "pods", "", true),
        ("*", "pods", "exec", false),
        ("*/*", "pods", "", true),
        ("*/*", "pods", "exec", true),
        ("pods/*", "pods", "", true),
        ("pods/*", "pods", "exec", true),
        ("pods/*", "services", "", false),
        ("pods/exec", "pods", "exec", true),
        ("pods/exec", "pods", "", false),
        ("*/scale", "deployments", "scale", true),
        ("*/scale", "deployments", "", false),
        ("po*", "pods", "", true),
        ("po*/ex*", "pods", "exec", true),
        ("po*", "pods", "exec", false),
    ] {
        let fits = list(Key::Resources, &[pattern]).fits(&resource("", plural, subresource), Reach::Wide);
        assert_eq!(fits, expected, "{pattern} {plural}/{subresource}");
    }
}

#[test]
fn a_kind_is_its_main_resource_and_of_a_pod_what_changes_its_spec() {
    for (pattern, facts, expected) in [
        ("Pod", admission("", "Pod", "pods", ""), true),
        ("Pod", admission("", "Pod", "pods", "ephemeralcontainers"), true),
        ("Pod", admission("", "Pod", "pods", "resize"), true),
        ("Pod", admission("", "Pod", "pods", "status"), false),
        ("Pod", admission("", "PodExecOptions", "pods", "exec"), false),
        ("Pod", admission("other", "Pod", "pods", ""), false),
        (
            "apps/Deployment",
            admission("apps", "Deployment", "deployments", "resize"),
            false,
        ),
        (
            "apps/Deployment",
            admission("apps", "Deployment", "deployments", ""),
            true,
        ),
        (
            "apps/Deployment",
            admission("autoscaling", "Scale", "deployments", "scale"),
            false,
        ),
        (
            "apps/*",
            admission("apps", "StatefulSet", "statefulsets", ""),
            true,
        ),
        (
            "apps/*",
            admission("apps", "StatefulSet", "statefulsets", "status"),
            false,
        ),
        ("*/Job", admission("batch", "Job", "jobs", ""), true),
        ("Job", admission("batch", "Job", "jobs", ""), false),
    ] {
        let fits = list(Key::Kinds, &[pattern]).fits(&facts, Reach::Narrow);
        assert_eq!(fits, expected, "{pattern} {facts:?}");
    }
}

#[test]
fn a_kind_outside_of_the_table_is_found_by_its_name_and_its_resource() {
    let widgets = Match {
        lists: vec![
            (Key::Kinds, vec!["example.com/Widget".into()]),
            (Key::Resources, vec!["widgets".into()]),
        ],
        ..Match::default()
    };
    for (facts, expected) in [
        (admission("example.com", "Widget", "widgets", ""), true),
        (admission("example.com", "Widget", "widgets", "status"), false),
        (admission("example.com", "Widget", "others", ""), false),
        (admission("example.com", "Other", "widgets", ""), false),
        (admission("other.com", "Widget", "widgets", ""), false),
    ] {
        assert_eq!(widgets.fits(&facts, Reach::Narrow), expected, "{facts:?}");
    }
}

#[test]
fn a_star_in_a_review_is_everything_for_a_refusal_and_itself_for_a_permission() {
    let star = |operation: &str, group: &str, plural: &str| Facts {
        operation: operation.to_owned(),
        ..resource(group, plural, "")
    };
    for (key, pattern, facts) in [
        (Key::Operations, "get", star("*", "", "pods")),
        (Key::ApiGroups, "apps", star("get", "*", "pods")),
        (Key::Resources, "pods/exec", star("get", "", "*")),
    ] {
        assert!(list(key, &[pattern]).fits(&facts, Reach::Wide), "{key}");
        assert!(!list(key, &[pattern]).fits(&facts, Reach::Narrow), "{key}");
        assert!(list(key, &["*"]).fits(&facts, Reach::Narrow), "{key}");
        assert!(!list(key, &[]).fits(&facts, Reach::Wide), "{key}");
    }
    let subresource = resource("", "pods", "*");
    assert!(list(Key::Resources, &["pods/exec"]).fits(&subresource, Reach::Wide));
    assert!(!list(Key::Resources, &["pods/exec"]).fits(&subresource, Reach::Narrow));
}

#[test]
fn impersonation_has_finer_verbs() {
    for (verb, expected) in [
        ("impersonate", true),
        ("impersonate:user-info", true),
        ("impersonate-on:user-info:list", true),
        ("impersonates", false),
        ("get", false),
    ] {
        let facts = Facts {
            operation: verb.to_owned(),
            ..resource("", "users", "")
        };
        for reach in [Reach::Wide, Reach::Narrow] {
            assert_eq!(
                list(Key::Operations, &["impersonate"]).fits(&facts, reach),
                expected,
                "{verb}"
            );
        }
    }
}

#[test]
fn a_permission_for_namespaces_is_none_for_all_of_them() {
    let everywhere = Facts {
        all_namespaces: true,
        ..resource("", "secrets", "")
    };
    for (key, patterns, wide) in [
        (Key::Namespaces, &["", "shop"][..], true),
        (Key::Namespaces, &["shop"], false),
        (Key::Namespaces, &["*"], true),
        (Key::ExcludedNamespaces, &["shop"], true),
    ] {
        assert_eq!(
            list(key, patterns).fits(&everywhere, Reach::Wide),
            wide,
            "{key} {patterns:?}"
        );
        assert!(
            !list(key, patterns).fits(&everywhere, Reach::Narrow),
            "{key} {patterns:?}"
        );
    }
    // At admission no namespace is just none.
    let cluster_scoped = resource("", "nodes", "");
    assert!(list(Key::ExcludedNamespaces, &["shop"]).fits(&cluster_scoped, Reach::Narrow));
    assert!(list(Key::Namespaces, &[""]).fits(&cluster_scoped, Reach::Narrow));
}

#[test]
fn names_users_groups_and_paths_are_globs() {
    let facts = Facts {
        name: "web-7f".into(),
        user: "system:serviceaccount:shop:ci".into(),
        groups: vec!["dev".into(), "team-shop".into()],
        ..resource("", "pods", "")
    };
    for (key, pattern, expected) in [
        (Key::Names, "web-*", true),
        (Key::Names, "api-*", false),
        (Key::Users, "system:serviceaccount:shop:*", true),
        (Key::Users, "shop", false),
        (Key::Groups, "team-*", true),
        (Key::Groups, "ops", false),
        (Key::Paths, "*", false),
    ] {
        assert_eq!(
            list(key, &[pattern]).fits(&facts, Reach::Wide),
            expected,
            "{key} {pattern}"
        );
    }
    let path = Facts {
        path: Some("/metrics/cadvisor".into()),
        operation: "get".into(),
        ..Facts::default()
    };
    assert!(list(Key::Paths, &["/metrics/*"]).fits(&path, Reach::Narrow));
    assert!(!list(Key::Paths, &["/metrics"]).fits(&path, Reach::Narrow));
    assert!(list(Key::Operations, &["get"]).fits(&path, Reach::Narrow));
    for key in [Key::ApiGroups, Key::Resources, Key::Names] {
        assert!(
            !list(key, &["*"]).fits(&path, Reach::Wide),
            "{key} of what is no resource"
        );
    }
}

#[test]
fn each_gate_has_the_keys_of_its_reviews() {
    let keys = |gate: Gate| -> Vec<&str> {
        Key::ALL
            .into_iter()
            .filter(|key| key.holds_at(gate))
            .map(Key::as_str)
            .collect()
    };
    assert_eq!(keys(Gate::Authn), [""; 0]);
    assert_eq!(keys(Gate::Image), ["namespaces", "excludedNamespaces"]);
    assert_eq!(
        keys(Gate::Authz),
        [
            "apiGroups",
            "resources",
            "operations",
            "names",
            "namespaces",
            "excludedNamespaces",
            "users",
            "groups",
            "paths"
        ]
    );
    for gate in [Gate::Mutate, Gate::Validate] {
        assert_eq!(
            keys(gate),
            [
                "apiGroups",
                "resources",
                "kinds",
                "operations",
                "names",
                "namespaces",
                "excludedNamespaces",
                "users",
                "groups"
            ]
        );
    }
}
