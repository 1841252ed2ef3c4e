//! `regate review`: decides reviews from files, as the server would and without one.
//!
//! With `--explain` it tells why ([`why`]). A file holds a review, or manifests that are wrapped into admission reviews: mutate first, then validate on the
//! result, as the API server asks. `--token` and `--verb` make reviews of their own.

mod explain;
mod namespaces;
mod why;
mod wrap;

use std::io::{Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::outside::outside;
use super::{Global, Output};
use crate::gate::Gate;
use crate::policy::PolicySet;
use crate::policy::namespaces::Namespaces;
use crate::review::{self, Answer, Record, Settings};
use why::{Why, Witness};
use wrap::{Item, Subject};

/// Decides reviews from files, without a server
///
/// Ends with 0 if all are allowed, 1 if one is denied, refused or without an opinion, 2 if it could not be done.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files with a review, or with manifests (YAML or JSON) to wrap; `-` is standard input
    pub files: Vec<PathBuf>,
    /// The only gate to ask about manifests [default: mutate, then validate]
    #[arg(long, env = "REGATE_GATE", value_name = "mutate|validate")]
    pub gate: Option<Gate>,
    /// Operation on a manifest's object
    #[arg(
        long,
        env = "REGATE_OPERATION",
        value_name = "OPERATION",
        default_value = "CREATE"
    )]
    pub operation: wrap::Operation,
    /// Manifest of the object as it was before
    #[arg(long, env = "REGATE_OLD", value_name = "FILE")]
    pub old: Option<PathBuf>,
    /// Namespace of manifests that name none
    #[arg(
        short,
        long,
        env = "REGATE_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "default"
    )]
    pub namespace: String,
    /// File of Namespaces (YAML or JSON) that stands in for the cluster's
    #[arg(long, env = "REGATE_NAMESPACE_FILE", value_name = "FILE")]
    pub namespace_file: Option<PathBuf>,
    /// User who asks
    #[arg(
        long = "as",
        env = "REGATE_AS",
        value_name = "USER",
        default_value = "kubernetes-admin"
    )]
    pub user: String,
    /// Group of the user who asks
    #[arg(
        long = "as-group",
        env = "REGATE_AS_GROUP",
        value_name = "GROUP",
        value_delimiter = ','
    )]
    pub groups: Vec<String>,
    /// File with a token to review at authn; `-` is standard input
    #[arg(long, env = "REGATE_TOKEN", value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// Verb to review at authz
    #[arg(long, env = "REGATE_VERB", value_name = "VERB")]
    pub verb: Option<String>,
    /// Resource to review at authz
    #[arg(
        long,
        env = "REGATE_RESOURCE",
        value_name = "RESOURCE[.GROUP][/SUBRESOURCE]",
        requires = "verb"
    )]
    pub resource: Option<String>,
    /// Non-resource path to review at authz
    #[arg(
        long,
        env = "REGATE_PATH",
        value_name = "PATH",
        requires = "verb",
        conflicts_with = "resource"
    )]
    pub path: Option<String>,
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
    let namespaces = match &args.namespace_file {
        Some(file) => namespaces::from_file(file, &read(file)?)?,
        None => Namespaces::default(),
    };
    let desk = Desk {
        set,
        settings: super::review_settings(&config, Arc::new(namespaces)),
        limit: config.limits.deadline,
        explains: args.explain,
    };
    let items = items(&args)?;
    if items.is_empty() {
        bail!("nothing to review: name a file, --token or --verb");
    }
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
            explain::write(out, name, *gate, answer, record, why.as_ref())?;
        }
    }
    Ok(())
}

/// What the arguments ask for, in their order.
fn items(args: &Args) -> anyhow::Result<Vec<Item>> {
    let subject = Subject {
        operation: args.operation,
        user: args.user.clone(),
        groups: args.groups.clone(),
        namespace: args.namespace.clone(),
        old: args
            .old
            .as_ref()
            .map(|path| wrap::manifest(path, &read(path)?))
            .transpose()?,
        gate: args.gate,
    };
    let mut items = Vec::new();
    for path in &args.files {
        items.extend(wrap::items(path, read(path)?, &subject)?);
    }
    if let Some(path) = &args.token {
        items.push(wrap::token(read(path)?.trim_end())?);
    }
    if let Some(verb) = &args.verb {
        items.push(wrap::access(
            verb,
            args.resource.as_deref(),
            args.path.as_deref(),
            &subject,
        )?);
    }
    Ok(items)
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// Where reviews are decided.
struct Desk {
    set: PolicySet,
    settings: Settings,
    limit: std::time::Duration,
    explains: bool,
}

struct Decided {
    gate: Gate,
    answer: Answer,
    record: Record,
    why: Option<Why>,
}

impl Desk {
    fn decide(&self, item: &Item) -> anyhow::Result<Vec<Decided>> {
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
fn patch_of(answer: &Answer) -> anyhow::Result<Option<Value>> {
    let review: Value = serde_json::from_slice(&answer.body)?;
    let Some(patch) = text_at(&review, "/response/patch") else {
        return Ok(None);
    };
    Ok(Some(serde_json::from_slice(&STANDARD.decode(patch)?)?))
}
