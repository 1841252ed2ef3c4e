//! The webhook configurations of mutate and validate, in the API's own types.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ServiceReference,
    ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};

use super::exempt;
use super::request::{Request, Rule, Target};
use crate::gate::Gate;

/// Name of both configurations.
pub(super) const NAME: &str = "regate";
/// Seconds that the API server waits for an answer.
const TIMEOUT_SECONDS: i32 = 5;
/// Resources that a policy on Pods and what makes them needs. `*` is without subresources; these two change a Pod's
/// containers and would else be a way around every policy on them.
const PARTS_OF_PODS: [&str; 2] = ["pods/ephemeralcontainers", "pods/resize"];

pub(super) fn mutating(request: &Request) -> MutatingWebhookConfiguration {
    let webhook = MutatingWebhook {
        admission_review_versions: versions(),
        client_config: client_config(request, Gate::Mutate),
        failure_policy: Some(request.mutate_failure().as_str().to_owned()),
        match_conditions: Some(match_conditions(request)),
        match_policy: Some("Equivalent".to_owned()),
        name: webhook_name(Gate::Mutate),
        namespace_selector: Some(namespace_selector(request)),
        object_selector: None,
        reinvocation_policy: Some("IfNeeded".to_owned()),
        rules: Some(rules(request)),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
    };
    MutatingWebhookConfiguration {
        metadata: metadata(),
        webhooks: Some(vec![webhook]),
    }
}

pub(super) fn validating(request: &Request) -> ValidatingWebhookConfiguration {
    let webhook = ValidatingWebhook {
        admission_review_versions: versions(),
        client_config: client_config(request, Gate::Validate),
        failure_policy: Some(request.validate_failure().as_str().to_owned()),
        match_conditions: Some(match_conditions(request)),
        match_policy: Some("Equivalent".to_owned()),
        name: webhook_name(Gate::Validate),
        namespace_selector: Some(namespace_selector(request)),
        object_selector: None,
        rules: Some(rules(request)),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
    };
    ValidatingWebhookConfiguration {
        metadata: metadata(),
        webhooks: Some(vec![webhook]),
    }
}

fn metadata() -> ObjectMeta {
    ObjectMeta {
        name: Some(NAME.to_owned()),
        ..ObjectMeta::default()
    }
}

fn versions() -> Vec<String> {
    vec!["v1".to_owned(), "v1beta1".to_owned()]
}

fn webhook_name(gate: Gate) -> String {
    format!("{gate}.regate.dev")
}

fn client_config(request: &Request, gate: Gate) -> WebhookClientConfig {
    let (service, url) = match &request.target {
        Target::Service(service) => {
            let reference = ServiceReference {
                name: service.name.to_string(),
                namespace: service.namespace.to_string(),
                path: Some(format!("/v1/{gate}")),
                port: Some(i32::from(service.port)),
            };
            (Some(reference), None)
        }
        Target::Url(url) => (None, Some(url.of(gate))),
    };
    WebhookClientConfig {
        ca_bundle: Some(ByteString(request.ca.clone())),
        service,
        url,
    }
}

/// All namespaces but kube-system, Regate's own and those that are exempt.
fn namespace_selector(request: &Request) -> LabelSelector {
    let own = match &request.target {
        Target::Service(service) => Some(service.namespace.to_string()),
        Target::Url(_) => None,
    };
    let exempt = request.exempt_namespaces.iter().map(ToString::to_string);
    let mut values: Vec<_> = exempt.chain(own).chain(["kube-system".to_owned()]).collect();
    values.sort();
    values.dedup();
    let requirement = LabelSelectorRequirement {
        key: "kubernetes.io/metadata.name".to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(values),
    };
    LabelSelector {
        match_expressions: Some(vec![requirement]),
        match_labels: None,
    }
}

fn match_conditions(request: &Request) -> Vec<MatchCondition> {
    let conditions = exempt::admission(request).into_iter();
    conditions
        .map(|condition| MatchCondition {
            name: condition.name.to_owned(),
            expression: condition.expression,
        })
        .collect()
}

/// The default rules and those that were asked for.
fn rules(request: &Request) -> Vec<RuleWithOperations> {
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    // Version v1 only: matchPolicy Equivalent converts what was sent in another one, so that policies see one shape.
    let written = |groups: &[&str], resources: &[&str]| RuleWithOperations {
        api_groups: texts(groups),
        api_versions: texts(&["v1"]),
        operations: texts(&["CREATE", "UPDATE"]),
        resources: texts(resources),
        scope: Some("*".to_owned()),
    };
    let default = [
        written(&["", "apps", "batch"], &["*"]),
        written(&[""], &PARTS_OF_PODS),
    ];
    let asked = |rule: &Rule| RuleWithOperations {
        api_groups: texts(&[&rule.group]),
        api_versions: texts(&["*"]),
        operations: texts(&rule.operations),
        resources: texts(&[&rule.resource]),
        scope: Some("*".to_owned()),
    };
    default
        .into_iter()
        .chain(request.rules.iter().map(asked))
        .collect()
}
