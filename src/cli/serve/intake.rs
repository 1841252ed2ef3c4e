//! What a server does with policies that were read: it checks them, serves the good ones, and tells of the bad ones.
//!
//! One [`Intake`] for as long as the server runs: asked once at start, then by the watcher at every change. Always holds:
//! what is served passed every check and has policies; a set that is refused changes nothing but what is told.

use std::sync::Arc;

use arc_swap::ArcSwap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::report;
use crate::metrics::Metrics;
use crate::policy::files::{Files, LastGood};
use crate::policy::finding::Id;
use crate::policy::load::load_with;
use crate::policy::namespaces::Namespaces;
use crate::policy::watch::Read;
use crate::policy::{Finding, Outside, Policy, PolicySet, Served};
use crate::server::status::{PolicyStatus, RefusedLoad, Source};

/// Takes policies over, or refuses them.
pub(super) struct Intake {
    /// What decides.
    pub(super) served: Served,
    /// What is told.
    pub(super) status: Arc<ArcSwap<PolicyStatus>>,
    pub(super) metrics: Arc<Metrics>,
    /// What policies may reach outside.
    pub(super) outside: Arc<Outside>,
    /// What policies can know of the cluster.
    pub(super) namespaces: Arc<Namespaces>,
    /// Where policies are read from.
    pub(super) source: Source,
    /// Where the accepted ones are kept.
    pub(super) last_good: Option<LastGood>,
}

/// Why a set is not taken over.
enum Refused {
    /// There is nothing in it: whoever mounts policies may not have done so yet.
    Empty,
    Bad(Vec<Finding>),
}

impl Intake {
    /// Takes the first policies, or else the last good ones. Without any it goes on where the sources are merely empty.
    ///
    /// # Errors
    /// All that is wrong, when there is nothing to serve.
    pub(super) fn start(&self, first: &Read) -> Result<(), Vec<Finding>> {
        let refused = match self.check(first) {
            Ok(set) => {
                self.serve(set, self.source.clone());
                return Ok(());
            }
            Err(refused) => refused,
        };
        match (self.kept(), refused) {
            (Ok(Some((set, source))), refused) => {
                self.serve(set, source);
                self.refuse(refused);
            }
            (Ok(None), Refused::Bad(findings)) => return Err(findings),
            (Err(more), Refused::Bad(findings)) => return Err([findings, more].concat()),
            (Ok(None), Refused::Empty) => self.refuse(Refused::Empty),
            (Err(mut findings), Refused::Empty) => {
                findings.push(empty());
                self.refuse(Refused::Bad(findings));
            }
        }
        Ok(())
    }

    /// Takes over what was read anew, if it is good.
    pub(super) fn change(&self, read: Read) {
        match self.check(&read) {
            Ok(set) => {
                self.serve(set, self.source.clone());
                self.keep(&read);
            }
            Err(refused) => self.refuse(refused),
        }
    }

    /// Keeps what was read, if it is what is served. A disk that does not take it is no reason not to serve.
    pub(super) fn keep(&self, read: &Read) {
        let (Some(last_good), Ok(files)) = (&self.last_good, read) else {
            return;
        };
        let served = self.served.load();
        if served.as_ref().is_none_or(|set| set.revision != files.revision) {
            return;
        }
        if let Err(error) = last_good.keep(files) {
            let directory = last_good.directory().display().to_string();
            tracing::warn!(target: "regate::policy", event = "last_good_not_kept", directory, %error, "a restart could not fall back on these policies");
        }
    }

    /// The set that was kept, if there is one.
    fn kept(&self) -> Result<Option<(PolicySet, Source)>, Vec<Finding>> {
        let Some(last_good) = &self.last_good else {
            return Ok(None);
        };
        let Some(files) = last_good.read().map_err(|finding| vec![finding])? else {
            return Ok(None);
        };
        let directory = last_good.directory().display().to_string();
        match self.check_files(&files) {
            Ok(set) => Ok(Some((set, Source::LastGood { directory }))),
            Err(Refused::Bad(findings)) => Err(findings),
            Err(Refused::Empty) => Ok(None),
        }
    }

    fn check(&self, read: &Read) -> Result<PolicySet, Refused> {
        match read {
            Ok(files) => self.check_files(files),
            Err(findings) => Err(Refused::Bad(findings.clone())),
        }
    }

    fn check_files(&self, files: &Files) -> Result<PolicySet, Refused> {
        let set = load_with(files, &self.outside).map_err(Refused::Bad)?;
        if set.policies().is_empty() {
            return Err(Refused::Empty);
        }
        let mut findings = set.missing.clone();
        findings.extend(self.without_namespaces(&set));
        if findings.is_empty() {
            Ok(set)
        } else {
            Err(Refused::Bad(findings))
        }
    }

    /// A finding for policies that could only ever be at fault, because this server knows no Namespace.
    fn without_namespaces(&self, set: &PolicySet) -> Option<Finding> {
        let name = |policy: &Policy| format!("{}/{}", policy.gate, policy.name);
        let using: Vec<_> = set
            .policies()
            .iter()
            .filter(|policy| policy.uses_namespaces())
            .map(name)
            .collect();
        (!using.is_empty() && !self.namespaces.has_source()).then(|| {
            let message = format!(
                "no Namespace is known to this server, and these policies use them (`input.regate.namespace` or \
                 `namespaceSelector`): {}. Start it in the cluster or with --kubeconfig FILE",
                using.join(", ")
            );
            Finding::new(Id::NoNamespaces, message)
        })
    }

    fn serve(&self, set: PolicySet, source: Source) {
        let (revision, policies) = (set.revision.clone(), set.policies().len());
        for warning in &set.warnings {
            tracing::warn!(target: "regate::policy", event = "policy_warning", revision, finding = %warning);
        }
        let origin = report::origin(&source);
        let line = report::served(&set, source, now());
        self.metrics.policies_accepted(&revision, policies);
        self.served.store(Some(Arc::new(set)));
        self.status.store(Arc::new(PolicyStatus {
            served: Some(line),
            refused: None,
        }));
        tracing::info!(target: "regate::policy", event = "policy_loaded", revision, policies, source = origin, "policies loaded");
    }

    fn refuse(&self, refused: Refused) {
        self.metrics.policies_refused();
        let rest = match self.served.load().is_some() {
            true => "the last good policies stay",
            false => "there are no policies until good ones come",
        };
        let findings = match refused {
            Refused::Empty => {
                let finding = empty();
                tracing::warn!(target: "regate::policy", event = "policy_rejected", %finding, "{rest}");
                vec![finding]
            }
            Refused::Bad(findings) => {
                for finding in &findings {
                    tracing::error!(target: "regate::policy", event = "policy_rejected", %finding, "{rest}");
                }
                findings
            }
        };
        let refused = RefusedLoad { at: now(), findings };
        self.status.rcu(|status| PolicyStatus {
            refused: Some(refused.clone()),
            ..PolicyStatus::clone(status)
        });
    }
}

fn empty() -> Finding {
    Finding::new(Id::NoPolicies, "no policies: an empty set is not served")
}

/// The time, to the second.
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}
