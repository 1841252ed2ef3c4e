//! The files, read back as the API server reads them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use serde_json::{Value, json};

use super::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
/// The same as kubeconfigs hold it.
const PEM_BASE64: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";

/// Every gate has a policy, and one of authz can deny.
fn strictest() -> Registered {
    Registered { authz_has_deny: true, gates: BTreeSet::from(Gate::ALL) }
}

fn request() -> Request {
    Request {
        install_dir: PathBuf::from("/etc/regate"),
        target: Target::Url("https://127.0.0.1:8443".parse().unwrap()),
        ca: PEM.as_bytes().to_vec(),
        client: Some(Client {
            certificate: PathBuf::from("/pki/a.crt"),
            key: PathBuf::from("/pki/a.key"),
        }),
        exempt_namespaces: BTreeSet::new(),
        failure_policies: Vec::new(),
        rules: Vec::new(),
        gates: BTreeSet::from(Gate::ALL),
        registered: strictest(),
    }
}

fn by_service() -> Request {
    Request {
        target: Target::Service("regate-system/regate:8443".parse().unwrap()),
        gates: BTreeSet::from([Gate::Mutate, Gate::Validate]),
        ..request()
    }
}

fn content(request: &Request, name: &str) -> String {
    let files = render(request).unwrap();
    files
        .into_iter()
        .find(|(file, _)| *file == name)
        .unwrap_or_else(|| panic!("no {name}"))
        .1
}

fn document(request: &Request, name: &str) -> Value {
    serde_saphyr::from_str(&content(request, name)).unwrap()
}

fn validating(request: &Request) -> ValidatingWebhookConfiguration {
    serde_saphyr::from_str(&content(request, "validating.yaml")).unwrap()
}

fn mutating(request: &Request) -> MutatingWebhookConfiguration {
    serde_saphyr::from_str(&content(request, "mutating.yaml")).unwrap()
}

fn names(request: &Request) -> Vec<&'static str> {
    render(request)
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn rule(rule: &RuleWithOperations) -> [String; 5] {
    let join = |texts: &Option<Vec<String>>| texts.clone().unwrap().join(" ");
    [
        join(&rule.operations),
        join(&rule.api_groups),
        join(&rule.api_versions),
        join(&rule.resources),
        rule.scope.clone().unwrap(),
    ]
}

#[test]
fn all_gates_by_url_give_all_files() {
    let mut files = names(&request());
    files.sort_unstable();
    assert_eq!(
        files,
        [
            "admission.kubeconfig",
            "admission.yaml",
            "authn.kubeconfig",
            "authz.kubeconfig",
            "authz.yaml",
            "image.kubeconfig",
            "kube-apiserver.flags",
            "mutating.yaml",
            "undo.sh",
            "validating.yaml",
        ]
    );
}

