//! Tests of the whole: the real binary, the library over real sockets, and the sources as text.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends where it stands; clippy exempts test functions, not what they share"
)]

mod bad_files;
mod bench;
mod canaries;
mod checks;
mod cli_cert;
mod cli_config;
mod client_certificates;
mod cluster;
mod commands;
mod contract;
mod docs;
mod explaining;
mod external_data;
mod fetch;
mod hostile;
mod init;
mod keys_served;
mod last_good;
mod layering;
mod manifests;
mod outgoing;
mod outgoing_served;
mod peer;
mod pki;
mod policies;
mod policy_records;
mod process;
mod readme;
mod reload;
mod reload_callers;
mod requests;
mod results;
mod reviews;
mod secrets;
mod server_callers;
mod server_certificates;
mod server_connections;
mod server_crowds;
mod server_drain;
mod server_guards;
mod server_handshakes;
mod server_heads;
mod server_lifecycle;
mod server_memory;
mod server_process;
mod server_strangers;
mod server_workers;
mod serving;
mod settings;
mod starters;
mod status;
mod testing;
