//! What policies may reach outside of their review, made of the configuration: all of it for commands that decide
//! reviews, and without keys for those that only load policies or run their tests.

mod asked;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::config::{Config, KeySource, Keys, Policies};
use crate::fetch::{AllowedHost, Client, Request, Settings};
use crate::keys::{Fetch, Fetched, KeySets, Patience, Source};
use crate::policy::{Outside, key_set};
use crate::watch::Pace;

/// Begins to read and to fetch what is configured.
///
/// # Errors
/// When it can never be had as it is configured, or the machine gives no thread.
pub(super) fn outside(config: &Config) -> anyhow::Result<Arc<Outside>> {
    Ok(Arc::new(Outside {
        keys: Arc::new(keys(&config.keys)?),
        ..asked::asked(&config.policies)?
    }))
}

/// The same without keys: nobody is asked for any.
///
/// # Errors
/// As [`outside`].
pub(super) fn without_keys(policies: &Policies) -> anyhow::Result<Arc<Outside>> {
    Ok(Arc::new(asked::asked(policies)?))
}

fn keys(config: &Keys) -> anyhow::Result<KeySets> {
    let Keys {
        sets,
        issuer_ca,
        refresh,
    } = config;
    let allowed = sets.iter().filter_map(|(name, source)| match source {
        KeySource::File(_) => None,
        // The operator has named this very address: it may be inside of the cluster.
        KeySource::Url(url) => Some(AllowedHost::of(url).with_context(|| format!("--jwks {name}"))),
    });
    let settings = Settings {
        allowed: allowed.collect::<anyhow::Result<_>>()?,
        authorities: issuer_ca.clone(),
    };
    let client = match settings.allowed.is_empty() {
        true => None,
        false => Some(Arc::new(Client::start(&settings).context("--jwks-ca")?)),
    };
    let sources = sets.iter().filter_map(|(name, source)| {
        let source = match source {
            KeySource::File(path) => Source::File(path.clone()),
            KeySource::Url(url) => Source::Issuer(fetch(Arc::clone(client.as_ref()?), url.clone())),
        };
        Some((name.clone(), source))
    });
    let patience = Patience {
        refresh: *refresh,
        watch: Pace::default(),
    };
    KeySets::start(sources, key_set, patience).context("no thread to keep keys up to date")
}

/// How an issuer is asked for its keys.
fn fetch(client: Arc<Client>, url: String) -> Fetch {
    Box::new(move |deadline: Instant| {
        let request = Request {
            method: "GET".to_owned(),
            url: url.clone(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            ..Request::default()
        };
        let response = client
            .send(request, deadline)
            .map_err(|error| error.to_string())?;
        if response.status != 200 {
            return Err(format!("the issuer answers {}", response.status));
        }
        let mut headers = response.headers.iter();
        let control = headers.find(|(name, _)| name == "cache-control");
        Ok(Fetched {
            max_age: control.and_then(|(_, value)| max_age(&String::from_utf8_lossy(value))),
            body: response.body.to_vec(),
        })
    })
}

/// For how long an answer holds, as `Cache-Control` says it.
fn max_age(control: &str) -> Option<Duration> {
    let mut directives = control
        .split(',')
        .map(|directive| directive.trim().to_ascii_lowercase());
    directives.find_map(|directive| match directive.as_str() {
        "no-store" | "no-cache" => Some(Duration::ZERO),
        directive => {
            let seconds = directive.strip_prefix("max-age=")?.trim_matches('"');
            seconds.parse().ok().map(Duration::from_secs)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_says_for_how_long_its_keys_hold() {
        for (control, seconds) in [
            ("max-age=600", Some(600)),
            ("public, Max-Age=20, must-revalidate", Some(20)),
            ("max-age=\"7\"", Some(7)),
            ("no-store", Some(0)),
            ("no-cache, max-age=60", Some(0)),
            ("private", None),
            ("max-age=soon", None),
            ("", None),
        ] {
            assert_eq!(max_age(control), seconds.map(Duration::from_secs), "{control}");
        }
    }
}
