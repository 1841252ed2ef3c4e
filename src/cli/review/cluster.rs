//! What `regate review` looks up in a cluster, so that a review is the one that the API server would make: who asks, what
//! is there already, and what its Namespace says.
//!
//! It is asked as `kubectl regate`, and elsewhere where the arguments name a kubeconfig or a part of one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};

use super::wrap::Item;
use crate::cluster::look::{Kube, Look};
use crate::policy::namespaces::Namespaces;

/// kubectl's flags that say which cluster.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Kubeconfig of the cluster to look things up in [default: none; as a kubectl plugin, kubectl's]
    #[arg(long, env = "REGATE_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, env = "REGATE_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, env = "REGATE_CLUSTER", value_name = "NAME")]
    pub cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, env = "REGATE_USER", value_name = "NAME")]
    pub user: Option<String>,
    /// Whether a cluster is asked in any case.
    #[arg(skip)]
    pub always: bool,
}

impl Flags {
    /// The way into the cluster, if one is to be asked.
    pub(super) fn look(&self) -> anyhow::Result<Option<Look>> {
        let kube = Kube {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
        };
        if !self.always && kube == Kube::default() {
            return Ok(None);
        }
        Ok(Some(Look::open(&kube)?))
    }
}

/// Who nobody in particular is, offline.
const SOMEBODY: &str = "kubernetes-admin";
/// The group of everybody whom the API server knows, and of everybody else.
const AUTHENTICATED: &str = "system:authenticated";
/// What the names of service accounts begin with, and their group.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";

/// `userInfo` of whoever asks.
pub(super) fn user(look: Option<&Look>, name: Option<&str>, groups: &[String]) -> anyhow::Result<Value> {
    match (look, name) {
        (Some(look), None) => {
            let identity = look.whoami().context("who the kubeconfig's user is")?;
            let mut user = identity.user_info;
            if let (Some(all), false) = (
                user.get_mut("groups").and_then(Value::as_array_mut),
                groups.is_empty(),
            ) {
                all.extend(groups.iter().map(|group| json!(group)));
            }
            Ok(user)
        }
        (Some(_), Some(name)) => Ok(json!({ "username": name, "groups": impersonated(name, groups) })),
        (None, name) => Ok(json!({ "username": name.unwrap_or(SOMEBODY), "groups": groups })),
    }
}

/// The groups that the API server gives whoever acts as this user.
fn impersonated(name: &str, groups: &[String]) -> Vec<String> {
    let mut all = groups.to_vec();
    let service_account = name
        .strip_prefix(SERVICE_ACCOUNT)
        .and_then(|name| name.split_once(':'));
    if let (Some((namespace, _)), true) = (service_account, groups.is_empty()) {
        all.push(SERVICE_ACCOUNTS.to_owned());
        all.push(format!("{SERVICE_ACCOUNTS}:{namespace}"));
    }
    let everybody = if name == "system:anonymous" {
        "system:unauthenticated"
    } else {
        AUTHENTICATED
    };
    if !all.iter().any(|group| group == everybody) {
        all.push(everybody.to_owned());
    }
    all
}

/// The Namespaces that reviews are in. One that may not be read is not known, and said to be so.
pub(super) fn namespaces(look: &Look, items: &[Item]) -> anyhow::Result<Namespaces> {
    let names: BTreeSet<String> = items.iter().map(Item::namespace).collect();
    let mut found = Vec::new();
    for name in names.iter().filter(|name| !name.is_empty()) {
        let namespace = look
            .namespace_named(name)
            .with_context(|| format!("Namespace {name}"))?;
        found.extend(namespace);
    }
    Ok(Namespaces::fixed(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_acts_as_another_has_the_groups_that_the_api_server_gives() {
        let groups = |name: &str, groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            impersonated(name, &groups)
        };
        assert_eq!(groups("jane", &[]), [AUTHENTICATED]);
        assert_eq!(groups("jane", &["dev"]), ["dev", AUTHENTICATED]);
        assert_eq!(groups("jane", &[AUTHENTICATED]), [AUTHENTICATED]);
        assert_eq!(
            groups("system:serviceaccount:shop:web", &[]),
            [
                "system:serviceaccounts",
                "system:serviceaccounts:shop",
                AUTHENTICATED
            ]
        );
        assert_eq!(
            groups("system:serviceaccount:shop:web", &["a"]),
            ["a", AUTHENTICATED]
        );
        assert_eq!(groups("system:anonymous", &[]), ["system:unauthenticated"]);
    }

    #[test]
    fn offline_nobody_is_asked() {
        assert!(Flags::default().look().unwrap().is_none());
        let user = user(None, None, &["dev".to_owned()]).unwrap();
        assert_eq!(user, json!({"username": "kubernetes-admin", "groups": ["dev"]}));
    }
}
