//! What the cases share: every control plane is started once, by the first case that asks for it.
//!
//! Cases run in parallel, each in namespaces of its own, so that a start is paid for once. The stage is dropped after
//! the last case, and everything that it started ends with it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Result, anyhow};

use crate::control_plane::{ControlPlane, Etcd};
use crate::gates::Gates;
use crate::regate::{Regate, Registration, copy};
use crate::{sets, starters};

/// The binary under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_regate");

/// The policies of the tests; the starter policies of the repository have cases of their own.
pub(crate) const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/gates");

/// Policies in every mode, and what a configuration file says of them.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/model");
const MODEL_CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/model.yaml");

/// Gatekeeper's objects, and what was written for OPA's own webhook in Rego before version 1.
const DIALECTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/dialects");
const DIALECTS_V0: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/dialects_v0");

/// Policies that fail, and some that do not end, at every gate.
pub(crate) const FAILING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/failing");

/// Policies that look at whatever users come up with.
const HOSTILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/hostile");

/// What lets a cluster go on while its webhooks cannot be asked.
pub(crate) const IGNORE: &[&str] = &[
    "--failure-policy=mutate=Ignore",
    "--failure-policy=validate=Ignore",
];

/// What the policies judge and `regate manifests` does not register by itself.
pub(crate) const RULES: &[&str] = &[
    "--rule=DELETE:/pods",
    "--rule=CONNECT:/pods/exec",
    "--rule=CREATE:/pods/eviction",
    "--rule=UPDATE:/pods/ephemeralcontainers",
    "--rule=UPDATE:apps/deployments/scale",
    "--rule=CREATE,UPDATE:e2e.example.com/widgets",
];

/// The shared control planes.
#[derive(Default)]
pub(crate) struct Stage {
    etcd: Once<Etcd>,
    plain: Once<ControlPlane>,
    gates: Once<Gates>,
    beta: Once<Gates>,
    deferring: Once<Gates>,
    starters: Once<Gates>,
    sets: Once<Gates>,
    model: Once<Gates>,
    dialects: Once<Gates>,
    ignoring: Once<Gates>,
}

impl Stage {
    /// A control plane that knows nothing of Regate.
    pub(crate) fn plain(&self) -> Result<Arc<ControlPlane>> {
        self.plain
            .get(|| ControlPlane::start(self.etcd()?, &["--authorization-mode=RBAC".to_owned()]))
    }

    /// A control plane with Regate registered exactly as `regate manifests` wrote it.
    pub(crate) fn gates(&self) -> Result<Arc<Gates>> {
        self.gates.get(|| self.gates_of_its_own(&[], |_| Ok(())))
    }

    /// The same, with the API server told to ask in the older version of every review that has one.
    pub(crate) fn beta(&self) -> Result<Arc<Gates>> {
        self.beta.get(|| self.gates_of_its_own(&[], ask_in_v1beta1))
    }

    /// The same, where every fault that may be left to the API server is left to it.
    pub(crate) fn deferring(&self) -> Result<Arc<Gates>> {
        let flags = ["authz", "mutate", "validate"].map(|gate| format!("--on-fault={gate}=defer"));
        self.deferring.get(|| {
            let regate = Regate::start(
                Path::new(PROGRAM),
                &flags.each_ref().map(String::as_str),
                policies,
            )?;
            Gates::start(self.etcd()?, regate, RULES, |_| Ok(()))
        })
    }

    /// A control plane with the starter policies of the repository, and no other rules than those of each registration.
    pub(crate) fn starters(&self) -> Result<Arc<Gates>> {
        self.starters.get(|| {
            let regate = Regate::start(Path::new(PROGRAM), &[], starters::write)?;
            Gates::start(self.etcd()?, regate, &[], |_| Ok(()))
        })
    }

    /// A control plane with the other policy sets of the repository, tuned by a configuration file.
    pub(crate) fn sets(&self) -> Result<Arc<Gates>> {
        self.sets.get(|| sets::start(self.etcd()?))
    }

