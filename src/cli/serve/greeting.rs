//! What `serve` prints when it serves: where, what, and in development one command per gate that shows it at work.

use std::fmt::Write;

use super::served_gates;
use crate::config::Config;
use crate::gate::Gate;
use crate::policy::PolicySet;
use crate::server::Running;
use crate::server::status::{PolicyStatus, Source};

/// The text, several lines.
pub(super) fn text(
    config: &Config,
    running: &Running,
    set: Option<&PolicySet>,
    status: &PolicyStatus,
) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, config, running, set, status);
    out
}

fn write(
    out: &mut String,
    config: &Config,
    running: &Running,
    set: Option<&PolicySet>,
    status: &PolicyStatus,
) -> std::fmt::Result {
    let address = running.address();
    writeln!(
        out,
        "regate serves https://{address}, probes and metrics on http://{}",
        running.probe_address()
    )?;
    match set {
        Some(set) => {
            if let Some(Source::LastGood { directory }) = status.served.as_ref().map(|set| &set.source) {
                writeln!(
                    out,
                    "the policies were refused: those kept in {directory} are served"
                )?;
            }
            writeln!(out, "policies, revision {}:", set.revision)?;
            for gate in served_gates(config) {
                let names: Vec<_> = set.of(gate).map(|policy| policy.name.as_str()).collect();
                writeln!(
                    out,
                    "  {gate:<9} {}",
                    if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.join(", ")
                    }
                )?;
            }
        }
        None => writeln!(out, "no policies yet: not ready until there are some")?,
    }
    let Some(development) = running.development() else {
        return Ok(());
    };
    let ca = development.paths().ca;
    if config.callers.client_ca.is_some() {
        return writeln!(out, "development: the certificate's CA is {}", ca.display());
    }
    writeln!(
        out,
        "development: any caller on this machine is answered; the certificate's CA is {}",
        ca.display()
    )?;
    writeln!(out, "try:")?;
    for gate in served_gates(config) {
        writeln!(
            out,
            "  curl -sS --cacert {} -H 'Content-Type: application/json' https://{address}/v1/{gate} -d '{}'",
            ca.display(),
            example(gate)
        )?;
    }
    Ok(())
}

/// A review of each kind about which the starter policies have something to say.
fn example(gate: Gate) -> &'static str {
    match gate {
        Gate::Authn => {
            r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"regate-demo-token"}}"#
        }
        Gate::Authz => {
            r#"{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"user":"jane","resourceAttributes":{"verb":"create","resource":"pods","subresource":"exec","namespace":"kube-system"}}}"#
        }
        Gate::Image => {
            r#"{"kind":"ImageReview","apiVersion":"imagepolicy.k8s.io/v1alpha1","spec":{"containers":[{"image":"nginx:latest"}]}}"#
        }
        Gate::Mutate | Gate::Validate => {
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","userInfo":{"username":"jane"},"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"web","image":"nginx","securityContext":{"privileged":true}}]}}}}"#
        }
    }
}
