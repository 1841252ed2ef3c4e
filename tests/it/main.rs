//! Tests of the library through its public parts and of the real binary, in one target.

mod cli_config;
mod layering;
mod manifests;
mod server_connections;
mod serving;