    /// A control plane with policies in every mode, tuned by a configuration file.
    pub(crate) fn model(&self) -> Result<Arc<Gates>> {
        self.model.get(|| {
            let flags = ["--config", MODEL_CONFIGURATION];
            let regate = Regate::start(Path::new(PROGRAM), &flags, |directory| {
                copy(Path::new(MODEL), directory)
            })?;
            Gates::start(self.etcd()?, regate, &[], |_| Ok(()))
        })
    }

    /// A control plane with policies that were written for Gatekeeper and for OPA.
    pub(crate) fn dialects(&self) -> Result<Arc<Gates>> {
        self.dialects.get(|| {
            let flags = ["--policy-v0", DIALECTS_V0];
            let regate = Regate::start(Path::new(PROGRAM), &flags, |directory| {
                copy(Path::new(DIALECTS), directory)
            })?;
            Gates::start(self.etcd()?, regate, &flags, |_| Ok(()))
        })
    }

    /// A control plane that lets through whatever is not decided, and waits long for it: a build for tests may take a
    /// second for the largest of reviews.
    pub(crate) fn ignoring(&self) -> Result<Arc<Gates>> {
        self.ignoring.get(|| {
            let regate = Regate::start(Path::new(PROGRAM), &["--deadline=18s"], |directory| {
                policies(directory)?;
                copy(Path::new(HOSTILE), directory)
            })?;
            Gates::start(self.etcd()?, regate, &[RULES, IGNORE].concat(), |registration| {
                ["mutating.yaml", "validating.yaml"].iter().try_for_each(|name| {
                    registration.edit(name, |document| {
                        document["webhooks"][0]["timeoutSeconds"] = 30.into()
                    })
                })
            })
        })
    }

    /// A control plane for one case alone, which may end its server: `more` flags for `regate manifests`, and what
    /// `change` does to the files that it wrote.
    pub(crate) fn gates_of_its_own(
        &self,
        more: &[&str],
        change: impl FnOnce(&Registration) -> Result<()>,
    ) -> Result<Gates> {
        let regate = Regate::start(Path::new(PROGRAM), &[], policies)?;
        Gates::start(self.etcd()?, regate, &[RULES, more].concat(), change)
    }

    /// The store, which every control plane shares.
    pub(crate) fn etcd(&self) -> Result<Arc<Etcd>> {
        self.etcd.get(Etcd::start)
    }
}

/// Writes the policies of the tests into a directory.
pub(crate) fn policies(directory: &Path) -> Result<()> {
    copy(Path::new(POLICIES), directory)
}

fn ask_in_v1beta1(registration: &Registration) -> Result<()> {
    let version = "--authentication-token-webhook-version=v1";
    registration.replace(
        "kube-apiserver.flags",
        version,
        "--authentication-token-webhook-version=v1beta1",
    )?;
    registration.edit("authz.yaml", |document| {
        for authorizer in document["authorizers"].as_array_mut().into_iter().flatten() {
            if authorizer["type"] == "Webhook" {
                authorizer["webhook"]["subjectAccessReviewVersion"] = "v1beta1".into();
            }
        }
    })?;
    for name in ["mutating.yaml", "validating.yaml"] {
        registration.edit(name, |document| {
            for webhook in document["webhooks"].as_array_mut().into_iter().flatten() {
                webhook["admissionReviewVersions"] = ["v1beta1"].into();
            }
        })?;
    }
    Ok(())
}

/// Something that is started at most once; a start that failed is not tried again.
struct Once<T>(OnceLock<Result<Arc<T>, String>>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Once<T> {
    fn get(&self, start: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        self.0
            .get_or_init(|| start().map(Arc::new).map_err(|error| format!("{error:#}")))
            .clone()
            .map_err(|error| anyhow!(error))
    }
}
