//! docs/operations.md against a real API server: for every way in which Regate may fail to decide, what a user of kubectl
//! gets is what the page's tables say, and the page says it of nothing else.
//!
//! One control plane has failures refused, the other one lets them through; on each, Regate is restarted through all of
//! its settings. So that one gate's failure is not hidden behind another's, what is asked of `mutate` is not validated,
//! and the other way round.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Result, anyhow, ensure};
use serde_json::{Value, json};

use crate::dying::Dying;
use crate::flood::Flood;
use crate::gates::{Gates, SOON, pod, with};
use crate::kubectl::Printed;
use crate::page::Page;
use crate::process::wait_until;
use crate::regate::{Regate, Registration, copy};
use crate::stage::{FAILING, IGNORE, PROGRAM, Stage};

super::cases![
    where_failures_refuse_users_get_what_the_page_says,
    where_failures_are_let_through_users_get_what_the_page_says,
];

/// What users ask for, by the gate that has to decide.
const QUESTIONS: &[&str] = &[
    "authn",
    "authz, by a role",
    "authz, by no role",
    "image",
    "mutate",
    "validate",
];

/// Those whose gates `--on-fault` is about.
const SETTABLE: &[&str] = &["authz, by a role", "authz, by no role", "mutate", "validate"];

/// What may be wrong with Regate, by the page's words.
const FAULTY: &str = "a policy faults";
const SLOW: &str = "a policy takes too long";
const OVERLOADED: &str = "overloaded";
const EMPTY: &str = "no policies";
const STRANGER: &str = "the caller is not listed";
const STOPPED: &str = "stopped";
const DYING: &str = "dies while it is asked";

/// The values of `--on-fault`, by the page's words.
const REFUSE: &str = "deny, auto";
const DEFER: &str = "defer";

const DEADLINE: &str = "--deadline=2s";

/// How often an overload is tried for.
const ATTEMPTS: usize = 5;

const DEFERRING: [&str; 3] = [
    "--on-fault=authz=defer",
    "--on-fault=mutate=defer",
    "--on-fault=validate=defer",
];

fn where_failures_refuse_users_get_what_the_page_says(stage: &Stage) -> Result<()> {
    Matrix::of(stage, "closed", &[], |_| Ok(()))?.compare()
}

fn where_failures_are_let_through_users_get_what_the_page_says(stage: &Stage) -> Result<()> {
    let open = [IGNORE, &["--failure-policy=authz=NoOpinion"]].concat();
    Matrix::of(stage, "open", &open, |registration| {
        registration.edit("admission.yaml", |document| {
            for plugin in document["plugins"].as_array_mut().into_iter().flatten() {
                if plugin["name"] == "ImagePolicyWebhook" {
                    plugin["configuration"]["imagePolicy"]["defaultAllow"] = true.into();
                }
            }
        })
    })?
    .compare()
}

/// One column of the page's table and the control plane that it is about.
struct Matrix {
    gates: Gates,
    page: Page,
    /// `closed` or `open`
    column: &'static str,
    /// The rows that were seen.
    seen: BTreeSet<usize>,
    /// What is not as the page says.
    wrong: Vec<String>,
}

impl Matrix {
    fn of(
        stage: &Stage,
        column: &'static str,
        manifests: &[&str],
        change: impl FnOnce(&Registration) -> Result<()>,
    ) -> Result<Self> {
        let page = Page::read()?;
        let regate = Regate::start(Path::new(PROGRAM), &[DEADLINE], |directory| {
            copy(Path::new(FAILING), directory)
        })?;
        let gates = Gates::start(stage.etcd()?, regate, manifests, |registration| {
            change(registration)?;
            ask_each_of_its_own(registration)
        })?;
        let admin = gates.admin();
        admin.must("create clusterrole lister --verb=list --resource=pods")?;
        admin.must("create clusterrolebinding lister --clusterrole=lister --user=carol")?;
        let matrix = Self {
            gates,
            page,
            column,
            seen: BTreeSet::new(),
            wrong: Vec::new(),
        };
        super::soon("the role counts", || {
            Ok(ask(&matrix.gates, "authz, by a role", "known-role")?.code == 0)
        })?;
        Ok(matrix)
    }

    fn compare(mut self) -> Result<()> {
        let deferring = [&[DEADLINE], DEFERRING.as_slice()].concat();
        self.while_failing(REFUSE, QUESTIONS, &[DEADLINE])?;
        self.find_metrics()?;
        if self.column == "closed" && env::var_os("REGATE_LONG_RUN").is_some() {
            self.until_kubectl_gives_up()?;
        }
        self.while_failing(DEFER, SETTABLE, &deferring)?;
        self.restart(&[DEADLINE, "--allow-client", "somebody-else"], "/readyz")?;
        self.all_at_once(STRANGER, REFUSE, QUESTIONS)?;
        let policies = self.gates.regate().policies();
        fs::remove_dir_all(&policies)?;
        fs::create_dir(&policies)?;
        self.restart(&[DEADLINE], "/livez")?;
        self.all_at_once(EMPTY, REFUSE, QUESTIONS)?;
        self.restart(&deferring, "/livez")?;
        self.all_at_once(EMPTY, DEFER, SETTABLE)?;
        self.gates.regate_mut().kill()?;
        self.all_at_once(STOPPED, REFUSE, QUESTIONS)?;
        self.while_dying()?;
        let unseen: Vec<_> = (0..self.page.rows.len())
            .filter(|row| !self.seen.contains(row))
            .filter_map(|row| self.page.rows.get(row))
            .map(|row| row.join(" | "))
            .collect();
        ensure!(unseen.is_empty(), "no test sees these rows: {unseen:#?}");
        ensure!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        Ok(())
    }

