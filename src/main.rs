//! The `regate` binary: everything it does is in [`regate::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    regate::cli::main(std::env::args_os())
}
