//! Probes and metrics, on a port of their own without TLS: the kubelet and Prometheus call them, not the API server.
//! Each connection is for one request and for a short time, and there are few at once: whoever connects here must not
//! use up the files that connections of the API server need.

use std::fmt::Write as _;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::{KeepAlive, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use super::decide::Decide;
use super::drain::Drain;
use super::reply::TEXT;
use super::status::{PolicyStatus, Report};
use super::workers::Pools;
use crate::gate::Gate;
use crate::metrics::Metrics;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 32;

/// From the connection to the end of the head.
const HEAD: Duration = Duration::from_secs(1);

/// What the probes look at.
pub(super) struct Health {
    pub(super) pools: Arc<Pools>,
    pub(super) decide: Arc<dyn Decide>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) drain: Drain,
}

/// Serves probes and metrics on `listener`.
pub(super) fn server(listener: TcpListener, health: Health) -> io::Result<Server> {
    let health = web::Data::new(health);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::clone(&health))
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/healthz", web::get().to(readyz))
            .route("/status", web::get().to(status))
            .route("/metrics", web::get().to(metrics))
    });
    let server = server
        .workers(1)
        .max_connections(CONNECTIONS)
        .client_request_timeout(HEAD)
        // Without it, a client that sends requests and takes no answers is never let go.
        .keep_alive(KeepAlive::Disabled);
    Ok(server.disable_signals().listen(listener)?.run())
}

impl Health {
    /// What must be there to be ready, and whether it is.
    fn checks(&self) -> Vec<(&'static str, bool)> {
        let mut checks = self.decide.checks();
        checks.push(("running", !self.drain.has_begun()));
        checks
    }
}

/// Fails only where a new process is the only help: a gate all of whose threads evaluate without end.
async fn livez(health: web::Data<Health>) -> HttpResponse {
    let lifeless: Vec<_> = health.pools.lifeless().into_iter().map(Gate::as_str).collect();
    if lifeless.is_empty() {
        return text(StatusCode::OK, "ok\n".to_owned());
    }
    let lines = format!("no threads left: {}\n", lifeless.join(", "));
    text(StatusCode::SERVICE_UNAVAILABLE, lines)
}

fn is_ready(checks: &[(&'static str, bool)]) -> bool {
    checks.iter().all(|(_, passed)| *passed)
}

async fn readyz(health: web::Data<Health>, request: HttpRequest) -> HttpResponse {
    let checks = health.checks();
    let ready = is_ready(&checks);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let summary = if ready { "ok\n" } else { "not ready\n" };
    if !request
        .query_string()
        .split('&')
        .any(|part| part == "verbose" || part.starts_with("verbose="))
    {
        return text(status, summary.to_owned());
    }
    let lines = verbose(&checks, &health.decide.status());
    text(status, lines + summary)
}

/// A line for each check, and one for a load that was refused: it says nothing of whether the server is ready, because
/// the last good policies still decide.
fn verbose(checks: &[(&'static str, bool)], policies: &PolicyStatus) -> String {
    let mut lines = String::new();
    for (name, passed) in checks {
        let (sign, word) = if *passed { ('+', "ok") } else { ('-', "failed") };
        // Writing to a string does not fail.
        let _ = write!(lines, "[{sign}]{name} {word}");
        if let ("policies", Some(set)) = (*name, &policies.served) {
            let _ = write!(lines, " revision={} loaded={}", set.revision, set.loaded);
        }
        lines.push('\n');
    }
    if let Some(refused) = &policies.refused {
        let findings = match refused.findings.len() {
            1 => "1 finding".to_owned(),
            many => format!("{many} findings"),
        };
        let _ = writeln!(
            lines,
            "[!]reload failed: {findings} at={}, see /status",
            refused.at
        );
    }
    lines
}

async fn status(health: web::Data<Health>) -> HttpResponse {
    let checks = health.checks();
    HttpResponse::Ok().json(Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: is_ready(&checks),
        checks: checks
            .into_iter()
            .map(|(name, passed)| (name.to_owned(), passed))
            .collect(),
        policies: PolicyStatus::clone(&health.decide.status()),
    })
}

async fn metrics(health: web::Data<Health>) -> HttpResponse {
    match health.metrics.encode() {
        Ok(text) => HttpResponse::Ok()
            .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
            .body(text),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn text(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status).content_type(TEXT).body(text)
}
