//! The real binary under load, one case after the other: what must hold while the machine has more to do than it can.
//!
//! `cargo test --test load [FILTER]` runs every case for some seconds; with `REGATE_LONG_RUN=1` each takes the counts
//! and times of docs/testing-reliability.md, for minutes. Cases never run side by side: they measure.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends where it stands"
)]

#[path = "../it/canaries.rs"]
mod canaries;
mod certificates;
mod connections;
mod deadline;
mod hostile;
mod isolation;
mod memory;
mod overload;
mod pace;
#[path = "../it/pki.rs"]
mod pki;
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../fuzz/src/policies.rs"]
mod policies;
#[expect(dead_code, reason = "shared with the tests of single requests")]
#[path = "../it/process.rs"]
mod process;
mod reload;
mod restarts;
#[expect(dead_code, reason = "shared with the tests of single requests")]
#[path = "../it/reviews.rs"]
mod reviews;
mod secrets;
#[expect(dead_code, reason = "shared with the tests of single requests")]
#[path = "../it/serving.rs"]
mod serving;
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
#[path = "../../fuzz/src/strict.rs"]
mod strict;

use std::env;
use std::panic::catch_unwind;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// One test: its name and what it does. It fails by panicking.
pub(crate) type Case = (&'static str, fn());

/// Every case, in the order in which they run.
const ALL: &[&[Case]] = &[
    certificates::CASES,
    connections::CASES,
    deadline::CASES,
    hostile::CASES,
    isolation::CASES,
    memory::CASES,
    overload::CASES,
    reload::CASES,
    restarts::CASES,
    secrets::CASES,
];

/// The cases of a file: each function by its name.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        pub(crate) const CASES: &[crate::Case] = &[$((stringify!($name), $name)),+];
    };
}
pub(crate) use cases;

fn main() -> ExitCode {
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let trials = ALL
        .iter()
        .copied()
        .flatten()
        .map(|&(name, case)| Trial::test(name, move || run(case)))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The panic's message is printed where it happens.
fn run(case: fn()) -> Result<(), Failed> {
    catch_unwind(case).map_err(|_| Failed::without_message())
}

/// `short` in an ordinary run, `long` in one that was asked to take its time.
pub(crate) fn either<T>(short: T, long: T) -> T {
    if env::var_os("REGATE_LONG_RUN").is_some_and(|value| value == "1") {
        long
    } else {
        short
    }
}