    /// Every metric that is to be watched is there.
    fn find_metrics(&mut self) -> Result<()> {
        let metrics = self.gates.regate().metrics()?;
        let is_missing = |name: &&str| {
            let suffixes = ["_total", "_info", ""];
            let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
            !metrics.contains(&format!("# TYPE {} ", family.unwrap_or(name)))
        };
        let missing = self.page.metrics().filter(is_missing);
        self.wrong
            .extend(missing.map(|name| format!("there is no {name}")));
        Ok(())
    }

    fn restart(&mut self, flags: &[&str], probe: &str) -> Result<()> {
        self.gates.regate_mut().restart(flags, probe)
    }

    fn while_failing(&mut self, on_fault: &str, questions: &[&str], flags: &[&str]) -> Result<()> {
        self.restart(flags, "/readyz")?;
        self.all_at_once(FAULTY, on_fault, questions)?;
        self.all_at_once(SLOW, on_fault, questions)?;
        let gates: BTreeSet<_> = questions.iter().map(|question| gate(question)).collect();
        for flooded in gates {
            let asked: Vec<_> = questions
                .iter()
                .copied()
                .filter(|question| gate(question) == flooded)
                .collect();
            let others = self.wrong.len();
            // A place in the queue may become free just when it is asked for.
            for attempt in 0..ATTEMPTS {
                self.wrong.truncate(others);
                self.while_overloaded(on_fault, flooded, &asked, attempt)?;
                if self.wrong.len() == others {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Asks everything at once, and compares the number of calls that it costs.
    fn all_at_once(&mut self, event: &str, on_fault: &str, questions: &[&str]) -> Result<()> {
        let gates = &self.gates;
        let before = calls(gates)?;
        let printed = at_once(questions, |question| {
            ask(gates, question, &name(event, on_fault, question))
        })?;
        let made = calls(gates)? - before;
        self.count(event, on_fault, questions, made)?;
        for (question, printed) in questions.iter().zip(&printed) {
            self.judge(event, on_fault, question, printed, false)?;
        }
        Ok(())
    }

    /// Has something that resets every connection stand in Regate's place.
    fn while_dying(&mut self) -> Result<()> {
        let gates = &self.gates;
        let dying = Dying::at(gates.regate().address())?;
        let printed = at_once(QUESTIONS, |question| {
            ask(gates, question, &name(DYING, REFUSE, question))
        })?;
        self.count(DYING, REFUSE, QUESTIONS, dying.calls())?;
        for (question, printed) in QUESTIONS.iter().zip(&printed) {
            self.judge(DYING, REFUSE, question, printed, false)?;
        }
        Ok(())
    }

    /// Notes when the questions cost another number of calls than the page says.
    fn count(&mut self, event: &str, on_fault: &str, questions: &[&str], made: u64) -> Result<()> {
        let answer = match event {
            STOPPED => "no connection",
            DYING => "a connection that breaks",
            _ => "any answer",
        };
        let mut expected = 0;
        for question in questions {
            expected += self.page.attempts(answer, gate(question))?;
        }
        if made != expected {
            self.wrong
                .push(format!("{event}, {on_fault}: {made} calls instead of {expected}"));
        }
        Ok(())
    }

    /// Keeps a gate busy while it is asked. Where kubectl is told to come again, the flood ends then, and kubectl goes on.
    fn while_overloaded(
        &mut self,
        on_fault: &str,
        flooded: &str,
        questions: &[&str],
        attempt: usize,
    ) -> Result<()> {
        let gates = &self.gates;
        let name = |question: &str| format!("{}-{attempt}", name(OVERLOADED, on_fault, question));
        // Elsewhere it is an HTTP error, which kubectl does not see as such.
        let told = matches!(flooded, "mutate" | "validate") && on_fault == REFUSE;
        let flood = Flood::of(gates.regate(), flooded, if told { 429 } else { 503 })?;
        let before = calls(gates)?;
        let printed = thread::scope(|scope| {
            let asked = scope.spawn(|| at_once(questions, |question| ask(gates, question, &name(question))));
            wait_until(SOON, || {
                let again = || times_told(gates, &name(flooded)).is_ok_and(|times| times > 0);
                asked.is_finished() || told && again()
            });
            drop(flood);
            asked.join().map_err(|_| anyhow!("asking panicked"))?
        })?;
        let made = calls(gates)? - before;
        let again = times_told(gates, &name(flooded))?;
        self.count(OVERLOADED, on_fault, questions, made - again)?;
        for (question, printed) in questions.iter().zip(&printed) {
            self.judge(OVERLOADED, on_fault, question, printed, again > 0)?;
        }
        Ok(())
    }

    /// Keeps the gate busy for as long as kubectl goes on asking: a minute, in which nothing else is to be seen.
    fn until_kubectl_gives_up(&mut self) -> Result<()> {
        self.restart(&["--deadline=30s"], "/readyz")?;
        let name = "known-gives-up";
        let flood = Flood::of(self.gates.regate(), "validate", 429)?;
        let printed = ask(&self.gates, "validate", name)?;
        drop(flood);
        ensure!(self.page.meaning("gives up")?.is(&printed), "{printed:?}");
        let times = times_told(&self.gates, name)?;
        ensure!(times == 11, "kubectl was refused {times} times");
        Ok(())
    }

    /// Notes the difference between what the page says and what was printed.
    fn judge(
        &mut self,
        event: &str,
        on_fault: &str,
        question: &str,
        printed: &Printed,
        again: bool,
    ) -> Result<()> {
        let (row, what) = self.page.outcome(question, event, on_fault, self.column)?;
        self.seen.insert(row);
        let same = self.page.meaning(&what)?.is(printed) && again == (what == "waits");
        if !same {
            self.wrong.push(format!(
                "{question} | {event} | {on_fault}: the page says `{what}`, and it is (again: {again}) {printed:?}"
            ));
        }
        Ok(())
    }
}

/// A name that provokes the event, and that no answer to anything else is remembered by.
fn name(event: &str, on_fault: &str, question: &str) -> String {
    let begins = match event {
        FAULTY => "faulty",
        SLOW => "endless",
        _ => "known",
    };
    let words = format!("{begins}-{event}-{on_fault}-{question}");
    words.replace(", ", "-").replace(' ', "-")
}

fn gate(question: &str) -> &str {
    question.split_once(',').map_or(question, |(gate, _)| gate)
}

pub(super) fn ask(gates: &Gates, question: &str, name: &str) -> Result<Printed> {
    let listed = |what: &str| {
        let path = format!("get --raw /api/v1/namespaces/{name}/{what}");
        gates.plane().carol().run(&path)
    };
    match question {
        "authn" => gates.plane().bearer(name)?.run("get --raw /api"),
        "authz, by a role" => listed("pods"),
        "authz, by no role" => listed("secrets"),
        "image" => {
            let image = json!(format!("registry.example.com/{name}:1"));
            let pod = with(pod("default", "p"), "/spec/containers/0/image", image);
            let pod = with(pod, "/metadata/generateName", json!("p-"));
            gates.create(&with(
                with(pod, "/metadata/name", Value::Null),
                "/metadata/labels",
                json!({"unmutated": "", "unvalidated": ""}),
            ))
        }
        "mutate" | "validate" => {
            let label = if question == "mutate" {
                "unvalidated"
            } else {
                "unmutated"
            };
            let metadata = json!({"namespace": "default", "name": name, "labels": {label: ""}});
            gates.create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}))
        }
        _ => Err(anyhow!("nobody knows how to ask for {question}")),
    }
}

/// Has each webhook leave alone what is labelled so.
pub(super) fn ask_each_of_its_own(registration: &Registration) -> Result<()> {
    for (name, label) in [("mutating.yaml", "unmutated"), ("validating.yaml", "unvalidated")] {
        registration.edit(name, |document| {
            document["webhooks"][0]["objectSelector"] =
                json!({"matchExpressions": [{"key": label, "operator": "DoesNotExist"}]});
        })?;
    }
    Ok(())
}

/// How many calls the API server has made to Regate, by its own count.
fn calls(gates: &Gates) -> Result<u64> {
    let host = format!("host=\"{}\"", gates.regate().address());
    let metrics = gates.admin().must("get --raw /metrics")?;
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("rest_client_requests_total{") && line.contains(&host));
    let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}

/// How often the API server has passed on that the creation of this object may be tried again.
fn times_told(gates: &Gates, name: &str) -> Result<u64> {
    let events = gates.plane().audit_events()?;
    let times = events
        .iter()
        .filter(|event| event["responseStatus"]["code"] == 429 && event["objectRef"]["name"] == name);
    Ok(u64::try_from(times.count())?)
}

/// Asks all of it side by side, since much of it is waiting.
pub(super) fn at_once(
    questions: &[&str],
    ask: impl Fn(&str) -> Result<Printed> + Sync,
) -> Result<Vec<Printed>> {
    let ask = &ask;
    thread::scope(|scope| {
        let asked: Vec<_> = questions
            .iter()
            .map(|question| scope.spawn(move || ask(question)))
            .collect();
        asked
            .into_iter()
            .map(|asked| asked.join().map_err(|_| anyhow!("asking panicked"))?)
            .collect()
    })
}
