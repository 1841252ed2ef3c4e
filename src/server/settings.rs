//! What the operator sets about serving, and which combinations are refused.
//!
//! The configuration hands plain values over; [`Settings::check`] is pure and decides who may call which gate before
//! anything is bound or read. Every field is read by the server: the place where it is built takes the struct apart.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::certs::Development;
use crate::gate::Gate;

/// All settings of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where reviews are answered; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where probes and metrics are answered, without TLS; port 0 takes a free one.
    pub probe_listen: SocketAddr,
    /// The gates that are served; the others are 404.
    pub gates: BTreeSet<Gate>,
    /// Certificate and key; without them the server makes its own for as long as it runs.
    pub certificate: Option<CertificateFiles>,
    /// File of certificates (PEM) that sign callers' certificates.
    pub client_ca: Option<PathBuf>,
    /// Callers that are let in, by a name in their certificate.
    pub allow_clients: Vec<AllowClient>,
    /// Gates that answer callers who show no certificate.
    pub insecure_allow_anonymous: BTreeSet<Gate>,
    /// The longest time that a review may take.
    pub deadline: Duration,
    /// How long requests in flight may take after the server was told to stop.
    pub shutdown_timeout: Duration,
    /// Evaluation threads and queue of each gate.
    pub workers: Workers,
    /// Limits of connections and requests.
    pub limits: Limits,
}

/// Where the serving certificate is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those of intermediate authorities (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

impl From<&Development> for CertificateFiles {
    fn from(made: &Development) -> Self {
        Self {
            certificate: made.paths().certificate,
            key: made.paths().key,
        }
    }
}

/// One name that is let in: at one gate, or at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowClient {
    /// The gate; all gates if there is none.
    pub gate: Option<Gate>,
    /// Compared exactly with the subject's only CN and the DNS, URI and e-mail names of the certificate.
    pub name: String,
}

/// Evaluation threads of each gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Threads; each gate has its own, so that one gate cannot use up those of another.
    pub threads: usize,
    /// Reviews that may wait for a thread; one more is answered as overload.
    pub queue: usize,
}

impl Default for Workers {
    /// As many threads as there are cores. 256 reviews are at most 1.3 s of work for two threads when an evaluation
    /// takes 10 ms, a hundred times the usual: what is taken in can still be answered within the deadline of 3 s.
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            queue: 256,
        }
    }
}

/// Limits of connections and requests; the defaults are not configurable yet, tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request head to its last; on a new connection from the handshake on.
    pub head: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// An idle connection between two requests.
    pub keep_alive: Duration,
    /// A client that takes no byte of its answer.
    pub write: Duration,
    /// From a refusal to the end of its connection, whatever is still sent.
    pub linger: Duration,
    /// Bytes of an admission review.
    pub admission_body: usize,
    /// Bytes of any other review.
    pub review_body: usize,
    /// Bytes of a body over its limit that are read and dropped so that the review can still be answered.
    pub drained_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(3),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            // The API server closes idle connections after 90 s; who closes first must not be the server.
            keep_alive: Duration::from_secs(120),
            write: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            // The API server takes objects of 3 MiB and escapes `<`, `>` and `&` to six bytes each, in the object and
            // in the old one.
            admission_body: 32 << 20,
            review_body: 1 << 20,
            drained_body: 64 << 20,
        }
    }
}

impl Limits {
    /// The largest body that a gate decides about.
    pub(super) fn body_of(&self, gate: Gate) -> usize {
        match gate {
            Gate::Mutate | Gate::Validate => self.admission_body,
            Gate::Authn | Gate::Authz | Gate::Image => self.review_body,
        }
    }
}

/// A combination of settings that would let anybody in, or nobody, without having been asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The operator named no gate.
    #[error("no gate to serve: name at least one with --gate")]
    NoGate,
    /// "Signed by this CA" alone would let every kubelet in.
    #[error(
        "--client-ca without --allow-client: name the callers to let in, since every node of a cluster may hold a certificate of its CA"
    )]
    ClientCaWithoutAllowClient,
    /// Names that nothing would compare.
    #[error("--allow-client without --client-ca: no caller could prove a name")]
    AllowClientWithoutClientCa,
    /// Anybody who reaches the port could ask these gates.
    #[error(
        "anybody could call {}: set --client-ca and --allow-client, or --insecure-allow-anonymous for each of them, \
         or serve others only (--gate)", list(.0)
    )]
    Anonymous(Vec<Gate>),
}

