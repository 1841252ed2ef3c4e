//! The webhook configurations, read back into the types of the API.

use super::*;

#[test]
fn the_webhook_configurations_are_the_apis_own() {
    let validating = validating(&request());
    assert_eq!(validating.metadata.name.as_deref(), Some("regate"));
    let [webhook] = validating.webhooks.unwrap().try_into().unwrap();
    assert_eq!(webhook.name, "validate.regate.dev");
    assert_eq!(webhook.admission_review_versions, ["v1", "v1beta1"]);
    assert_eq!(webhook.failure_policy.as_deref(), Some("Fail"));
    assert_eq!(webhook.match_policy.as_deref(), Some("Equivalent"));
    assert_eq!(webhook.side_effects, "None");
    assert_eq!(webhook.timeout_seconds, Some(5));
    assert_eq!(webhook.object_selector, None);
    let ca_bundle = Some(k8s_openapi::ByteString(PEM.as_bytes().to_vec()));
    let url = Some("https://127.0.0.1:8443/v1/validate".to_owned());
    assert_eq!(
        webhook.client_config,
        WebhookClientConfig {
            ca_bundle,
            service: None,
            url
        }
    );

    let mutating = mutating(&request());
    assert_eq!(mutating.metadata.name.as_deref(), Some("regate"));
    let [webhook] = mutating.webhooks.unwrap().try_into().unwrap();
    assert_eq!(webhook.name, "mutate.regate.dev");
    assert_eq!(webhook.admission_review_versions, ["v1", "v1beta1"]);
    assert_eq!(webhook.reinvocation_policy.as_deref(), Some("IfNeeded"));
    assert_eq!(webhook.failure_policy.as_deref(), Some("Fail"));
    assert_eq!(webhook.match_policy.as_deref(), Some("Equivalent"));
    assert_eq!(webhook.side_effects, "None");
    assert_eq!(webhook.timeout_seconds, Some(5));
    assert_eq!(
        webhook.client_config.url.as_deref(),
        Some("https://127.0.0.1:8443/v1/mutate")
    );
}

#[test]
fn a_service_is_named_with_its_path_and_port() {
    let [webhook] = validating(&by_service()).webhooks.unwrap().try_into().unwrap();
    let service = webhook.client_config.service.unwrap();
    assert_eq!(
        (service.namespace.as_str(), service.name.as_str()),
        ("regate-system", "regate")
    );
    assert_eq!(
        (service.path.as_deref(), service.port),
        (Some("/v1/validate"), Some(8443))
    );
    assert_eq!(webhook.client_config.url, None);
}

#[test]
fn the_default_rules_cover_pods_containers_and_never_everything() {
    let asked = Request {
        rules: "CREATE,DELETE:/pods,CONNECT:/pods/exec"
            .parse::<Rules>()
            .unwrap()
            .0,
        ..request()
    };
    let [validate] = validating(&asked).webhooks.unwrap().try_into().unwrap();
    let [mutate] = mutating(&asked).webhooks.unwrap().try_into().unwrap();
    assert_eq!(validate.rules, mutate.rules);
    let rules: Vec<_> = validate.rules.unwrap().iter().map(rule).collect();
    assert_eq!(
        rules,
        [
            ["CREATE UPDATE", "apps batch", "v1", "*", "*"],
            [
                "CREATE UPDATE",
                "",
                "v1",
                "* pods/ephemeralcontainers pods/resize",
                "*"
            ],
            ["CREATE DELETE", "", "*", "pods", "*"],
            ["CONNECT", "", "*", "pods/exec", "*"],
        ]
    );
}

#[test]
fn admission_leaves_namespaces_alone_that_the_cluster_or_regate_needs() {
    let values = |request: &Request| {
        let [webhook] = validating(request).webhooks.unwrap().try_into().unwrap();
        let selector = webhook.namespace_selector.unwrap();
        assert_eq!(selector.match_labels, None);
        let [requirement] = selector.match_expressions.unwrap().try_into().unwrap();
        assert_eq!(requirement.key, "kubernetes.io/metadata.name");
        assert_eq!(requirement.operator, "NotIn");
        requirement.values.unwrap()
    };
    assert_eq!(values(&request()), ["kube-system"]);
    let exempt_namespaces = ["zoo", "kube-system", "a"]
        .map(|name| name.parse().unwrap())
        .into();
    assert_eq!(
        values(&Request {
            exempt_namespaces,
            ..by_service()
        }),
        ["a", "kube-system", "regate-system", "zoo"]
    );
}

#[test]
fn admission_leaves_requests_alone_that_the_cluster_or_regate_needs() {
    let conditions = |request: &Request| {
        let [webhook] = validating(request).webhooks.unwrap().try_into().unwrap();
        let [other] = mutating(request).webhooks.unwrap().try_into().unwrap();
        assert_eq!(webhook.match_conditions, other.match_conditions);
        let conditions = webhook.match_conditions.unwrap().into_iter();
        conditions
            .map(|condition| (condition.name, condition.expression))
            .collect::<Vec<_>>()
    };
    let by_url = conditions(&request());
    let expected = [
        (
            "not-a-node",
            "!has(request.userInfo.groups) || !('system:nodes' in request.userInfo.groups)",
        ),
        (
            "not-an-access-review",
            "!(request.resource.group in ['authentication.k8s.io', 'authorization.k8s.io'])",
        ),
        (
            "not-what-the-cluster-runs-on",
            "!((request.resource.group + '/' + request.resource.resource + \
             (has(request.subResource) ? '/' + request.subResource : '')) in ['/endpoints', '/events', '/nodes', \
             '/nodes/status', '/pods/binding', '/pods/status', '/serviceaccounts/token', \
             'apiregistration.k8s.io/apiservices', 'apiregistration.k8s.io/apiservices/status', \
             'certificates.k8s.io/certificatesigningrequests', \
             'certificates.k8s.io/certificatesigningrequests/approval', \
             'certificates.k8s.io/certificatesigningrequests/status', 'coordination.k8s.io/leases', \
             'discovery.k8s.io/endpointslices', 'events.k8s.io/events'])",
        ),
    ];
    assert_eq!(
        by_url,
        expected.map(|(name, expression)| (name.to_owned(), expression.to_owned()))
    );
    let own = (
        "not-regate".to_owned(),
        "request.userInfo.username != 'system:serviceaccount:regate-system:regate'".to_owned(),
    );
    assert_eq!(conditions(&by_service()), [vec![own], by_url].concat());
}

#[test]
fn a_url_without_a_port_is_written_with_it() {
    let request = Request {
        target: Target::Url("https://[::1]".parse().unwrap()),
        ..request()
    };
    let [webhook] = validating(&request).webhooks.unwrap().try_into().unwrap();
    assert_eq!(
        webhook.client_config.url.as_deref(),
        Some("https://[::1]:443/v1/validate")
    );
}
