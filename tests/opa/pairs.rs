//! Policies of all five gates over inputs of theirs, in Regate and in the real OPA: each pair has to come to the same.
//!
//! Called by `main`. The tables are in `pairs/`: the policies of a gate, parted by `---`, and the inputs that each of them
//! gets. OPA evaluates all pairs at once, in two runs: those of the language before version 1 need one of their own. It
//! gets the inputs by `with`, under which another `with` that changes a part of the input changes the input for good: no
//! policy here does so.
//! Results are compared as the gate reads them, and every policy has to say two different things at least.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use regate::gate::Gate;
use regate::policy::engine::{Context, Document, Limits};
use regate::policy::files::{DataFile, Files, Format, RegoFile};
use regate::policy::load::load;
use regate::policy::{Evaluate, Mutation, Outcome, PolicySet};
use serde_json::{Value, json};

use crate::binaries;

/// What the policies may read below `data`.
const DATA: &str = include_str!("pairs/data.json");

/// The packages of a gate, and what its policies are asked about.
struct Table {
    gate: Gate,
    root: &'static str,
    modules: &'static str,
    inputs: &'static str,
    v0: bool,
}

const TABLES: [Table; 6] = [
    Table {
        gate: Gate::Validate,
        root: "admission",
        modules: include_str!("pairs/admission.txt"),
        inputs: include_str!("pairs/admission.json"),
        v0: false,
    },
    Table {
        gate: Gate::Validate,
        root: "admission",
        modules: include_str!("pairs/old.txt"),
        inputs: include_str!("pairs/admission.json"),
        v0: true,
    },
    Table {
        gate: Gate::Mutate,
        root: "mutation",
        modules: include_str!("pairs/mutation.txt"),
        inputs: include_str!("pairs/admission.json"),
        v0: false,
    },
    Table {
        gate: Gate::Authn,
        root: "authentication",
        modules: include_str!("pairs/authentication.txt"),
        inputs: include_str!("pairs/authentication.json"),
        v0: false,
    },
    Table {
        gate: Gate::Authz,
        root: "authorization",
        modules: include_str!("pairs/authorization.txt"),
        inputs: include_str!("pairs/authorization.json"),
        v0: false,
    },
    Table {
        gate: Gate::Image,
        root: "image",
        modules: include_str!("pairs/image.txt"),
        inputs: include_str!("pairs/image.json"),
        v0: false,
    },
];

/// Fewer would be no yardstick.
const AT_LEAST: usize = 300;

/// What every gate may read of a package; anything else in it is the policy's own.
const GATE_RULES: [&str; 9] = [
    "allow",
    "audiences",
    "audit_annotations",
    "deny",
    "mutated",
    "patch",
    "reason",
    "user",
    "warn",
];

/// One policy over one input.
struct Pair {
    gate: Gate,
    root: &'static str,
    name: String,
    input: Value,
    number: usize,
    v0: bool,
}

impl Pair {
    fn key(&self) -> String {
        format!("{}.{}/{}", self.root, self.name, self.number)
    }
}