#[test]
fn only_what_the_listed_gates_need_is_written() {
    let only = |gate| {
        names(&Request {
            gates: BTreeSet::from([gate]),
            client: None,
            ..request()
        })
    };
    assert_eq!(
        only(Gate::Authn),
        ["authn.kubeconfig", "kube-apiserver.flags", "undo.sh"]
    );
    assert_eq!(
        only(Gate::Authz),
        [
            "authz.kubeconfig",
            "authz.yaml",
            "kube-apiserver.flags",
            "undo.sh"
        ]
    );
    assert_eq!(
        only(Gate::Image),
        [
            "image.kubeconfig",
            "admission.yaml",
            "kube-apiserver.flags",
            "undo.sh"
        ]
    );
    assert_eq!(
        only(Gate::Mutate),
        ["mutating.yaml", "kube-apiserver.flags", "undo.sh"]
    );
    assert_eq!(
        only(Gate::Validate),
        ["validating.yaml", "kube-apiserver.flags", "undo.sh"]
    );
    assert_eq!(
        render(&Request {
            gates: BTreeSet::new(),
            ..request()
        }),
        Err(Error::NoGate)
    );
}

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
fn a_service_is_refused_for_the_gates_that_the_api_servers_host_asks() {
    for gate in [Gate::Authn, Gate::Authz, Gate::Image] {
        let error = render(&Request {
            gates: BTreeSet::from([gate]),
            ..by_service()
        })
        .unwrap_err();
        assert_eq!(error, Error::ByService { gate });
        assert_eq!(
            error.to_string(),
            format!(
                "--service with --gate {gate}: kube-apiserver asks {gate} from its host, where no Service has a \
                 name; give --url for it"
            )
        );
    }
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
            ["CREATE UPDATE", " apps batch", "v1", "*", "*"],
            [
                "CREATE UPDATE",
                "",
                "v1",
                "pods/ephemeralcontainers pods/resize",
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
fn the_gates_of_flags_have_a_kubeconfig_each() {
    for (gate, file) in [
        ("authn", "authn.kubeconfig"),
        ("authz", "authz.kubeconfig"),
        ("image", "image.kubeconfig"),
    ] {
        assert_eq!(
            document(&request(), file),
            json!({
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{
                    "name": "regate",
                    "cluster": {
                        "server": format!("https://127.0.0.1:8443/v1/{gate}"),
                        "certificate-authority-data": PEM_BASE64,
                    },
                }],
                "users": [{
                    "name": "kube-apiserver",
                    "user": {"client-certificate": "/pki/a.crt", "client-key": "/pki/a.key"},
                }],
                "contexts": [{"name": "regate", "context": {"cluster": "regate", "user": "kube-apiserver"}}],
                "current-context": "regate",
            })
        );
    }
    let anonymous = document(
        &Request {
            client: None,
            ..request()
        },
        "authn.kubeconfig",
    );
    assert_eq!(
        anonymous["users"],
        json!([{"name": "kube-apiserver", "user": {}}])
    );
}

#[test]
fn authz_is_asked_after_nodes_and_before_rbac() {
    let expected = |failure_policy: &str| {
        json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthorizationConfiguration",
            "authorizers": [
                {"type": "Node", "name": "node"},
                {"type": "Webhook", "name": "regate", "webhook": {
                    "authorizedTTL": "10s",
                    "unauthorizedTTL": "10s",
                    "timeout": "5s",
                    "subjectAccessReviewVersion": "v1",
                    "matchConditionSubjectAccessReviewVersion": "v1",
                    "failurePolicy": failure_policy,
                    "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "/etc/regate/authz.kubeconfig"},
                    "matchConditions": [
                        {"expression": "!has(request.groups) || !request.groups.exists(group, group in \
                            ['system:masters', 'system:nodes', 'system:serviceaccounts:kube-system'])"},
                        {"expression": "!has(request.user) || !(request.user in ['system:apiserver', \
                            'system:kube-controller-manager', 'system:kube-scheduler', 'system:kube-proxy'])"},
                    ],
                }},
                {"type": "RBAC", "name": "rbac"},
            ],
        })
    };
    assert_eq!(document(&request(), "authz.yaml"), expected("Deny"));
    let registered = Registered {
        authz_has_deny: false,
        ..strictest()
    };
    let allow_only = Request {
        registered,
        ..request()
    };
    assert_eq!(document(&allow_only, "authz.yaml"), expected("NoOpinion"));
}

#[test]
fn a_failure_policy_that_is_asked_for_wins_at_its_gate_only() {
    let words = ["mutate=Fail", "mutate=Ignore", "authz=NoOpinion"];
    let failure_policies = words.map(|word| word.parse().unwrap()).to_vec();
    let request = Request {
        failure_policies,
        ..request()
    };
    let [mutate] = mutating(&request).webhooks.unwrap().try_into().unwrap();
    let [validate] = validating(&request).webhooks.unwrap().try_into().unwrap();
    assert_eq!(mutate.failure_policy.as_deref(), Some("Ignore"));
    assert_eq!(validate.failure_policy.as_deref(), Some("Fail"));
    assert_eq!(
        document(&request, "authz.yaml")["authorizers"][1]["webhook"]["failurePolicy"],
        "NoOpinion"
    );

    let failure_policies = vec!["validate=Ignore".parse().unwrap(), "authz=Deny".parse().unwrap()];
    let registered = Registered {
        authz_has_deny: false,
        ..strictest()
    };
    let request = Request {
        failure_policies,
        registered,
        ..request
    };
    let [validate] = validating(&request).webhooks.unwrap().try_into().unwrap();
    assert_eq!(validate.failure_policy.as_deref(), Some("Ignore"));
    assert_eq!(
        document(&request, "authz.yaml")["authorizers"][1]["webhook"]["failurePolicy"],
        "Deny"
    );
}

