//! What the fuzz targets judge by: a strict JSON reader and a few policies with their meaning, both written without
//! Regate's code. The test that sends damaged requests to the real binary (`tests/load`) judges by the same files.

pub mod policies;
pub mod strict;
