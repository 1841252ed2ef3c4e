//! End-to-end tests: a real kube-apiserver asks Regate at every gate, and a real kubectl shows what a user sees.
//!
//! `cargo test --test e2e [FILTER]` runs them. The programs are found or built by `binaries`; where neither is possible
//! every test is reported as ignored, or as failed with `REGATE_E2E=require`. The harness is libtest-mimic, because
//! what the cases share (`stage`) must end with the run.

#![expect(
    clippy::indexing_slicing,
    reason = "a member that is not there is null, and no assertion holds for it"
)]

mod answering;
mod api;
mod balancer;
#[expect(dead_code, reason = "OPA is run by another target")]
mod binaries;
mod cases;
mod control_plane;
mod dying;
mod flood;
mod gates;
mod issuer;
mod kubectl;
mod page;
mod pki;
mod process;
mod regate;
mod sets;
mod stage;
mod starters;
mod tls;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::stage::Stage;

/// One test: its name and what it does.
pub(crate) type Case = (&'static str, fn(&Stage) -> anyhow::Result<()>);

/// Cases that run side by side.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Much of a case is waiting: for an API server that starts or tries again, for kubectl.
    arguments.test_threads.get_or_insert(THREADS);
    end_children_with_us();
    let stage = Arc::new(Stage::default());
    let ignored = unavailable().filter(|_| env::var_os("REGATE_E2E").is_none_or(|value| value != "require"));
    if let Some(reason) = ignored.as_ref().filter(|_| !arguments.list) {
        say(&format!("the end-to-end tests are ignored: {reason}"));
    }
    let trials = cases::ALL
        .iter()
        .copied()
        .flatten()
        .map(|case| trial(case, &stage).with_ignored_flag(ignored.is_some()));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(stage);
    conclusion.exit_code()
}

fn trial(&(name, case): &Case, stage: &Arc<Stage>) -> Trial {
    let stage = Arc::clone(stage);
    Trial::test(name, move || {
        case(&stage).map_err(|error| Failed::from(format!("{error:#}")))
    })
}

/// Why the tests cannot run on this machine, if they cannot.
fn unavailable() -> Option<String> {
    [binaries::ETCD, binaries::KUBE_APISERVER, binaries::KUBECTL]
        .iter()
        .find_map(binaries::Binary::unavailable)
}

/// Ctrl-C and SIGTERM end this process without a drop, and its children would stay.
fn end_children_with_us() {
    thread::spawn(|| {
        if process::wait_for_end().is_ok() {
            process::kill_all();
            std::process::exit(130);
        }
    });
}

/// Whether the tests were asked to take their time.
pub(crate) fn long_run() -> bool {
    env::var_os("REGATE_LONG_RUN").is_some_and(|value| value == "1")
}

#[expect(
    clippy::print_stderr,
    reason = "whoever started the tests sees why nothing ran, and what was measured"
)]
pub(crate) fn say(line: &str) {
    eprintln!("regate tests: {line}");
}
