//! `regate serve`: loads policies, serves the gates, and takes over changes until it is told to stop.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::{Global, ServerFlags};
use crate::cluster::{Access, Cluster, TOKEN_FILE};
use crate::config::{self, Config, PolicySource, Tls};
use crate::gate::Gate;
use crate::metrics::{Metrics, Replication};
use crate::policy::files::{Files, Sources};
use crate::policy::load::load;
use crate::policy::namespaces::Namespaces;
use crate::policy::watch::{Pace, Read, Watcher, watch};
use crate::policy::{Finding, PolicySet, Served};
use crate::server::{self, CertificateFiles, Policies, Running, Settings};
use crate::telemetry;

mod greeting;
#[cfg(test)]
mod tests;

/// Serves the gates
///
/// With no flag at all: on loopback, with a certificate of its own making and the built-in starter policies.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The settings of a server.
    #[command(flatten)]
    pub settings: ServerFlags,
}

/// Runs the command: until SIGTERM or SIGINT, or until it cannot serve.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let config = global.resolve_with(&args.settings)?.config;
    telemetry::init(match config.log.format {
        crate::config::LogFormat::Json => telemetry::LogFormat::Json,
        crate::config::LogFormat::Text => telemetry::LogFormat::Text,
    })?;
    warn_of_backtraces();
    let mut metrics = Metrics::default();
    let (namespaces, _cluster) = watch_namespaces(&config.cluster, &mut metrics)?;
    let metrics = Arc::new(metrics);
    let served = Served::default();
    let sources = super::sources(&config.policies);
    let builtin = config.policies.source == PolicySource::Default;
    let first: Read = if builtin {
        Ok(with_data(Files::builtin(), &sources)?)
    } else {
        Files::read(&sources)
    };
    let loaded = match &first {
        Ok(files) => load(files),
        Err(findings) => Err(findings.clone()),
    };
    match loaded {
        Ok(set) => accept(set, &served, &metrics),
        Err(findings) => {
            super::print_findings(&findings)?;
            return Ok(ExitCode::from(1));
        }
    }
    let decide = Policies::new(Arc::clone(&served), super::review_settings(&config, namespaces));
    let running = server::start(settings(&config), Arc::new(decide), Arc::clone(&metrics))?;
    let watcher = if builtin {
        None
    } else {
        Some(follow(sources, &first, &served, &metrics)?)
    };
    std::io::stdout().write_all(greeting::text(&config, &running, served.load().as_deref()).as_bytes())?;
    wait(running, watcher)
}

/// The engine makes an error of everything that a policy asks in vain, and an error may walk the stack.
fn warn_of_backtraces() {
    let set = |name: &str| std::env::var_os(name).map(|value| value != "0");
    if set("RUST_LIB_BACKTRACE")
        .or_else(|| set("RUST_BACKTRACE"))
        .unwrap_or(false)
    {
        tracing::warn!(
            target: "regate::server",
            event = "backtraces",
            "backtraces make failing policies many times dearer: set RUST_LIB_BACKTRACE=0"
        );
    }
}

/// The cluster's Namespaces, and the watch that fills them if there is a way to the API server.
fn watch_namespaces(
    config: &config::Cluster,
    metrics: &mut Metrics,
) -> anyhow::Result<(Arc<Namespaces>, Option<Cluster>)> {
    let service_host = std::env::var_os("KUBERNETES_SERVICE_HOST");
    let access = Access::find(
        config.kubeconfig.as_deref(),
        service_host.as_deref(),
        Path::new(TOKEN_FILE),
    );
    let Some(access) = access else {
        return Ok((Arc::default(), None));
    };
    let namespaces = Arc::new(Namespaces::unsynced());
    let known = Arc::clone(&namespaces);
    metrics.replicates("namespaces", move || Replication {
        synced: known.is_synced(),
        objects: known.count(),
    });
    let cluster = Cluster::start(access, Arc::clone(&namespaces)).context("--kubeconfig")?;
    Ok((namespaces, Some(cluster)))
}

/// The starter policies with the data files that the operator named.
fn with_data(files: Files, sources: &Sources) -> anyhow::Result<Files> {
    let data = Sources {
        data: sources.data.clone(),
        settings: sources.settings.clone(),
        ..Sources::default()
    };
    let read = Files::read(&data).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })?;
    Ok(files.with_data_of(read))
}

/// Serves a set from now on. An empty one is never served: the last good one stays, or the server is not ready.
fn accept(set: PolicySet, served: &Served, metrics: &Metrics) {
    let (revision, policies) = (set.revision.clone(), set.policies().len());
    if policies == 0 {
        tracing::warn!(target: "regate::policy", event = "policy_rejected", revision, "no policies: an empty set is not served");
        metrics.policies_refused();
        return;
    }
    metrics.policies_accepted(&revision, policies);
    served.store(Some(Arc::new(set)));
    tracing::info!(target: "regate::policy", event = "policy_loaded", revision, policies, "policies loaded");
}

/// Takes over changes of the sources: good sets are served, of bad ones everything found is told.
fn follow(
    sources: Sources,
    first: &Read,
    served: &Served,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Watcher> {
    let (served, metrics) = (Arc::clone(served), Arc::clone(metrics));
    let on_change = move |read: Read| match read.and_then(|files| load(&files)) {
        Ok(set) => accept(set, &served, &metrics),
        Err(findings) => {
            metrics.policies_refused();
            for finding in &findings {
                tracing::error!(target: "regate::policy", event = "policy_rejected", finding = %finding, "the last good policies stay");
            }
        }
    };
    watch(sources, first, Pace::default(), on_change).context("cannot watch the policies")
}

fn wait(running: Running, watcher: Option<Watcher>) -> anyhow::Result<ExitCode> {
    let ended = running.wait();
    // The process ends here: a load that is under way must not hold it up.
    std::mem::forget(watcher);
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// The server's settings as the configuration has them. Taken apart whole, so that none is forgotten.
fn settings(config: &Config) -> Settings {
    let Config {
        listen,
        tls,
        callers,
        policies: _,
        cluster: _,
        // Those that are served have a rule for their callers.
        gates: _,
        limits,
        shutdown,
        log: _,
    } = config;
    Settings {
        listen: listen.reviews,
        probe_listen: listen.probes,
        gates: callers.rules.clone(),
        certificate: match tls {
            Tls::Ephemeral => None,
            Tls::Files { cert, key } => Some(CertificateFiles {
                certificate: cert.clone(),
                key: key.clone(),
            }),
        },
        client_ca: callers.client_ca.clone(),
        deadline: limits.deadline,
        shutdown_timeout: shutdown.timeout,
        workers: server::Workers::default(),
        limits: server::Limits::default(),
    }
}

/// The gates in the order of the routes.
fn served_gates(config: &Config) -> impl Iterator<Item = Gate> {
    Gate::ALL
        .into_iter()
        .filter(|gate| config.gates.served.contains(gate))
}
