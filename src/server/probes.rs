//! Probes and metrics, on a port of their own without TLS: the kubelet and Prometheus call them, not the API server.

use std::fmt::Write as _;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use super::decide::Decide;
use super::reply::TEXT;
use crate::metrics::Metrics;

/// What the probes look at.
pub(super) struct Health {
    pub(super) decide: Arc<dyn Decide>,
    pub(super) metrics: Arc<Metrics>,
    /// Set when the server was told to stop.
    pub(super) stopping: Arc<AtomicBool>,
}

/// Serves probes and metrics on `listener`.
pub(super) fn server(listener: TcpListener, health: Health) -> io::Result<Server> {
    let health = web::Data::new(health);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::clone(&health))
            .route(
                "/livez",
                web::get().to(async || text(StatusCode::OK, "ok\n".to_owned())),
            )
            .route("/readyz", web::get().to(readyz))
            .route("/healthz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

async fn readyz(health: web::Data<Health>, request: HttpRequest) -> HttpResponse {
    let mut checks = health.decide.checks();
    checks.push(("running", !health.stopping.load(Ordering::Relaxed)));
    let ready = checks.iter().all(|(_, passed)| *passed);
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
    let mut lines = String::new();
    for (name, passed) in checks {
        // Writing to a string does not fail.
        let _ = writeln!(
            lines,
            "[{}]{name} {}",
            if passed { '+' } else { '-' },
            if passed { "ok" } else { "failed" }
        );
    }
    text(status, lines + summary)
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