#[test]
fn admission_configures_images_and_the_credentials_of_the_webhooks() {
    let webhooks = |name: &str| {
        json!({"name": name, "configuration": {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": "/etc/regate/admission.kubeconfig",
        }})
    };
    let images = json!({"name": "ImagePolicyWebhook", "configuration": {"imagePolicy": {
        "kubeConfigFile": "/etc/regate/image.kubeconfig",
        "allowTTL": 30,
        "denyTTL": 1,
        "retryBackoff": 500,
        "defaultAllow": false,
    }}});
    let expected = |plugins: &[Value]| json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": plugins});
    let (mutate, validate) = (
        webhooks("MutatingAdmissionWebhook"),
        webhooks("ValidatingAdmissionWebhook"),
    );
    assert_eq!(
        document(&request(), "admission.yaml"),
        expected(&[images.clone(), mutate, validate.clone()])
    );
    let anonymous = Request {
        client: None,
        ..request()
    };
    assert_eq!(document(&anonymous, "admission.yaml"), expected(&[images]));
    let one = Request {
        gates: BTreeSet::from([Gate::Validate]),
        ..request()
    };
    assert_eq!(document(&one, "admission.yaml"), expected(&[validate]));
}

#[test]
fn the_credentials_are_found_by_host_and_port_and_on_443_by_host_alone() {
    let user = |target: Target| {
        let gates = BTreeSet::from([Gate::Validate]);
        let document = document(
            &Request {
                target,
                gates,
                ..request()
            },
            "admission.kubeconfig",
        );
        assert_eq!(document["apiVersion"], "v1");
        assert_eq!(document["kind"], "Config");
        let user = json!({"client-certificate": "/pki/a.crt", "client-key": "/pki/a.key"});
        assert_eq!(document["users"][0]["user"], user);
        document["users"][0]["name"].as_str().unwrap().to_owned()
    };
    let url = |text: &str| user(Target::Url(text.parse().unwrap()));
    let service = |text: &str| user(Target::Service(text.parse().unwrap()));
    assert_eq!(url("https://127.0.0.1:8443"), "127.0.0.1:8443");
    assert_eq!(url("https://regate.example.com"), "regate.example.com");
    assert_eq!(url("https://regate.example.com:443/"), "regate.example.com");
    assert_eq!(url("https://[::1]:8443"), "[::1]:8443");
    assert_eq!(url("https://[::1]"), "::1");
    assert_eq!(
        service("regate-system/regate:8443"),
        "regate.regate-system.svc:8443"
    );
    assert_eq!(service("regate-system/regate:443"), "regate.regate-system.svc");
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

#[test]
fn the_flags_are_one_per_line_and_say_what_to_remove() {
    let flags = content(&request(), "kube-apiserver.flags");
    let (comments, flags): (Vec<_>, Vec<_>) = flags.lines().partition(|line| line.starts_with('#'));
    assert_eq!(
        flags,
        [
            "--authentication-token-webhook-config-file=/etc/regate/authn.kubeconfig",
            "--authentication-token-webhook-version=v1",
            "--authentication-token-webhook-cache-ttl=10s",
            "--authorization-config=/etc/regate/authz.yaml",
            "--enable-admission-plugins=ImagePolicyWebhook",
            "--admission-control-config-file=/etc/regate/admission.yaml",
        ]
    );
    let comments = comments.join("\n");
    assert!(
        comments.contains("Remove --authorization-mode and every --authorization-webhook-* flag"),
        "{comments}"
    );

    let without = Request {
        gates: BTreeSet::from([Gate::Validate]),
        client: None,
        ..request()
    };
    let flags = content(&without, "kube-apiserver.flags");
    assert!(flags.lines().all(|line| line.starts_with('#')), "{flags}");
    assert!(!flags.contains("Remove"), "{flags}");
}

#[test]
fn undo_deletes_what_was_created_and_lists_every_flag() {
    let undo = content(&request(), "undo.sh");
    assert!(undo.starts_with("#!/bin/sh\n"), "{undo}");
    for kind in ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"] {
        assert!(
            undo.contains(&format!(
                "\"${{KUBECTL:-kubectl}}\" delete {kind} regate --ignore-not-found\n"
            )),
            "{undo}"
        );
    }
    let flags = content(&request(), "kube-apiserver.flags");
    for flag in flags.lines().filter(|line| line.starts_with("--")) {
        assert!(
            undo.contains(&format!("  {flag}\n")),
            "{flag} is missing in {undo}"
        );
    }
    let one = content(
        &Request {
            gates: BTreeSet::from([Gate::Mutate]),
            client: None,
            ..request()
        },
        "undo.sh",
    );
    assert!(!one.contains("validating"), "{one}");
    assert!(!one.contains("Take these flags"), "{one}");
}

