//! `regate review`: decides reviews from files, as the server would and without one.
//!
//! With `--explain` it tells why ([`why`]). A file holds a review, or manifests that are wrapped into admission reviews:
//! mutate first, then validate on the result, as the API server asks. `--token` and `--verb` make reviews of their own
//! ([`what`]). `regate bench` decides the same reviews, many times over.

pub mod cluster;
mod explain;
mod namespaces;
pub mod what;
mod why;
pub mod wrap;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::outside::outside;
use super::terminal::{one_line, printable};
use super::{Global, Output};
use crate::gate::Gate;
use crate::policy::PolicySet;
use crate::review::{self, Answer, Record, Settings};
use what::What;
use why::{Why, Witness};
use wrap::Item;

/// Decides reviews from files, without a server
///
/// Ends with 0 if all are allowed, 1 if one is denied, refused or without an opinion, 2 if it could not be done.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to review.
    #[command(flatten)]
    pub what: What,
    /// Tell why: the policies asked and not asked, what fired, and what kept the rest from it
    #[arg(long, env = "REGATE_EXPLAIN")]
    pub explain: bool,
    /// Form of what is printed: an explanation, or the responses as the server would send them
    #[arg(
        short,
        long,
        env = "REGATE_OUTPUT",
        value_name = "text|json",
        default_value = "text"
    )]
    pub output: Output,
}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let config = global.resolve()?.config;
    let Some(set) = super::load_policies(&config.policies, &outside(&config)?)? else {
        return Ok(ExitCode::from(2));
    };
    let (items, namespaces) = args.what.items()?;
    let desk = Desk {
        set,
        settings: super::review_settings(&config, Arc::new(namespaces)),
        limit: config.limits.deadline,
        explains: args.explain,
    };
    let mut allowed = true;
    let mut out = std::io::stdout().lock();
    for item in items {
        for decided in desk.decide(&item)? {
            allowed &= decided.record.decision == "allow";
            write(&mut out, item.name(), &decided, args.output)?;
        }
    }
    Ok(ExitCode::from(u8::from(!allowed)))
}

fn write(out: &mut impl Write, name: &str, decided: &Decided, output: Output) -> anyhow::Result<()> {
    let Decided {
        gate,
        body: _,
        answer,
        record,
        why,
    } = decided;
    match (output, why) {
        (Output::Json, Some(why)) => {
            writeln!(out, "{}", why::document(name, *gate, answer, record, why))?;
        }
        (Output::Json, None) => {
            out.write_all(&answer.body)?;
            if !answer.body.ends_with(b"\n") {
                out.write_all(b"\n")?;
            }
        }
        (Output::Text, why) => {
            let mut text = Vec::new();
            explain::write(&mut text, &one_line(name), *gate, answer, record, why.as_ref())?;
            out.write_all(printable(&String::from_utf8_lossy(&text)).as_bytes())?;
        }
    }
    Ok(())
}

/// Where reviews are decided.
pub(super) struct Desk {
    pub(super) set: PolicySet,
    pub(super) settings: Settings,
    /// The time for one review.
    pub(super) limit: std::time::Duration,
    /// Whether it is told why.
    pub(super) explains: bool,
}

/// A review that was decided.
pub(super) struct Decided {
    pub(super) gate: Gate,
    /// The review, as it was asked.
    pub(super) body: Vec<u8>,
    answer: Answer,
    record: Record,
    why: Option<Why>,
}

impl Desk {
    /// Decides an item at its gate, or at both gates of admission.
    pub(super) fn decide(&self, item: &Item) -> anyhow::Result<Vec<Decided>> {
        match item {
            Item::Review { gate, body, .. } => Ok(vec![self.ask(*gate, body.as_bytes())?]),
            Item::Manifest {
                gate: Some(gate),
                review,
                ..
            } => Ok(vec![self.ask(*gate, review.to_string().as_bytes())?]),
            Item::Manifest {
                gate: None, review, ..
            } => self.both(review),
        }
    }

    /// Mutate, and unless it refuses, validate on the result.
    fn both(&self, review: &Value) -> anyhow::Result<Vec<Decided>> {
        let mutated = self.ask(Gate::Mutate, review.to_string().as_bytes())?;
        if mutated.record.decision != "allow" {
            return Ok(vec![mutated]);
        }
        let mut review = review.clone();
        if let Some(patch) = patch_of(&mutated.answer)? {
            let patch: json_patch::Patch = serde_json::from_value(patch)?;
            let object = review
                .pointer_mut("/request/object")
                .context("the review has no object")?;
            json_patch::patch(object, &patch).context("the patch does not apply")?;
        }
        let validated = self.ask(Gate::Validate, review.to_string().as_bytes())?;
        Ok(vec![mutated, validated])
    }

    /// On a thread as deep as the server's: policies recurse over what they read.
    fn ask(&self, gate: Gate, body: &[u8]) -> anyhow::Result<Decided> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("review".to_owned())
                .stack_size(64 << 20);
            let decided = thread.spawn_scoped(scope, || self.ask_here(gate, body))?.join();
            decided.map_err(|_| anyhow::anyhow!("the evaluation panicked"))?
        })
    }

    fn ask_here(&self, gate: Gate, body: &[u8]) -> anyhow::Result<Decided> {
        let deadline = Instant::now() + self.limit;
        if !self.explains {
            let (answer, record) = review::answer(gate, body, &self.set, &self.settings, deadline);
            let why = None;
            return Ok(Decided {
                gate,
                body: body.to_vec(),
                answer,
                record,
                why,
            });
        }
        let witness = Witness::new(&self.set, gate);
        let (answer, record) = review::answer_by(gate, body, &self.set, &witness, &self.settings, deadline);
        let why = Some(witness.explain(body, &answer, &record)?);
        Ok(Decided {
            gate,
            body: body.to_vec(),
            answer,
            record,
            why,
        })
    }
}

/// The text at a JSON Pointer.
fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The operations that a mutating answer carries.
pub(super) fn patch_of(answer: &Answer) -> anyhow::Result<Option<Value>> {
    let review: Value = serde_json::from_slice(&answer.body)?;
    let Some(patch) = text_at(&review, "/response/patch") else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_slice(&STANDARD.decode(patch)?)?))
}
