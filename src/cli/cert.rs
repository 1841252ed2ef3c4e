//! `regate cert`: makes an authority of its own, and certificates for a server and for the API server as its client.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::Global;
use crate::certs::{self, Request};

/// Makes an authority and certificates for the server and for the API server as its client
///
/// Writes ca.crt, ca.key, tls.crt, tls.key, client.crt and client.key. The server's certificate always names localhost,
/// 127.0.0.1 and ::1.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory to write to
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// DNS name or address of the server (repeatable)
    #[arg(long, env = "REGATE_HOST", value_name = "HOST", value_delimiter = ',')]
    pub host: Vec<String>,
    /// Service in front of the server (repeatable)
    #[arg(
        long,
        env = "REGATE_SERVICE",
        value_name = "NAME.NAMESPACE",
        value_delimiter = ','
    )]
    pub service: Vec<String>,
    /// Name in the client's certificate, for --allow-client
    #[arg(long, env = "REGATE_CLIENT_NAME", value_name = "NAME", default_value = certs::CLIENT)]
    pub client_name: String,
    /// Days until the certificates expire
    #[arg(long, env = "REGATE_DAYS", value_name = "DAYS", default_value_t = 365,
        value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,
    /// Overwrite what is there
    #[arg(long, env = "REGATE_FORCE")]
    pub force: bool,
}

/// Runs the command.
pub fn run(args: Args, _: Global) -> anyhow::Result<ExitCode> {
    let Args {
        directory,
        host,
        service,
        client_name,
        days,
        force,
    } = args;
    let request = Request {
        hosts: host,
        services: service,
        client_name,
        days,
    };
    let paths = certs::write(&directory, &request, force)?;
    let mut out = std::io::stdout().lock();
    for file in paths.all() {
        writeln!(out, "{}", file.display())?;
    }
    Ok(ExitCode::SUCCESS)
}
