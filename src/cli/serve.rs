//! `regate serve`: loads policies, serves the gates, and takes over changes until it is told to stop.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Context;

use super::outside::outside;
use super::{Global, ServerFlags};
use crate::cluster::{Access, Cluster, TOKEN_FILE};
use crate::config::{self, Config, PolicySource, Tls};
use crate::gate::Gate;
use crate::metrics::{KeySetState, Metrics, Replication};
use crate::policy::files::{Files, LastGood, Sources};
use crate::policy::namespaces::Namespaces;
use crate::policy::watch::{Pace, Read, Watcher, watch};
use crate::policy::{Finding, Outside, Served};
use crate::server::status::Source;
use crate::server::{self, CertificateFiles, Policies, Running, Settings, Signals};
use crate::telemetry;
use intake::Intake;

mod greeting;
mod intake;
mod lists;
mod memory;
mod report;
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
    let signals = Signals::listen().context("cannot listen to signals")?;
    let text = global.read_file()?;
    let resolved = global.resolve_text(&args.settings, text.as_deref())?;
    let config = resolved.config.clone();
    let mut metrics = Metrics::default();
    let format = match config.log.format {
        crate::config::LogFormat::Json => telemetry::LogFormat::Json,
        crate::config::LogFormat::Text => telemetry::LogFormat::Text,
    };
    let _flush = telemetry::init(format, metrics.log_lines_lost())?;
    memory::keep_private();
    warn_of_backtraces();
    let (namespaces, _cluster) = watch_namespaces(&config.cluster, &mut metrics)?;
    let outside = outside(&config)?;
    metrics.asks_key_sets(key_set_states(&outside));
    let metrics = Arc::new(metrics);
    let sources = super::sources(&config.policies);
    let builtin = config.policies.source == PolicySource::Default;
    let first: Read = if builtin {
        Ok(with_data(Files::builtin(), &sources)?)
    } else {
        Files::read(&sources)
    };
    let intake = Intake {
        served: Served::default(),
        status: Arc::default(),
        metrics: Arc::clone(&metrics),
        outside,
        namespaces: Arc::clone(&namespaces),
        source: source(&config.policies),
        last_good: config.policies.last_good.clone().map(LastGood::new),
    };
    if let Err(findings) = intake.start(&first) {
        super::print_findings(&findings)?;
        return Ok(ExitCode::from(1));
    }
    let decide = Policies::new(
        Arc::clone(&intake.served),
        super::review_settings(&config, namespaces),
    )
    .telling(Arc::clone(&intake.status));
    let running = server::start(settings(&config), Arc::new(decide), metrics, Some(&signals))?;
    let (set, status) = (intake.served.load_full(), intake.status.load_full());
    let greeting = greeting::text(&config, &running, set.as_deref(), &status);
    drop(set);
    // Not before the server answers: a slow disk is no outage.
    intake.keep(&first);
    let watcher = if builtin {
        None
    } else {
        let changed = move |read| intake.change(read);
        let watcher = watch(sources, &first, Pace::default(), changed);
        Some(watcher.context("cannot watch the policies")?)
    };
    let lists = lists::watch(global, args.settings, text, resolved, running.callers())
        .context("cannot watch the configuration")?;
    std::io::stdout().write_all(greeting.as_bytes())?;
    wait(running, [watcher, lists])
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

/// How the sets of keys are doing, whenever a scrape asks.
fn key_set_states(outside: &Arc<Outside>) -> impl Fn() -> Vec<KeySetState> + Send + Sync + use<> {
    let keys = Arc::clone(&outside.keys);
    move || {
        let states = keys.status().into_iter().map(|set| KeySetState {
            name: set.name,
            loaded: set
                .loaded
                .and_then(|loaded| loaded.duration_since(UNIX_EPOCH).ok())
                .map(|loaded| loaded.as_secs_f64()),
            keys: set.keys,
            loads: [("success", set.successes), ("failure", set.failures)],
        });
        states.collect()
    }
}

/// Where the configuration has the policies from.
fn source(policies: &config::Policies) -> Source {
    let texts = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
    match &policies.source {
        PolicySource::Default => Source::BuiltIn,
        PolicySource::Paths { paths, paths_v0 } => Source::Paths {
            paths: texts(paths),
            paths_v0: texts(paths_v0),
            data: texts(&policies.data),
        },
    }
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

fn wait(running: Running, watchers: [Option<Watcher>; 2]) -> anyhow::Result<ExitCode> {
    let ended = running.wait();
    // The process ends here: a load that is under way must not hold it up.
    watchers.into_iter().flatten().for_each(Watcher::abandon);
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
        keys: _,
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
        certificate_pace: crate::watch::Pace::default(),
        deadline: limits.deadline,
        shutdown_delay: shutdown.delay,
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
