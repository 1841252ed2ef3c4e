//! The files, read back as the API server reads them.

mod admission;
mod apiserver;
mod cut;
mod request;
mod rules;

use std::collections::BTreeSet;
use std::path::PathBuf;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use serde_json::{Value, json};

use super::*;
use crate::policy::matching::{Key, Match};

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
/// The same as kubeconfigs hold it.
const PEM_BASE64: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";

/// Every gate has a policy, and one of authz can deny.
fn strictest() -> Registered {
    Registered {
        authz_has_deny: true,
        gates: BTreeSet::from(Gate::ALL),
        admission: Vec::new(),
    }
}

/// A policy of validate that is about what these lists say, all of them.
fn wanted(name: &str, matching: &[&[(Key, &[&str])]]) -> Wanted {
    let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let matching = matching.iter().map(|lists| Match {
        lists: lists
            .iter()
            .map(|(key, patterns)| (*key, owned(patterns)))
            .collect(),
        ..Match::default()
    });
    Wanted {
        gate: Gate::Validate,
        name: name.to_owned(),
        matching: matching.collect(),
    }
}

fn with_policies(policies: Vec<Wanted>, request: Request) -> Request {
    Request {
        registered: Registered {
            admission: policies,
            ..request.registered
        },
        ..request
    }
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
fn what_the_operator_should_know_is_said() {
    let probes =
        "authz=Deny: while Regate is down, kube-apiserver refuses everyone but the exempt identities";
    assert_eq!(warnings(&request()), [probes]);
    let registered = Registered {
        authz_has_deny: false,
        ..strictest()
    };
    assert_eq!(
        warnings(&Request {
            registered,
            ..request()
        }),
        [""; 0]
    );

    let words = ["mutate=Ignore", "validate=Ignore", "authz=NoOpinion"];
    let weaker = Request {
        client: None,
        failure_policies: words.map(|word| word.parse().unwrap()).to_vec(),
        registered: Registered {
            authz_has_deny: true,
            admission: Vec::new(),
            gates: BTreeSet::from([Gate::Authn, Gate::Authz, Gate::Mutate, Gate::Validate]),
        },
        ..request()
    };
    assert_eq!(
        warnings(&weaker),
        [
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