/// Comes to the same in both.
pub(crate) fn same() -> Result<()> {
    let (modules, pairs) = (modules(), pairs()?);
    ensure!(pairs.len() >= AT_LEAST, "only {} pairs", pairs.len());
    let mut theirs = BTreeMap::new();
    for v0 in [false, true] {
        let modules: Vec<_> = modules.iter().filter(|module| module.v0 == v0).collect();
        let pairs: Vec<_> = pairs.iter().filter(|pair| pair.v0 == v0).collect();
        theirs.extend(in_opa(&modules, &pairs, v0)?);
    }
    let files = Files {
        modules,
        data: vec![DataFile {
            path: "data.json".into(),
            at: Vec::new(),
            format: Format::Json,
            bytes: DATA.as_bytes().to_vec(),
        }],
        ..Files::default()
    };
    let set = load(&files).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    let (mut different, mut said) = (String::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for pair in &pairs {
        let ours = ours(&set, pair)?;
        let theirs = theirs
            .get(&pair.key())
            .with_context(|| format!("OPA says nothing of {}", pair.key()))?;
        let theirs = read(theirs).with_context(|| pair.key())?;
        if ours != theirs {
            writeln!(
                different,
                "{}\nOPA:    {theirs:?}\nRegate: {ours:?}\n",
                pair.key()
            )?;
        }
        let policy = format!("{}.{}", pair.root, pair.name);
        said.entry(policy).or_default().insert(format!("{ours:?}"));
    }
    ensure!(different.is_empty(), "{different}");
    let mute: Vec<_> = said.iter().filter(|(_, said)| said.len() < 2).collect();
    ensure!(mute.is_empty(), "say the same of every input: {mute:?}");
    Ok(())
}

fn modules() -> Vec<RegoFile> {
    let texts = TABLES
        .iter()
        .flat_map(|table| table.modules.split("\n---\n").map(move |text| (text, table.v0)));
    let module = |(number, (text, v0)): (usize, (&str, bool))| RegoFile {
        path: format!("{number}.rego"),
        text: format!("{text}\n"),
        is_test: false,
        v0,
    };
    texts.enumerate().map(module).collect()
}

fn pairs() -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for table in &TABLES {
        let inputs: Vec<Value> = serde_json::from_str(table.inputs)?;
        let prefix = format!("package kubernetes.{}.", table.root);
        for text in table.modules.split("\n---\n") {
            let name = text.lines().find_map(|line| line.strip_prefix(&prefix));
            let name = name.with_context(|| format!("no package in {text}"))?;
            pairs.extend(inputs.iter().enumerate().map(|(number, input)| Pair {
                gate: table.gate,
                root: table.root,
                name: name.to_owned(),
                input: input.clone(),
                number,
                v0: table.v0,
            }));
        }
    }
    Ok(pairs)
}

/// What OPA says of each pair: the package's document.
fn in_opa(modules: &[&RegoFile], pairs: &[&Pair], v0: bool) -> Result<BTreeMap<String, Value>> {
    let directory = tempfile::tempdir()?;
    for module in modules {
        fs::write(directory.path().join(&module.path), &module.text)?;
    }
    let mut ask = String::from("package pairs\n");
    let mut inputs = BTreeMap::new();
    let open = if v0 { "= v {" } else { ":= v if {" };
    for pair in pairs {
        let (key, root, name) = (pair.key(), pair.root, &pair.name);
        writeln!(
            ask,
            "results[{key:?}] {open} v := data.kubernetes.{root}.{name} with input as data.inputs[{key:?}] }}"
        )?;
        inputs.insert(key, pair.input.clone());
    }
    fs::write(directory.path().join("ask.rego"), ask)?;
    let mut data: Value = serde_json::from_str(DATA)?;
    data.as_object_mut()
        .context("the data are no object")?
        .insert("inputs".into(), json!(inputs));
    fs::write(directory.path().join("data.json"), data.to_string())?;
    let mut command = Command::new(binaries::OPA.path()?);
    command.args(["eval", "--format", "json", "data.pairs.results", "--data"]);
    command.arg(directory.path());
    if v0 {
        command.arg("--v0-compatible");
    }
    let output = command.output().context("cannot run opa")?;
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let results = answer
        .pointer("/result/0/expressions/0/value")
        .and_then(Value::as_object)
        .with_context(|| format!("OPA refuses a pair: {answer:#}"))?;
    Ok(results.clone().into_iter().collect())
}

/// A package's document as its gate reads it.
fn read(document: &Value) -> Result<Outcome> {
    let rules = GATE_RULES.iter();
    let pairs: Vec<Value> = rules
        .filter_map(|rule| Some(json!([rule, document.get(rule)?])))
        .collect();
    let outcome = Outcome::read(&Document::from_json(&Value::Array(pairs)))?;
    Ok(comparable(outcome))
}

fn ours(set: &PolicySet, pair: &Pair) -> Result<Outcome> {
    let policy = set
        .of(pair.gate)
        .find(|policy| policy.name == pair.name)
        .with_context(|| format!("no policy {}", pair.name))?;
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(60),
        context: Context::default(),
    };
    let outcome = set.evaluate(policy, &Document::from_json(&pair.input), &limits);
    Ok(comparable(outcome.with_context(|| pair.key())?))
}

/// Without what JSON does not tell: whether a patch is a set, and what was passed over.
fn comparable(outcome: Outcome) -> Outcome {
    let mutation = outcome.mutation.map(|mutation| match mutation {
        Mutation::Patch { operations, .. } => Mutation::Patch {
            operations,
            set: false,
        },
        mutated @ Mutation::Mutated(_) => mutated,
    });
    Outcome {
        mutation,
        passed_over: None,
        ..outcome
    }
}
