//! Logs: lines on standard error, as text for people or as JSON for collectors.
//!
//! `RUST_LOG` is honoured. Events are named by their `event` field; bodies and tokens are logged at no level.

use std::panic::{self, Location, PanicHookInfo};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// What is logged without `RUST_LOG`.
const DEFAULT: &str = "info,actix_server=warn";

/// Off unless `RUST_LOG` names it: the client of the API server tells of every failed attempt, and of answers that it
/// cannot read in their own words. The HTTP library tells of every broken connection, which any client can cause, and
/// quotes headers that it cannot read. What matters of them is logged by whoever uses them.
const QUIET: &str = "actix_http=off,kube_client=off,kube_runtime=off";

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator wrote a filter that cannot be read.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// It was set up before.
    #[error("{0}")]
    Twice(#[from] TryInitError),
}

/// Sets up logging for the whole process; once, before anything logs. Panics become log lines, too.
pub fn init(format: LogFormat) -> Result<(), Error> {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let asked = asked.filter(|directives| !directives.trim().is_empty());
    let filter = EnvFilter::builder().parse(format!("{QUIET},{}", asked.as_deref().unwrap_or(DEFAULT)))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
        LogFormat::Text => lines.finish().try_init()?,
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Tells where a panic happened, and not what it says: that may quote what was being worked on.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(Location::to_string);
    tracing::error!(target: "regate::panic", event = "panic", location, "a thread panicked");
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_logged_by_its_place_and_without_its_words() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || writer.clone())
            .finish();
        let before = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let caught =
            tracing::subscriber::with_default(subscriber, || panic::catch_unwind(|| panic!("a token")));
        panic::set_hook(before);
        assert!(caught.is_err());
        let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains(r#""location":"src/telemetry.rs:"#), "{log}");
        assert!(!log.contains("token"), "{log}");
    }
}