fn list(gates: &[Gate]) -> String {
    gates
        .iter()
        .map(|gate| gate.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

impl Settings {
    /// Whether the server runs for development: on this machine only, with a certificate of its own making.
    pub fn development(&self) -> bool {
        self.certificate.is_none() && self.listen.ip().is_loopback()
    }

    /// Refuses what must not be served.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.gates.is_empty() {
            return Err(SettingsError::NoGate);
        }
        match (&self.client_ca, self.allow_clients.is_empty()) {
            (Some(_), true) => return Err(SettingsError::ClientCaWithoutAllowClient),
            (None, false) => return Err(SettingsError::AllowClientWithoutClientCa),
            (Some(_), false) => return Ok(()),
            (None, true) => {}
        }
        let open: Vec<Gate> = self
            .gates
            .difference(&self.insecure_allow_anonymous)
            .copied()
            .collect();
        if open.is_empty() || self.development() {
            Ok(())
        } else {
            Err(SettingsError::Anonymous(open))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listen: &str, certificate: bool) -> Settings {
        Settings {
            listen: listen.parse().unwrap(),
            probe_listen: "127.0.0.1:0".parse().unwrap(),
            gates: BTreeSet::from([Gate::Authn, Gate::Validate]),
            certificate: certificate.then(|| CertificateFiles {
                certificate: "tls.crt".into(),
                key: "tls.key".into(),
            }),
            client_ca: None,
            allow_clients: Vec::new(),
            insecure_allow_anonymous: BTreeSet::new(),
            deadline: Duration::from_secs(3),
            shutdown_timeout: Duration::from_secs(15),
            workers: Workers::default(),
            limits: Limits::default(),
        }
    }

    fn listed() -> Vec<AllowClient> {
        vec![AllowClient {
            gate: None,
            name: "kube-apiserver".to_owned(),
        }]
    }

    #[test]
    fn anybody_may_call_in_development_only() {
        assert_eq!(settings("127.0.0.1:0", false).check(), Ok(()));
        assert_eq!(settings("[::1]:0", false).check(), Ok(()));
        for (listen, certificate) in [
            ("0.0.0.0:8443", false),
            ("127.0.0.1:8443", true),
            ("10.0.0.1:8443", true),
        ] {
            let error = settings(listen, certificate).check().unwrap_err();
            assert_eq!(
                error,
                SettingsError::Anonymous(vec![Gate::Authn, Gate::Validate]),
                "{listen}"
            );
            assert_eq!(
                error.to_string(),
                "anybody could call authn, validate: set --client-ca and --allow-client, or \
                 --insecure-allow-anonymous for each of them, or serve others only (--gate)"
            );
        }
    }

    #[test]
    fn anonymous_callers_are_allowed_gate_by_gate() {
        let mut settings = settings("0.0.0.0:8443", true);
        settings.insecure_allow_anonymous = BTreeSet::from([Gate::Validate]);
        assert_eq!(settings.check(), Err(SettingsError::Anonymous(vec![Gate::Authn])));
        settings.gates = BTreeSet::from([Gate::Validate]);
        assert_eq!(settings.check(), Ok(()));
    }

    #[test]
    fn a_client_ca_needs_names_and_names_need_a_client_ca() {
        let mut settings = settings("127.0.0.1:0", false);
        settings.client_ca = Some("ca.crt".into());
        let error = settings.check().unwrap_err();
        assert_eq!(error, SettingsError::ClientCaWithoutAllowClient);
        assert!(
            error
                .to_string()
                .starts_with("--client-ca without --allow-client: "),
            "{error}"
        );

        settings.allow_clients = listed();
        assert_eq!(settings.check(), Ok(()));

        settings.client_ca = None;
        let error = settings.check().unwrap_err();
        assert_eq!(error, SettingsError::AllowClientWithoutClientCa);
        assert_eq!(
            error.to_string(),
            "--allow-client without --client-ca: no caller could prove a name"
        );
    }

    #[test]
    fn a_server_without_a_gate_is_refused() {
        let mut settings = settings("127.0.0.1:0", false);
        settings.gates.clear();
        assert_eq!(settings.check(), Err(SettingsError::NoGate));
    }
}
