//! The watch itself: a list, then what changes, for ever.
//!
//! The library resumes a watch where it broke. Where that does not help, because the API server refuses or stays away
//! for long, everything is begun anew: credentials, connection and list. Whatever happens, what is known stays in use,
//! and only a list that is complete replaces it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::time::{Instant, sleep};

use super::trouble::Trouble;
use super::{Access, Error, connect};
use crate::policy::namespaces::{Namespace, Namespaces};

/// How long the API server keeps one watch open, in seconds: a connection that broke without a sign is noticed soon
/// after.
pub(super) const SECONDS: u32 = 60;

/// Between two attempts, at first and at most; each failure doubles it.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(8);
/// After so long without a failure the next one is news again. A watch that was resumed gives no sign by itself.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// The watch on Namespaces.
pub(super) struct Watch {
    access: Access,
    namespaces: Arc<Namespaces>,
    /// What has been read of a list that is not complete yet.
    list: Vec<Namespace>,
    delay: Duration,
    /// The kinds of trouble that have been logged since it last went well.
    told: Vec<&'static str>,
    failed: Option<Instant>,
}

impl Watch {
    pub(super) fn new(access: Access, namespaces: Arc<Namespaces>) -> Self {
        Self {
            access,
            namespaces,
            list: Vec::new(),
            delay: SHORTEST,
            told: Vec::new(),
            failed: None,
        }
    }

    /// Watches with this client, and when that has no prospect any more, with a new one.
    pub(super) async fn run(mut self, mut client: Result<Client, Error>) {
        loop {
            match client {
                Ok(client) => {
                    if let Err(trouble) = survive(self.follow(client)).await {
                        self.fail(trouble).await;
                    }
                }
                Err(error) => self.fail(Trouble::of_credentials(&error)).await,
            }
            client = connect(&self.access).await;
        }
    }

    /// Takes over what a client sees until it should be replaced.
    async fn follow(&mut self, client: Client) {
        let namespaces: Api<PartialObjectMeta<v1::Namespace>> = Api::all(client);
        let config = watcher::Config::default().timeout(SECONDS);
        let mut events = pin!(watcher(namespaces, config));
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => {
                    let trouble = Trouble::of_watch(&error);
                    let hopeless = trouble.refused || self.delay == LONGEST;
                    self.fail(trouble).await;
                    if hopeless {
                        return;
                    }
                }
            }
        }
    }

    fn take(&mut self, event: Event<PartialObjectMeta<v1::Namespace>>) {
        match event {
            // Nothing was read yet.
            Event::Init => {
                self.list.clear();
                return;
            }
            Event::InitApply(object) => {
                self.list.push(namespace(object));
                return;
            }
            Event::InitDone => {
                let list = std::mem::take(&mut self.list);
                let objects = list.len();
                self.namespaces.replace_all(list);
                tracing::info!(
                    target: "regate::cluster",
                    event = "replication_synced",
                    resource = "namespaces",
                    objects,
                    "the cluster's Namespaces are known"
                );
            }
            Event::Apply(object) => self.namespaces.put(namespace(object)),
            Event::Delete(object) => self.namespaces.remove(&namespace(object).name),
        }
        self.told.clear();
        self.delay = SHORTEST;
    }

    /// Tells of trouble, each kind once, and waits before the next attempt.
    async fn fail(&mut self, trouble: Trouble) {
        if self.failed.is_some_and(|failed| failed.elapsed() > FORGOTTEN) {
            self.told.clear();
            self.delay = SHORTEST;
        }
        if !self.told.contains(&trouble.kind) {
            self.told.push(trouble.kind);
            let synced = self.namespaces.is_synced();
            let known = if synced {
                "what is known of them stays in use"
            } else {
                "policies that need them fault"
            };
            tracing::warn!(
                target: "regate::cluster",
                event = "replication_failed",
                resource = "namespaces",
                synced,
                problem = trouble.kind,
                error = trouble.text,
                "the cluster's Namespaces cannot be watched: {known}"
            );
        }
        sleep(self.delay).await;
        self.delay = (self.delay * 2).min(LONGEST);
        self.failed = Some(Instant::now());
    }
}

/// Does something that may panic: the client does where the system gives no thread to look up a name with.
pub(super) async fn survive(attempt: impl Future<Output = ()>) -> Result<(), Trouble> {
    let done = AssertUnwindSafe(attempt).catch_unwind().await;
    done.map_err(|_| Trouble::of_panic())
}

fn namespace(object: PartialObjectMeta<v1::Namespace>) -> Namespace {
    Namespace {
        name: object.metadata.name.unwrap_or_default(),
        labels: object.metadata.labels.unwrap_or_default(),
        annotations: object.metadata.annotations.unwrap_or_default(),
    }
}
