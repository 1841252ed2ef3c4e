//! The metrics: every name, every label, every bucket.
//!
//! Labels are closed sets: gates, decisions, status codes, reasons, and a bounded number of policies. Namespaces, names,
//! users, uids and messages are never labels, so what is scraped stays small whatever callers send.

mod certificates;
mod keys;
mod policies;
mod process;
mod replication;
mod stuck;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use self::certificates::CertificateRole;
use self::certificates::Certificates;
pub use self::keys::KeySetState;
use self::policies::PolicyDecisions;
use self::process::Process;
use self::replication::Replicated;
pub use self::replication::Replication;
use self::stuck::Stuck;
use crate::gate::Gate;

/// From the cheapest review to the longest deadline in use, in seconds.
const BUCKETS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5,
];

/// Everything that is counted; shared by all threads.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Apart, since its names have no prefix.
    process: Registry,
    requests: Family<RequestLabels, Counter>,
    request_duration: Family<GateLabel, Histogram>,
    evaluation_duration: Family<GateLabel, Histogram>,
    in_flight: Gauge,
    queue_depth: Gauge,
    stuck: Stuck,
    evaluation_errors: Family<ReasonLabel, Counter>,
    policy_decisions: PolicyDecisions,
    reload_successful: Gauge,
    reload_success_time: Gauge<f64, AtomicU64>,
    reloads: Family<ResultLabel, Counter>,
    revision: Revision,
    policies: Gauge,
    certificates: Certificates,
    log_lines_lost: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    gate: &'static str,
    decision: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GateLabel {
    gate: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let mut metrics = Self {
            registry: Registry::with_prefix("regate"),
            process: Registry::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(histogram),
            evaluation_duration: Family::new_with_constructor(histogram),
            in_flight: Gauge::default(),
            queue_depth: Gauge::default(),
            stuck: Stuck::default(),
            evaluation_errors: Family::default(),
            policy_decisions: PolicyDecisions::default(),
            reload_successful: Gauge::default(),
            reload_success_time: Gauge::default(),
            reloads: Family::default(),
            revision: Revision::default(),
            policies: Gauge::default(),
            certificates: Certificates::default(),
            log_lines_lost: Counter::default(),
        };
        metrics.register();
        metrics.process.register_collector(Box::new(Process));
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register(
            "request_duration_seconds",
            "From the first byte of a request to its answer",
            self.request_duration.clone(),
        );
        registry.register(
            "evaluation_duration_seconds",
            "Time spent in Rego",
            self.evaluation_duration.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests that are being answered",
            self.in_flight.clone(),
        );
        registry.register(
            "queue_depth",
            "Reviews that wait for a thread",
            self.queue_depth.clone(),
        );
        self.stuck.register(registry);
        registry.register(
            "evaluation_errors",
            "Faults of policies",
            self.evaluation_errors.clone(),
        );
        self.policy_decisions.register(registry);
        registry.register(
            "policy_last_reload_successful",
            "Whether the last load of policies was accepted",
            self.reload_successful.clone(),
        );
        registry.register(
            "policy_last_reload_success_timestamp_seconds",
            "When policies were last accepted",
            self.reload_success_time.clone(),
        );
        registry.register("policy_reloads", "Loads of policies", self.reloads.clone());
        registry.register("policies", "Policies in the served set", self.policies.clone());
        self.certificates.register(registry);
        registry.register(
            "log_lines_dropped",
            "Log lines that nobody read in time",
            self.log_lines_lost.clone(),
        );
        registry.register(
            "build",
            "The program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register_collector(Box::new(self.revision.clone()));
    }

    /// Counts, each time it is called, a log line that was dropped.
    pub fn log_lines_lost(&self) -> impl Fn() + Send + Sync + use<> {
        let lost = self.log_lines_lost.clone();
        move || {
            lost.inc();
        }
    }

    /// From now on every scrape asks what is known of a resource of the cluster.
    pub fn replicates(
        &mut self,
        resource: &'static str,
        ask: impl Fn() -> Replication + Send + Sync + 'static,
    ) {
        self.registry
            .register_collector(Box::new(Replicated { resource, ask }));
    }

    /// From now on every scrape asks how the sets of keys are.
    pub fn asks_key_sets(&mut self, ask: impl Fn() -> Vec<KeySetState> + Send + Sync + 'static) {
        self.registry.register_collector(Box::new(keys::KeySets(ask)));
    }

    /// All metrics in the OpenMetrics text format.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode_registry(&mut text, &self.registry)?;
        text::encode_registry(&mut text, &self.process)?;
        text::encode_eof(&mut text)?;
        Ok(text)
    }

    /// A request was answered, `duration` after its first byte arrived.
    pub fn answered(&self, gate: Gate, decision: &'static str, code: u16, duration: Duration) {
        let labels = RequestLabels {
            gate: gate.as_str(),
            decision,
            code,
        };
        self.requests.get_or_create(&labels).inc();
        self.request_duration
            .get_or_create(&GateLabel { gate: gate.as_str() })
            .observe(duration.as_secs_f64());
    }

    /// Policies were evaluated for `duration`.
    pub fn evaluated(&self, gate: Gate, duration: Duration) {
        self.evaluation_duration
            .get_or_create(&GateLabel { gate: gate.as_str() })
            .observe(duration.as_secs_f64());
    }

    /// A policy failed.
    pub fn fault(&self, reason: &'static str) {
        self.evaluation_errors
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// A policy said something, failed or was excepted.
    pub fn policy_came_to(&self, gate: Gate, policy: &str, enforcement: &'static str, outcome: &'static str) {
        self.policy_decisions.count(gate, policy, enforcement, outcome);
    }

    /// A request is in flight until the guard is dropped.
    pub fn in_flight(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// How many requests are in flight.
    pub fn requests_in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// A review waits for a thread until the guard is dropped.
    pub fn queued(&self) -> Counted {
        Counted::new(&self.queue_depth)
    }

    /// An evaluation went on long after its deadline.
    pub fn stuck(&self, gate: Gate) {
        self.stuck.count(gate);
    }

    /// So many threads of a gate are stuck now.
    pub fn stuck_threads(&self, gate: Gate, threads: usize) {
        self.stuck.set_threads(gate, threads);
    }

    /// A policy set is served from now on.
    pub fn policies_accepted(&self, revision: &str, policies: usize) {
        self.revision.0.store(Some(Arc::new(revision.to_owned())));
        self.policies.set(i64::try_from(policies).unwrap_or(i64::MAX));
        self.reload_successful.set(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.reload_success_time.set(now.as_secs_f64());
        self.reloads
            .get_or_create(&ResultLabel { result: "success" })
            .inc();
    }

    /// A policy set was refused; what was served before still is.
    pub fn policies_refused(&self) {
        self.reload_successful.set(0);
        self.reloads
            .get_or_create(&ResultLabel { result: "failure" })
            .inc();
    }
}

/// Counts something while it exists: a request, or its wait, may end early because its client went away.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The revision of the served set: exactly one series, at any time.
#[derive(Clone, Debug, Default)]
struct Revision(Arc<ArcSwapOption<String>>);

impl Collector for Revision {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(revision) = self.0.load_full() else {
            return Ok(());
        };
        encoder
            .encode_descriptor("policy", "The served set", None, MetricType::Info)?
            .encode_info(&[("revision", revision.as_str())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn line<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
        text.lines().filter(|line| line.starts_with(start)).collect()
    }

    #[test]
    fn a_request_is_counted_by_gate_decision_and_code() {
        let metrics = Metrics::default();
        for _ in 0..3 {
            metrics.answered(Gate::Validate, "deny", 403, Duration::from_micros(70));
        }
        let text = metrics.encode().unwrap();
        assert_eq!(
            line(&text, "regate_requests_total"),
            [r#"regate_requests_total{gate="validate",decision="deny",code="403"} 3"#]
        );
        let buckets = line(&text, "regate_request_duration_seconds_bucket");
        assert_eq!(buckets.len(), 13, "{buckets:?}");
        assert_eq!(
            buckets[0],
            r#"regate_request_duration_seconds_bucket{le="0.00005",gate="validate"} 0"#
        );
        assert_eq!(
            buckets[1],
            r#"regate_request_duration_seconds_bucket{le="0.0001",gate="validate"} 3"#
        );
        assert_eq!(line(&text, "regate_evaluation_duration_seconds_bucket"), [""; 0]);
    }

    #[test]
    fn the_served_revision_is_exactly_one_series() {
        let metrics = Metrics::default();
        assert_eq!(line(&metrics.encode().unwrap(), "regate_policy_info"), [""; 0]);
        metrics.policies_accepted("aaaa", 3);
        metrics.policies_accepted("bbbb", 4);
        metrics.policies_refused();
        let text = metrics.encode().unwrap();
        assert_eq!(
            line(&text, "regate_policy_info"),
            [r#"regate_policy_info{revision="bbbb"} 1"#]
        );
        assert_eq!(line(&text, "regate_policies "), ["regate_policies 4"]);
        assert_eq!(
            line(&text, "regate_policy_last_reload_successful"),
            ["regate_policy_last_reload_successful 0"]
        );
        let reloads = line(&text, "regate_policy_reloads_total");
        assert!(
            reloads.contains(&r#"regate_policy_reloads_total{result="success"} 2"#),
            "{reloads:?}"
        );
        assert!(
            reloads.contains(&r#"regate_policy_reloads_total{result="failure"} 1"#),
            "{reloads:?}"
        );
    }

    #[test]
    fn a_request_is_in_flight_until_its_guard_is_dropped() {
        let metrics = Metrics::default();
        let guard = metrics.in_flight();
        assert!(
            metrics
                .encode()
                .unwrap()
                .contains("\nregate_requests_in_flight 1\n")
        );
        drop(guard);
        assert!(
            metrics
                .encode()
                .unwrap()
                .contains("\nregate_requests_in_flight 0\n")
        );
    }

    #[test]
    fn certificates_and_build_are_told() {
        let metrics = Metrics::default();
        metrics.certificate_expires(CertificateRole::Serving, 1_900_000_000);
        metrics.fault("builtin");
        let text = metrics.encode().unwrap();
        for result in ["success", "failure"] {
            let line =
                format!("\nregate_certificate_reloads_total{{role=\"serving\",result=\"{result}\"}} 0\n");
            assert!(text.contains(&line), "{text}");
        }
        assert!(
            text.contains("\nregate_certificate_expiry_timestamp_seconds{role=\"serving\"} 1900000000\n"),
            "{text}"
        );
        assert!(
            text.contains("\nregate_evaluation_errors_total{reason=\"builtin\"} 1\n"),
            "{text}"
        );
        let build = format!(
            "\nregate_build_info{{version=\"{}\"}} 1\n",
            env!("CARGO_PKG_VERSION")
        );
        assert!(text.contains(&build), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn what_is_known_of_the_cluster_is_asked_at_every_scrape() {
        let objects = Arc::new(AtomicUsize::new(0));
        let mut metrics = Metrics::default();
        assert_eq!(line(&metrics.encode().unwrap(), "regate_repli"), [""; 0]);
        let known = Arc::clone(&objects);
        metrics.replicates("namespaces", move || {
            let objects = known.load(Ordering::Relaxed);
            Replication {
                synced: objects > 0,
                objects,
            }
        });
        for (objects_now, synced) in [(0, 0), (7, 1)] {
            objects.store(objects_now, Ordering::Relaxed);
            let text = metrics.encode().unwrap();
            assert_eq!(
                line(&text, "regate_repli"),
                [
                    format!("regate_replication_synced{{resource=\"namespaces\"}} {synced}"),
                    format!("regate_replicated_objects{{resource=\"namespaces\"}} {objects_now}"),
                ]
            );
        }
    }

    #[test]
    fn the_process_is_measured_and_the_text_ends_once() {
        let text = Metrics::default().encode().unwrap();
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
        ] {
            assert_eq!(line(&text, name).len(), 1, "{name}: {text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert_eq!(text.matches("# EOF").count(), 1);
    }

    #[test]
    fn what_is_scraped_stays_small_whatever_is_decided() {
        let metrics = Metrics::default();
        for gate in Gate::ALL {
            for decision in ["allow", "deny", "no_opinion", "error"] {
                for code in [200, 400, 403, 422, 500, 503] {
                    metrics.answered(gate, decision, code, Duration::from_micros(70));
                    metrics.evaluated(gate, Duration::from_micros(30));
                }
            }
        }
        for reason in ["builtin", "conflict", "panic", "patch", "timeout", "type"] {
            metrics.fault(reason);
        }
        metrics.policies_accepted("aaaa", 3);
        let series = metrics
            .encode()
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count();
        assert!(series < 400, "{series}");
    }
}
