//! Tests of the library through its public parts, in one binary.

mod server_connections;
mod serving;
