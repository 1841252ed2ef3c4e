#!/bin/sh
# Makes an authority, a server certificate and a client certificate for development: `certs/dev.sh DIR`.
# Uses the `regate` that REGATE names, else the one on the PATH, else the one that cargo builds here.
set -eu

if [ "$#" -eq 0 ]; then
    echo "usage: $0 DIR [argument of regate cert]..." >&2
    exit 2
fi
if [ -n "${REGATE:-}" ]; then
    exec "$REGATE" cert "$@" --client-name kube-apiserver
elif command -v regate >/dev/null; then
    exec regate cert "$@" --client-name kube-apiserver
else
    exec cargo run --quiet --release --locked --manifest-path "$(dirname "$0")/../Cargo.toml" -- \
        cert "$@" --client-name kube-apiserver
fi
