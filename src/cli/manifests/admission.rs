//! The webhook configurations of mutate and validate, in the API's own types.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ServiceReference,
    ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};

use super::request::{Request, Rule, Target};
use super::rules::WebhookRule;
use super::{exempt, rules};
use crate::gate::Gate;

/// Name of both configurations.
pub(super) const NAME: &str = "regate";
/// Seconds that the API server waits for an answer.
const TIMEOUT_SECONDS: i32 = 5;

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
        rules: Some(rules(request, Gate::Mutate)),
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
        rules: Some(rules(request, Gate::Validate)),
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
    let requirement = LabelSelectorRequirement {
        key: "kubernetes.io/metadata.name".to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(request.excluded_namespaces().into_iter().collect()),
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

/// The rules that the gate's policies need, and those that were asked for.
fn rules(request: &Request, gate: Gate) -> Vec<RuleWithOperations> {
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    let needed = |rule: WebhookRule| RuleWithOperations {
        api_groups: Some(rule.groups),
        api_versions: texts(&[rule.version]),
        operations: texts(&rule.operations),
        resources: Some(rule.resources),
        scope: Some("*".to_owned()),
    };
    let asked = |rule: &Rule| RuleWithOperations {
        api_groups: texts(&[&rule.group]),
        api_versions: texts(&["*"]),
        operations: texts(&rule.operations),
        resources: texts(&[&rule.resource]),
        scope: Some("*".to_owned()),
    };
    let wanted = request.admission().filter(|wanted| wanted.gate == gate);
    rules::rules(wanted)
        .into_iter()
        .map(needed)
        .chain(request.rules.iter().map(asked))
        .collect()
}
