//! What policies may reach outside, from the configuration: the hosts of `http.send` and the providers of external data.
//!
//! A part of what every command lets policies reach. Nobody is asked here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::config::{HttpHost, HttpName, Policies};
use crate::fetch::{AllowedHost, Client, HostPattern, Settings, Tls};
use crate::policy::{Outside, Provider, Providers};
use crate::watch;

/// The longest file of providers.
const MAX_PROVIDERS: u64 = 4 * 1024 * 1024;

/// Whom the configuration lets policies ask.
pub(super) fn asked(policies: &Policies) -> anyhow::Result<Outside> {
    let settings = |allowed| Settings {
        allowed,
        authorities: policies.http_ca.clone(),
    };
    let mut outside = Outside::default();
    if !policies.http_allow.is_empty() {
        let allowed = policies.http_allow.iter().map(allowed_host).collect();
        let client = Client::start(&settings(allowed)).context("--http-ca")?;
        outside.http = Some(Arc::new(client));
    }
    let mut named = BTreeMap::new();
    let mut hosts = Vec::new();
    for file in &policies.providers {
        let place = || format!("--provider {}", file.display());
        for (name, provider) in read(file).with_context(place)? {
            hosts.push(AllowedHost::of(&provider.url).with_context(place)?);
            ensure!(
                named.insert(name.clone(), provider).is_none(),
                "{}: a second provider `{name}`",
                place()
            );
        }
    }
    if !policies.providers.is_empty() {
        let client = Client::start(&settings(hosts)).context("--http-ca")?;
        for (name, provider) in &named {
            let authorities = provider.authorities.clone();
            let tls = Tls {
                authorities,
                ..Tls::default()
            };
            client
                .check(&tls)
                .with_context(|| format!("the provider `{name}`"))?;
        }
        outside.providers = Some(Providers { client, named });
    }
    Ok(outside)
}

fn allowed_host(host: &HttpHost) -> AllowedHost {
    let HttpHost {
        name,
        port,
        plain,
        private,
    } = host;
    AllowedHost {
        host: match name {
            HttpName::Exact(name) => HostPattern::Name(name.clone()),
            HttpName::Below(domain) => HostPattern::Below(domain.clone()),
            HttpName::Address(address) => HostPattern::Address(*address),
        },
        port: *port,
        plain: *plain,
        private: *private,
    }
}

/// A Provider as Gatekeeper has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Spec {
    url: String,
    /// Seconds.
    #[serde(default = "one")]
    timeout: u32,
    /// PEM in base64.
    ca_bundle: Option<String>,
}

const fn one() -> u32 {
    1
}

/// All providers of a file.
fn read(file: &Path) -> anyhow::Result<Vec<(String, Provider)>> {
    let bytes = watch::read(file, MAX_PROVIDERS).map_err(anyhow::Error::msg)?;
    let text = String::from_utf8(bytes)?;
    let manifests: Vec<Manifest> = serde_saphyr::from_multiple(&text)?;
    manifests.into_iter().map(provider).collect()
}

fn provider(manifest: Manifest) -> anyhow::Result<(String, Provider)> {
    let Manifest {
        api_version,
        kind,
        metadata: Metadata { name },
        spec: Spec {
            url,
            timeout,
            ca_bundle,
        },
    } = manifest;
    if !api_version.starts_with("externaldata.gatekeeper.sh/") || kind != "Provider" {
        bail!("`{name}` is no Provider of externaldata.gatekeeper.sh");
    }
    ensure!(
        url.starts_with("https://"),
        "the provider `{name}`: its url does not begin with https://"
    );
    ensure!(timeout > 0, "the provider `{name}`: its timeout is no time");
    let authorities = ca_bundle.map(|bundle| {
        let pem = STANDARD.decode(bundle.split_whitespace().collect::<String>())?;
        Ok::<_, anyhow::Error>(String::from_utf8(pem)?)
    });
    let authorities = authorities
        .transpose()
        .with_context(|| format!("the provider `{name}`: its caBundle is no PEM in base64"))?;
    let timeout = Duration::from_secs(u64::from(timeout));
    let provider = Provider {
        url,
        authorities,
        timeout,
    };
    Ok((name, provider))
}

#[cfg(test)]
mod tests;
