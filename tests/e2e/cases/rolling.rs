//! One of two servers is restarted again and again while the API server asks both, and no call may fail.
//!
//! Each call is made with a token of its own, so that nothing is answered from a cache: a TokenReview, a
//! SubjectAccessReview, a mutation and a validation, all of which have to be right for the call to succeed. The short
//! form restarts a few times; `REGATE_LONG_RUN=1` takes as long as it needs.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::api::Api;
use crate::balancer::{Backend, Balancer};
use crate::control_plane::{ControlPlane, Site};
use crate::gates::SOON;
use crate::process::wait_until;
use crate::regate::{Regate, copy};
use crate::stage::{PROGRAM, Stage};
use crate::{long_run, say};

super::cases![no_call_fails_while_one_of_two_servers_is_restarted];

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/policies/rolling");

/// Longer than the balancer takes to notice, as it must be: the default is meant for a cluster's slower network.
const DELAY: &str = "--shutdown-delay=3s";

/// Who calls, and how long each of them waits between two calls.
const CALLERS: usize = 6;
const PAUSE: Duration = Duration::from_millis(20);

/// Two servers behind one address, and the API server that asks there.
struct Pair {
    plane: ControlPlane,
    balancer: Balancer,
    servers: [Regate; 2],
}

/// What came of the calls.
#[derive(Default)]
struct Tally {
    ended: AtomicBool,
    made: AtomicU64,
    failed: Mutex<Vec<String>>,
}

fn no_call_fails_while_one_of_two_servers_is_restarted(stage: &Stage) -> Result<()> {
    let mut pair = start(stage)?;
    let (port, authority) = (pair.plane.port(), pair.plane.authority());
    let tally = Tally::default();
    let rolled = thread::scope(|scope| {
        for number in 0..CALLERS {
            let (tally, authority) = (&tally, &authority);
            scope.spawn(move || keep_calling(port, authority, number, tally));
        }
        let rolled = roll(&mut pair, &tally);
        tally.ended.store(true, Ordering::Relaxed);
        rolled
    });
    rolled?;
    let failed = tally.failed();
    ensure!(failed.is_empty(), "{} calls failed: {failed:#?}", failed.len());
    Ok(())
}

fn start(stage: &Stage) -> Result<Pair> {
    let first = Regate::start(Path::new(PROGRAM), &[DELAY], |directory| {
        copy(Path::new(POLICIES), directory)
    })?;
    let second = first.beside(&[DELAY])?;
    let backends = [&first, &second].map(|server| Backend {
        port: server.port(),
        probe_port: server.probe_port(),
    });
    let balancer = Balancer::start(backends.to_vec())?;
    let registration = first.register_at(balancer.port(), &["--rule=CREATE:/configmaps"])?;
    let plane = ControlPlane::start_at(Site::new()?, stage.etcd()?, &registration.flags()?)?;
    registration.apply_webhooks(plane.admin())?;
    let pair = Pair {
        plane,
        balancer,
        servers: [first, second],
    };
    let mut api = Api::new(pair.plane.port(), &pair.plane.authority())?;
    let asked = wait_until(SOON, || {
        let mut refused = |marked| {
            call(&mut api, "crew-first", marked)
                .err()
                .map(|error| error.to_string())
        };
        refused("no").is_none() && refused("yes").is_some_and(|error| error.contains("it is marked"))
    });
    ensure!(asked, "the webhooks were not asked");
    Ok(pair)
}

/// Restarts the servers in turn, and kills them at the end of a long run.
fn roll(pair: &mut Pair, tally: &Tally) -> Result<()> {
    let (restarts, begin) = (if long_run() { 50 } else { 4 }, Instant::now());
    let mut answered = [0, 0];
    for number in 0..restarts {
        let turn = number % 2;
        wait_until_both_are_used(pair)?;
        for gate in ["authn", "authz", "mutate", "validate"] {
            answered[turn] += pair.servers[turn].reviews(gate)?;
        }
        let ended = pair.servers[turn].terminate()?;
        ensure!(ended.success(), "{ended}: {}", pair.servers[turn].log_tail());
        let log = pair.servers[turn].log();
        ensure!(log.contains("everything was answered"), "{log}");
        pair.servers[turn].again()?;
        let failed = tally.failed();
        ensure!(failed.is_empty(), "restart {number}: {failed:#?}\n{log}");
    }
    wait_until_both_are_used(pair)?;
    ensure!(!answered.contains(&0), "a server was never asked: {answered:?}");
    let made = tally.made.load(Ordering::Relaxed);
    let seconds = begin.elapsed().as_secs();
    say(&format!(
        "{restarts} restarts, {made} calls with 4 reviews each in {seconds} s, none failed; answered {answered:?}"
    ));
    if long_run() {
        kill(pair, tally)?;
    }
    Ok(())
}

/// What a server that is killed costs, which nothing on its side can prevent: told, and not asserted.
fn kill(pair: &mut Pair, tally: &Tally) -> Result<()> {
    const KILLS: usize = 10;
    let before = tally.made.load(Ordering::Relaxed);
    for number in 0..KILLS {
        wait_until_both_are_used(pair)?;
        pair.servers[number % 2].kill()?;
        pair.servers[number % 2].again()?;
    }
    wait_until_both_are_used(pair)?;
    let made = tally.made.load(Ordering::Relaxed) - before;
    let failed = tally.take_failed();
    say(&format!(
        "{KILLS} times SIGKILL: {} of {made} calls failed, like {:?}",
        failed.len(),
        failed.first()
    ));
    Ok(())
}

/// Both get new connections. Those that were open before one of them was restarted stay at the other, so that each end
/// meets a server under load.
fn wait_until_both_are_used(pair: &Pair) -> Result<()> {
    for server in &pair.servers {
        let used = wait_until(SOON, || pair.balancer.uses(server.port()));
        ensure!(used, "a server is not ready: {}", server.log_tail());
    }
    Ok(())
}

/// Calls until the end, and notes what fails.
fn keep_calling(port: u16, authority: &Path, caller: usize, tally: &Tally) {
    let mut api = match Api::new(port, authority) {
        Ok(api) => api,
        Err(error) => return tally.fail(format!("{error:#}")),
    };
    let mut number = 0_u64;
    while !tally.ended.load(Ordering::Relaxed) {
        if let Err(error) = call(&mut api, &format!("crew-{caller}-{number}"), "no") {
            tally.fail(format!("caller {caller}, call {number}: {error:#}"));
        }
        tally.made.fetch_add(1, Ordering::Relaxed);
        number += 1;
        thread::park_timeout(PAUSE);
    }
}

/// One call, which succeeds if all gates decided right.
fn call(api: &mut Api, token: &str, marked: &str) -> Result<()> {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": token}, "data": {"marked": marked}
    });
    let path = "/api/v1/namespaces/default/configmaps?dryRun=All";
    let (status, answer) = api.post(path, token, &map).context("no answer")?;
    ensure!(status == 201, "{status}: {answer}");
    let maker = &answer["metadata"]["labels"]["maker"];
    ensure!(*maker == Value::from(token), "made by {maker}: {answer}");
    Ok(())
}

impl Tally {
    fn fail(&self, what: String) {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
    }

    fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_failed(&self) -> Vec<String> {
        std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
