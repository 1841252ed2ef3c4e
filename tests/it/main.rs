//! Tests of the whole: the real binary, and the sources as text.

mod cli_config;
mod layering;
mod manifests;
