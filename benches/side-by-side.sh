#!/bin/sh
# Regate beside OPA in one run: the same thirty-rule policy over TLS and HTTP/1.1, CPU per review, and the price of a
# trivial policy. Options are those of the example (`--help`); REGATE names another binary than the release build.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${REGATE:-}" ]; then
    cargo build --release --locked --bin regate
    export REGATE="${CARGO_TARGET_DIR:-target}/release/regate"
fi
exec cargo run --release --locked --example side-by-side -- "$@"
