//! The files of kube-apiserver, read back as documents.

use super::*;

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
                        {"expression": "!has(request.nonResourceAttributes) || \
                            !(request.nonResourceAttributes.path in ['/healthz', '/livez', '/readyz'])"},
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
