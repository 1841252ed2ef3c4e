//! Section `policies`: what is loaded.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::http::HttpHost;
use super::layers::Layers;
use super::text::FilePath;
use super::{Setting, text};

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(deserialize_with = "text::many")]
    pub(super) paths: Option<Vec<FilePath>>,
    #[serde(rename = "pathsV0", deserialize_with = "text::many")]
    pub(super) paths_v0: Option<Vec<FilePath>>,
    #[serde(deserialize_with = "text::many")]
    pub(super) data: Option<Vec<FilePath>>,
    pub(super) settings: Option<Vec<Value>>,
    #[serde(deserialize_with = "text::one")]
    pub(super) last_good: Option<FilePath>,
    #[serde(deserialize_with = "text::many")]
    pub(super) http_allow: Option<Vec<HttpHost>>,
    #[serde(deserialize_with = "text::one")]
    pub(super) http_ca: Option<FilePath>,
    #[serde(deserialize_with = "text::many")]
    pub(super) providers: Option<Vec<FilePath>>,
}

/// Where policies and their data come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    /// The policies.
    pub source: PolicySource,
    /// Files and directories of data.
    pub data: Vec<PathBuf>,
    /// What is set for policies from outside of their files, in order; loading them says what is wrong with it.
    pub settings: Vec<Value>,
    /// Where the set that was accepted last is kept.
    pub last_good: Option<PathBuf>,
    /// Whom `http.send` may ask.
    pub http_allow: Vec<HttpHost>,
    /// The authorities that sign for them; `None` for the system's.
    pub http_ca: Option<PathBuf>,
    /// Files of providers that `external_data` may ask.
    pub providers: Vec<PathBuf>,
}

/// Where policies come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// Nobody said: what the command takes by itself, the built-in starter set or `./policies`.
    Default,
    /// Files and directories, at least one of either kind.
    Paths {
        /// Of the language of today.
        paths: Vec<PathBuf>,
        /// Of the language before version 1.
        paths_v0: Vec<PathBuf>,
    },
}

pub(super) fn resolve(layers: &mut Layers) -> Policies {
    let into_paths = |paths: Vec<FilePath>| paths.into_iter().map(FilePath::into_path).collect::<Vec<_>>();
    let paths = into_paths(layers.list("policies.paths", Setting::Policy, |w| &w.policies.paths));
    let paths_v0 = into_paths(layers.list("policies.pathsV0", Setting::PolicyV0, |w| &w.policies.paths_v0));
    let data = into_paths(layers.list("policies.data", Setting::Data, |w| &w.policies.data));
    let source = if paths.is_empty() && paths_v0.is_empty() {
        PolicySource::Default
    } else {
        PolicySource::Paths { paths, paths_v0 }
    };
    let settings = layers.structured("policies.settings", |w| &w.policies.settings);
    let last_good = layers.optional("policies.lastGood", Setting::LastGood, |w| &w.policies.last_good);
    let http_allow = layers.list("policies.httpAllow", Setting::HttpAllow, |w| {
        &w.policies.http_allow
    });
    let http_ca = layers.optional("policies.httpCa", Setting::HttpCa, |w| &w.policies.http_ca);
    let providers = layers.list("policies.providers", Setting::Provider, |w| &w.policies.providers);
    Policies {
        source,
        data,
        settings,
        last_good: last_good.map(FilePath::into_path),
        http_allow,
        http_ca: http_ca.map(FilePath::into_path),
        providers: into_paths(providers),
    }
}
