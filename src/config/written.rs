//! What an operator wrote: the whole file, or the flags, or the environment, each value optional.
//!
//! The three places give the same type, so that one precedence serves all values. Nothing here knows a default.

use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;

use super::error::Place;
use super::{
    API_VERSION, Error, KIND, Setting, callers, cluster, gates, keys, limits, listen, log, policies, tls,
};

/// The document as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    api_version: Option<String>,
    kind: Option<String>,
    pub(super) listen: listen::Written,
    pub(super) tls: tls::Written,
    pub(super) callers: callers::Written,
    pub(super) policies: policies::Written,
    pub(super) keys: keys::Written,
    pub(super) cluster: cluster::Written,
    pub(super) gates: gates::Written,
    pub(super) limits: limits::WrittenLimits,
    pub(super) shutdown: limits::WrittenShutdown,
    pub(super) log: log::Written,
}

impl Written {
    /// Reads the file's text.
    pub(super) fn from_file(name: &str, text: &str) -> Result<Self, Error> {
        // As in METADATA, only `true` and `false` are booleans: the settings of a policy stand in for it.
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let written: Self =
            serde_saphyr::from_str_with_options(text, options).map_err(|source| Error::File {
                file: name.to_owned(),
                source: Box::new(source),
            })?;
        let is = |field: &Option<String>, wanted: &str| field.as_deref() == Some(wanted);
        if !is(&written.api_version, API_VERSION) || !is(&written.kind, KIND) {
            return Err(Error::NotAConfiguration {
                file: name.to_owned(),
            });
        }
        Ok(written)
    }

    /// Reads the flags: each setting with all its words.
    pub(super) fn from_flags(flags: &[(Setting, Vec<String>)]) -> Result<Self, Error> {
        let mut written = Self::default();
        for (setting, words) in flags {
            written.set(*setting, words).map_err(|reason| Error::Value {
                place: Place::Flag(setting.row().flag),
                value: words.join(","),
                reason,
            })?;
        }
        Ok(written)
    }

    /// Reads the environment: a list is one text with commas, an empty text is no setting.
    pub(super) fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut written = Self::default();
        for setting in Setting::ALL {
            let row = setting.row();
            let Some(text) = variable(row.environment).filter(|text| !text.is_empty()) else {
                continue;
            };
            let words: Vec<String> = if row.list {
                text.split(',').map(str::to_owned).collect()
            } else {
                vec![text.clone()]
            };
            written.set(setting, &words).map_err(|reason| Error::Value {
                place: Place::Variable(row.environment),
                value: text,
                reason,
            })?;
        }
        Ok(written)
    }

    /// Sets what one flag or variable says.
    fn set(&mut self, setting: Setting, words: &[String]) -> Result<(), String> {
        match setting {
            Setting::AllowClient => self.callers.allow_clients = Some(many(words)?),
            Setting::AllowIdentity => self.gates.authn.allow_identities = Some(many(words)?),
            Setting::ClientCa => self.callers.client_ca = one(words)?,
            Setting::Data => self.policies.data = Some(many(words)?),
            Setting::Deadline => self.limits.deadline = one(words)?,
            Setting::Gate => self.gates.serve_only(words)?,
            Setting::HttpAllow => self.policies.http_allow = Some(many(words)?),
            Setting::HttpCa => self.policies.http_ca = one(words)?,
            Setting::ImageDefault => self.gates.image.default = one(words)?,
            Setting::InsecureAllowAnonymous => self.callers.insecure_allow_anonymous = Some(many(words)?),
            Setting::Jwks => self.keys.sets = Some(many(words)?),
            Setting::JwksCa => self.keys.issuer_ca = one(words)?,
            Setting::JwksRefresh => self.keys.refresh = one(words)?,
            Setting::Kubeconfig => self.cluster.kubeconfig = one(words)?,
            Setting::LastGood => self.policies.last_good = one(words)?,
            Setting::Listen => self.listen.reviews = one(words)?,
            Setting::LogFormat => self.log.format = one(words)?,
            Setting::OnFault => self.gates.set_on_fault(words)?,
            Setting::Policy => self.policies.paths = Some(many(words)?),
            Setting::PolicyV0 => self.policies.paths_v0 = Some(many(words)?),
            Setting::ProbeListen => self.listen.probes = one(words)?,
            Setting::Provider => self.policies.providers = Some(many(words)?),
            Setting::ShutdownDelay => self.shutdown.delay = one(words)?,
            Setting::ShutdownTimeout => self.shutdown.timeout = one(words)?,
            Setting::TlsCert => self.tls.cert = one(words)?,
            Setting::TlsKey => self.tls.key = one(words)?,
        }
        Ok(())
    }
}

/// Reads the last word.
fn one<T: FromStr<Err: Display>>(words: &[String]) -> Result<Option<T>, String> {
    words.last().map(|word| read(word)).transpose()
}

/// Reads every word.
fn many<T: FromStr<Err: Display>>(words: &[String]) -> Result<Vec<T>, String> {
    words.iter().map(|word| read(word)).collect()
}

fn read<T: FromStr<Err: Display>>(word: &str) -> Result<T, String> {
    word.parse().map_err(|error: T::Err| error.to_string())
}
