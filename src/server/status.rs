//! What a running server tells of its policies, beyond whether it is ready.
//!
//! Whoever loads policies writes a [`PolicyStatus`], the probes show it under `/status` and in `/readyz?verbose`, and
//! `regate status` reads it back: one type for both sides. It holds no parameters' values and no data, since the probes'
//! port asks nobody who they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::Finding;

/// The document under `/status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Of the program.
    pub version: String,
    /// What `/readyz` says.
    pub ready: bool,
    /// What must be there to be ready, by name, and whether it is.
    pub checks: BTreeMap<String, bool>,
    /// What is loaded.
    #[serde(flatten)]
    pub policies: PolicyStatus,
}

/// What became of the policies that were read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// The set that is served.
    pub served: Option<ServedSet>,
    /// The load that was refused last, if none was accepted since.
    pub refused: Option<RefusedLoad>,
}

/// A set that is served.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServedSet {
    /// Its content hash.
    pub revision: String,
    /// Since when it is served, RFC 3339.
    pub loaded: String,
    /// Where it comes from.
    pub source: Source,
    /// What should be told of it and was no reason to refuse it.
    pub warnings: Vec<Finding>,
    /// Its policies, by gate and in the order in which they are asked.
    pub policies: Vec<PolicyLine>,
}

/// Where a set comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Source {
    /// The program.
    #[default]
    BuiltIn,
    /// What was kept of an earlier run.
    LastGood {
        /// Where.
        directory: String,
    },
    /// Files and directories.
    Paths {
        /// Of policies.
        paths: Vec<String>,
        /// Of policies in Rego before version 1.
        paths_v0: Vec<String>,
        /// Of data.
        data: Vec<String>,
    },
}

/// A policy, without what it was given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyLine {
    /// Its gate.
    pub gate: String,
    /// Its name.
    pub name: String,
    /// deny, warn or dryrun.
    pub enforcement: String,
    /// Lower is asked first.
    pub order: i64,
    /// Each `match` as it is written; a review must match all.
    #[serde(rename = "match")]
    pub matching: Vec<Value>,
    /// How many exceptions it has, those included that have ended.
    pub exceptions: usize,
}

/// A load that was refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RefusedLoad {
    /// When, RFC 3339.
    pub at: String,
    /// All that was found.
    pub findings: Vec<Finding>,
}
