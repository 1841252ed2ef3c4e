//! The certificates in use: when they end, and how often others replaced them or could not.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

/// The metrics of certificates, by role.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    expiry: Family<RoleLabel, Gauge>,
    reloads: Family<ReloadLabels, Counter>,
}

impl Certificates {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When a certificate expires",
            self.expiry.clone(),
        );
        registry.register(
            "certificate_reloads",
            "Certificates that replaced others, or could not",
            self.reloads.clone(),
        );
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoleLabel {
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    role: &'static str,
    result: &'static str,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateRole {
    /// It signs callers' certificates.
    ClientCa,
    /// It is shown to callers.
    Serving,
}

impl CertificateRole {
    /// The role as a label and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            CertificateRole::ClientCa => "client_ca",
            CertificateRole::Serving => "serving",
        }
    }
}

impl Metrics {
    /// A certificate is in use that expires at `not_after`, in Unix seconds.
    pub fn certificate_expires(&self, role: CertificateRole, not_after: i64) {
        self.certificates
            .expiry
            .get_or_create(&RoleLabel { role: role.as_str() })
            .set(not_after);
    }

    /// Changed certificates are in use from now on.
    pub fn certificate_accepted(&self, role: CertificateRole) {
        self.certificate_reloaded(role, "success");
    }

    /// Changed certificates were refused; what was in use before still is.
    pub fn certificate_refused(&self, role: CertificateRole) {
        self.certificate_reloaded(role, "failure");
    }

    fn certificate_reloaded(&self, role: CertificateRole, result: &'static str) {
        let role = role.as_str();
        self.certificates
            .reloads
            .get_or_create(&ReloadLabels { role, result })
            .inc();
    }
}