#[test]
fn a_rule_that_means_nothing_or_everything_is_refused() {
    let refused = |text: &str| text.parse::<Rules>().unwrap_err().to_string();
    let shape = "write OPERATIONS:GROUP/RESOURCE, like CREATE,UPDATE:apps/deployments or CONNECT:/pods/exec";
    let operations = "the operations are CREATE, UPDATE, DELETE and CONNECT";
    let resource = "the resource is no RESOURCE or RESOURCE/SUBRESOURCE, and `*/*` would be everything";
    let group = "the group is no name of an API group";
    for (text, reason) in [
        ("CREATE", shape),
        ("CREATE:pods", shape),
        ("CREATE:/pods,DELETE", shape),
        ("", operations),
        ("create:/pods", operations),
        ("*:/pods", operations),
        ("CREATE:*/*", group),
        ("CREATE:Apps/deployments", group),
        ("CREATE:/*/*", resource),
        ("CREATE:/pods/exec/x", resource),
        ("CREATE:/", resource),
        ("CREATE:/Pods", resource),
    ] {
        assert_eq!(refused(text), format!("`{text}` is no rule: {reason}"));
    }
    for text in [
        "UPDATE:/pods/status",
        "DELETE:/nodes",
        "CREATE:authorization.k8s.io/subjectaccessreviews",
    ] {
        assert_eq!(
            refused(text),
            format!("--rule {text}: never asked, because a cluster could not come up again if it were")
        );
    }
}

#[test]
fn rules_are_read_with_all_their_operations() {
    let Rules(rules) = "CREATE,UPDATE:apps/deployments,DELETE:example.com/*,UPDATE:/pods/*"
        .parse()
        .unwrap();
    let texts: Vec<_> = rules.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "CREATE,UPDATE:apps/deployments",
            "DELETE:example.com/*",
            "UPDATE:/pods/*"
        ]
    );
}

#[test]
fn addresses_and_names_that_the_api_server_would_refuse_are_refused() {
    for text in [
        "http://regate",
        "regate:8443",
        "https://",
        "https://regate:0",
        "https://regate:65536",
        "https://regate:",
        "https://user@regate",
        "https://regate/v1",
        "https://regate?x",
        "https://regate#x",
        "https://[::1",
        "https://[regate]",
        "https://::1",
        "https://[::1]x",
        "https://regate//",
        "https://Regate",
        "https://a'b",
    ] {
        assert_eq!(text.parse::<Url>(), Err(Error::Url(text.to_owned())));
    }
    for text in [
        "regate", "a/b", "a/b:0", "a/b:x", "/b:1", "a/:1", "a/b/c:1", "A/b:1", "a/b':1",
    ] {
        assert_eq!(text.parse::<Service>(), Err(Error::Service(text.to_owned())));
    }
    for text in ["", "-a", "a-", "a.b", "a'", &"a".repeat(64)] {
        assert_eq!(text.parse::<Name>(), Err(Error::Name(text.to_owned())));
    }
    for text in [
        "image=Ignore",
        "authn=Deny",
        "authz=Fail",
        "validate=Deny",
        "Fail",
        "validate=fail",
    ] {
        assert_eq!(
            text.parse::<FailurePolicy>(),
            Err(Error::FailurePolicy(text.to_owned()))
        );
    }
}

#[test]
fn what_the_operator_should_know_is_said() {
    let default_rules = "policies without `match`: admission asks for CREATE and UPDATE in the API groups core, apps and \
                         batch; add others with --rule";
    let probes = "authz=Deny: while Regate is down, kube-apiserver refuses everyone but the exempt identities, \
                  anonymous probes of its own /livez and /readyz too";
    assert_eq!(warnings(&request()), [default_rules, probes]);
    let registered = Registered {
        authz_has_deny: false,
        ..strictest()
    };
    assert_eq!(
        warnings(&Request {
            registered,
            ..request()
        }),
        [default_rules]
    );

    let words = ["mutate=Ignore", "validate=Ignore", "authz=NoOpinion"];
    let weaker = Request {
        client: None,
        failure_policies: words.map(|word| word.parse().unwrap()).to_vec(),
        registered: Registered {
            authz_has_deny: true,
            gates: BTreeSet::from([Gate::Authn, Gate::Authz, Gate::Mutate, Gate::Validate]),
        },
        ..request()
    };
    assert_eq!(
        warnings(&weaker),
        [
            default_rules,
            "no policy for image: it is registered all the same",
            "authz=NoOpinion: while Regate is down, nothing that authz policies deny is denied",
            "mutate=Ignore: while Regate is down, everything passes mutate",
            "validate=Ignore: while Regate is down, everything passes validate",
            "no --client-cert: Regate answers only where it runs with --insecure-allow-anonymous",
        ]
    );
    let authn = Request {
        gates: BTreeSet::from([Gate::Authn]),
        ..request()
    };
    assert_eq!(warnings(&authn), [""; 0]);
}
