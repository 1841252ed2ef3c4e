//! `regate status`: what a running server serves, and why it refused what it does not.
//!
//! Asks the probes' port, which needs no credentials and tells no secrets. A server that refused a load goes on with its
//! last good policies and stays ready, so this is where a pipeline learns of it.

mod fetch;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;

use super::{Global, Output};
use crate::server::status::{PolicyLine, Report, ServedSet, Source};

/// Says what a running server serves, and why it refused what it does not
///
/// Ends with 0 if it is ready and took over the last policies that it read, 1 if it is not ready or refused them, 2 if
/// it cannot be asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the server answers probes [default: http:// and `listen.probes` of the configuration]
    #[arg(long, env = "REGATE_SERVER", value_name = "http://HOST:PORT")]
    pub server: Option<String>,
    /// Form of what is printed
    #[arg(
        short,
        long,
        env = "REGATE_OUTPUT",
        value_name = "text|json",
        default_value = "text"
    )]
    pub output: Output,
}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let server = match args.server {
        Some(server) => server,
        None => local(global.resolve()?.config.listen.probes)?,
    };
    let body = fetch::fetch(&server, "/status").with_context(|| server.clone())?;
    let no_status = || format!("{server}: what answers there is no regate server");
    let document: Value = serde_json::from_slice(&body).with_context(no_status)?;
    let report: Report = serde_json::from_value(document.clone()).with_context(no_status)?;
    let shown = match args.output {
        Output::Json => format!("{document:#}\n"),
        Output::Text => text(&report),
    };
    std::io::stdout().write_all(shown.as_bytes())?;
    Ok(ExitCode::from(
        if report.ready && report.policies.refused.is_none() {
            0
        } else {
            1
        },
    ))
}

/// The server that the configuration describes, asked from its own host.
fn local(mut probes: SocketAddr) -> anyhow::Result<String> {
    if probes.port() == 0 {
        anyhow::bail!("--server: the server of this configuration chooses its port when it starts");
    }
    if probes.ip().is_unspecified() {
        probes.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    Ok(format!("http://{probes}"))
}

/// The report for people.
fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let failed: Vec<_> = report
        .checks
        .iter()
        .filter(|(_, passed)| !**passed)
        .map(|(name, _)| name.as_str())
        .collect();
    match failed.as_slice() {
        [] => writeln!(out, "ready:     yes")?,
        failed => writeln!(out, "ready:     no: {}", failed.join(", "))?,
    }
    match &report.policies.served {
        Some(set) => served(out, set)?,
        None => writeln!(out, "revision:  none, no policies are loaded")?,
    }
    if let Some(refused) = &report.policies.refused {
        writeln!(out, "\nrefused at {}:", refused.at)?;
        for finding in &refused.findings {
            writeln!(out, "  {finding}")?;
        }
    }
    Ok(())
}

fn served(out: &mut String, set: &ServedSet) -> std::fmt::Result {
    writeln!(out, "revision:  {}", set.revision)?;
    writeln!(out, "loaded:    {}", set.loaded)?;
    writeln!(out, "source:    {}", source(&set.source))?;
    for warning in &set.warnings {
        writeln!(out, "warning:   {warning}")?;
    }
    writeln!(out)?;
    let head = ["GATE", "NAME", "ENFORCEMENT", "ORDER", "EXCEPTIONS", "MATCH"].map(str::to_owned);
    let rows: Vec<_> = [head].into_iter().chain(set.policies.iter().map(row)).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in &rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("   ").trim_end())?;
    }
    Ok(())
}

fn source(source: &Source) -> String {
    match source {
        Source::BuiltIn => "built in".to_owned(),
        Source::LastGood { directory } => format!("the last good policies, kept in {directory}"),
        Source::Paths {
            paths,
            paths_v0,
            data,
        } => {
            let of = |what: &str, paths: &[String]| -> Vec<String> {
                paths.iter().map(|path| format!("{path}{what}")).collect()
            };
            [of("", paths), of(" (v0)", paths_v0), of(" (data)", data)]
                .concat()
                .join(", ")
        }
    }
}

fn row(policy: &PolicyLine) -> [String; 6] {
    let matching: Vec<_> = policy.matching.iter().map(Value::to_string).collect();
    [
        policy.gate.clone(),
        policy.name.clone(),
        policy.enforcement.clone(),
        policy.order.to_string(),
        policy.exceptions.to_string(),
        if matching.is_empty() {
            "everything".to_owned()
        } else {
            matching.join(" and ")
        },
    ]
}

#[cfg(test)]
mod tests;
