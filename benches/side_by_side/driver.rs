//! Measures Regate beside OPA: reviews per CPU-second of the server's process, in rounds that alternate.
//!
//! `benches/side-by-side.sh` runs it. Both servers are real processes with the same certificate, the same policy file
//! and the same client: TLS, HTTP/1.1, keep-alive, one allowed and one denied Pod in turn, every answer checked. Both
//! log nothing per review. The last part serves a trivial policy, whose price is that of the review itself. The exit
//! code is 1 when a goal is missed.

#[expect(
    dead_code,
    reason = "only OPA is run here; the end-to-end tests run the other programs"
)]
#[path = "../../tests/e2e/binaries.rs"]
mod binaries;
mod load;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use crate::load::{Client, Reviews};
use crate::server::{Certificate, Server};

/// At least as many reviews per CPU-second as OPA.
const LEAST_RATIO: f64 = 1.0;

/// CPU of one review under the trivial policy, in microseconds.
const MOST_MICROS: f64 = 100.0;

/// Measures Regate beside OPA.
#[derive(Parser)]
struct Options {
    /// The Regate binary to measure.
    #[arg(long, env = "REGATE")]
    regate: PathBuf,
    /// Rounds; in each of them both servers are measured once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load on each server in a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections of the client; each has one review under way.
    #[arg(long, default_value_t = 4)]
    connections: usize,
}

/// What a server did in one round or in all of them.
#[derive(Clone, Default)]
struct Figures {
    reviews: usize,
    cpu: Duration,
    latencies: Vec<Duration>,
}

impl Figures {
    fn per_cpu_second(&self) -> f64 {
        self.reviews as f64 / self.cpu.as_secs_f64()
    }

    fn micros_per_review(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.reviews as f64
    }

    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * part) as usize;
        sorted
            .get(at)
            .or(sorted.last())
            .map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }

    fn add(&mut self, round: &Figures) {
        self.reviews += round.reviews;
        self.cpu += round.cpu;
        self.latencies.extend(&round.latencies);
    }
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side");
    let certificate = Certificate::generate()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let ratio = compare(&options, &files, &certificate).await?;
        let micros = trivial(&options, &files, &certificate).await?;
        let met = ratio >= LEAST_RATIO && micros <= MOST_MICROS;
        say(&format!(
            "goals (ratio at least {LEAST_RATIO:.1}, trivial policy at most {MOST_MICROS:.0} us): {}",
            if met { "met" } else { "missed" }
        ));
        Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Both servers under the thirty-rule policy; Regate's reviews per CPU-second over OPA's.
async fn compare(options: &Options, files: &Path, certificate: &Certificate) -> Result<f64> {
    let reviews = Reviews::read(&[
        (files.join("allowed.json"), true),
        (files.join("denied.json"), false),
    ])?;
    let regate = Server::regate(&options.regate, &files.join("thirty"), certificate)?;
    let opa = Server::opa(
        &binaries::OPA.path()?,
        &[files.join("thirty"), files.join("opa")],
        certificate,
    )?;
    say("thirty deny rules, reviews per CPU-second of the server:");
    for server in [&regate, &opa] {
        warm_up(server, certificate, &reviews).await?;
    }
    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    for round in 1..=options.rounds {
        let (mine, other) = if round % 2 == 1 {
            let mine = measure(&regate, options, certificate, &reviews).await?;
            (mine, measure(&opa, options, certificate, &reviews).await?)
        } else {
            let other = measure(&opa, options, certificate, &reviews).await?;
            (measure(&regate, options, certificate, &reviews).await?, other)
        };
        say(&format!(
            "  round {round}: regate {:.0}, opa {:.0}, ratio {:.2}",
            mine.per_cpu_second(),
            other.per_cpu_second(),
            mine.per_cpu_second() / other.per_cpu_second()
        ));
        ours.add(&mine);
        theirs.add(&other);
    }
    let ratio = ours.per_cpu_second() / theirs.per_cpu_second();
    report("regate", &ours);
    report("opa", &theirs);
    say(&format!("  ratio {ratio:.2}"));
    Ok(ratio)
}

/// Regate alone under the trivial policy; CPU microseconds per review.
async fn trivial(options: &Options, files: &Path, certificate: &Certificate) -> Result<f64> {
    let allowed = files.join("allowed.json");
    let reviews = Reviews::read(&[(allowed, true)])?;
    let regate = Server::regate(&options.regate, &files.join("trivial"), certificate)?;
    warm_up(&regate, certificate, &reviews).await?;
    let figures = measure(&regate, options, certificate, &reviews).await?;
    say(&format!("trivial policy, a review of {} bytes:", reviews.bytes()));
    report("regate", &figures);
    Ok(figures.micros_per_review())
}

async fn warm_up(server: &Server, certificate: &Certificate, reviews: &Reviews) -> Result<()> {
    server.wait_until_ready(certificate, reviews).await?;
    let client = Client::new(server, certificate)?;
    client.run(reviews, 2, Duration::from_secs(1)).await?;
    Ok(())
}

async fn measure(
    server: &Server,
    options: &Options,
    certificate: &Certificate,
    reviews: &Reviews,
) -> Result<Figures> {
    let client = Client::new(server, certificate)?;
    let before = server.cpu()?;
    let latencies = client
        .run(reviews, options.connections, Duration::from_secs(options.seconds))
        .await
        .with_context(|| format!("{} failed under load", server.name()))?;
    let cpu = server.cpu()?.saturating_sub(before);
    Ok(Figures {
        reviews: latencies.len(),
        cpu,
        latencies,
    })
}

fn report(name: &str, figures: &Figures) {
    say(&format!(
        "  {name:<7} {:>8.0} reviews per CPU-second, {:>5.0} us of CPU each, p50 {:.2} ms, p99 {:.2} ms, {} reviews",
        figures.per_cpu_second(),
        figures.micros_per_review(),
        figures.quantile(0.50),
        figures.quantile(0.99),
        figures.reviews
    ));
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
fn say(line: &str) {
    println!("{line}");
}
