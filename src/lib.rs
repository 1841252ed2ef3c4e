//! Regate answers the Kubernetes API server's review webhooks from Rego policies.
pub mod certs;
pub mod cli;
pub mod config;
pub mod gate;
pub mod json;
pub mod metrics;
pub mod patch;
pub mod policy;
pub mod review;
pub mod server;
pub mod telemetry;
