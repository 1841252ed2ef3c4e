//! Groups: engines that hold policies which read the same libraries.
//!
//! One engine for all policies makes each evaluation dearer with every package in it; one engine each multiplies the
//! libraries' memory. A group's engine is prepared once and never evaluated: each evaluation clones it, which copies
//! neither policies nor data.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use super::Outside;
use super::ast::{Source, message_in, position_in, syntax_finding};
use super::builtins::{self, BuiltinErrors, Context};
use super::entry::entry;
use super::json::Document;
use super::normalize::Normalized;
use super::normalize::mocks::Mocks;
use crate::policy::Fault;
use crate::policy::finding::Finding;

/// What bounds one evaluation, and what its builtins know of the review.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// When it must have ended.
    pub deadline: Instant,
    /// Time, randomness and leniency.
    pub context: Context,
}

/// A prepared engine with the entry rules of its policies, and where one of them asks for it a second one in which the
/// errors of builtins are no faults.
pub(crate) struct Group {
    pub(super) strict: Engine,
    pub(super) lenient: Option<Engine>,
    /// What the engine reads, by the [`name`] that it has for it: the engine's places are not the author's.
    pub(super) texts: BTreeMap<String, Arc<Normalized>>,
}

/// What the engine calls a source: its file, and where several stand in one file, which of them.
fn name(sources: &[&Source], place: usize) -> String {
    let path = sources.get(place).map_or("", |source| &source.path);
    let before = sources.iter().take(place).filter(|source| source.path == path);
    match before.count() {
        0 => path.to_owned(),
        number => format!("{path}#{number}"),
    }
}

/// The file of what the engine calls so.
pub(super) fn file_of(name: &str) -> &str {
    match name.rsplit_once('#') {
        Some((path, number)) if number.parse::<usize>().is_ok() => path,
        _ => name,
    }
}

impl Group {
    /// Builds an engine of these sources; `policies` are the packages that get an entry, with their gate's rules.
    /// Gives the paths of the entries in the same order. With [`BuiltinErrors::Undefined`] the group can
    /// [evaluate leniently](Self::evaluate_leniently), which costs a second engine.
    pub(crate) fn build(
        sources: &[&Source],
        policies: &[(&[String], Vec<&str>)],
        data: &Document,
        errors: BuiltinErrors,
        outside: &Arc<Outside>,
    ) -> Result<(Self, Vec<String>), Finding> {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        engine.set_gather_prints(true);
        let ours = |error: anyhow::Error| syntax_finding("(generated)", &error.to_string(), None);
        let rules = sources.iter().flat_map(|source| &source.rules);
        let calls = rules.flat_map(|rule| &rule.calls);
        let mocks = Mocks::of(sources);
        let mut called: BTreeSet<String> = calls.map(|call| call.function.join(".")).collect();
        called.extend(mocks.builtins.iter().cloned());
        let is_written =
            |name: &&str| (sources.iter()).any(|source| source.normalized.text.contains(&format!("{name}(")));
        let inner = [builtins::MEMBER, builtins::MEMBER_AT].into_iter();
        called.extend(inner.filter(is_written).map(str::to_owned));
        builtins::add_to(&mut engine, |name| called.contains(name)).map_err(ours)?;
        builtins::add_outgoing_to(&mut engine, |name| called.contains(name), outside).map_err(ours)?;
        let mut texts = BTreeMap::new();
        for (place, source) in sources.iter().enumerate() {
            let name = name(sources, place);
            engine.set_rego_v0(source.v0);
            let text = mocks.text(source);
            text.allow_length(&mut engine);
            texts.insert(name.clone(), Arc::clone(text));
            engine
                .add_policy(name, text.text.clone())
                .map_err(|error| syntax_finding(&source.path, &error.to_string(), Some(text)))?;
        }
        engine.set_rego_v0(false);
        if let Some(module) = &mocks.module {
            engine
                .add_policy("(functions that stand in)".into(), module.clone())
                .map_err(ours)?;
        }
        let mut entries = Vec::with_capacity(policies.len());
        for (package, rules) in policies {
            let entry = entry(package, rules);
            engine
                .add_policy(format!("(entry of {})", package.join(".")), entry.text)
                .map_err(ours)?;
            entries.push(entry.rule);
        }
        engine.add_data(data.0.clone()).map_err(ours)?;
        engine.set_input(Value::new_object());
        prepare(&mut engine).map_err(|error| {
            let text = texts
                .iter()
                .find(|(name, _)| error.contains(&format!("--> {name}:")));
            syntax_finding(
                text.map_or("(policies)", |(name, _)| file_of(name)),
                &error,
                text.map(|(_, normalized)| &**normalized),
            )
        })?;
        // Prepared engines share what they are made of until one of them is changed, so this is done once, here.
        let lenient = (errors == BuiltinErrors::Undefined).then(|| {
            let mut twin = engine.clone();
            twin.set_strict_builtin_errors(false);
            twin
        });
        let group = Group {
            strict: engine,
            lenient,
            texts,
        };
        Ok((group, entries))
    }

    /// Evaluates an entry: the set of `[rule, value]` pairs. The error of a builtin is a fault.
    pub(crate) fn evaluate(&self, entry: &str, input: &Document, limits: &Limits) -> Result<Document, Fault> {
        self.run(&self.strict, BuiltinErrors::Fault, entry, input, limits)
    }

    /// The same for a policy that wants OPA's way: when a builtin fails, the entry is evaluated once more with failed
    /// expressions undefined, in the time that is left. Gives the fault that was passed over, too. Whatever else goes
    /// wrong is a fault, and so is a builtin that would take too much memory or time.
    pub(crate) fn evaluate_leniently(
        &self,
        entry: &str,
        input: &Document,
        limits: &Limits,
    ) -> Result<(Document, Option<Fault>), Fault> {
        let fault = match self.evaluate(entry, input, limits) {
            Ok(values) => return Ok((values, None)),
            Err(fault @ Fault::Builtin { .. }) if !builtins::took_too_much() => fault,
            Err(fault) => return Err(fault),
        };
        let Some(lenient) = &self.lenient else {
            return Err(fault);
        };
        let values = self.run(lenient, BuiltinErrors::Undefined, entry, input, limits)?;
        if builtins::took_too_much() {
            return Err(fault);
        }
        Ok((values, Some(fault)))
    }

    /// Evaluates a rule in a clone of an engine.
    pub(super) fn run(
        &self,
        engine: &Engine,
        errors: BuiltinErrors,
        entry: &str,
        input: &Document,
        limits: &Limits,
    ) -> Result<Document, Fault> {
        self.run_in(&mut engine.clone(), errors, entry, input, limits)
    }

    /// The same in the engine itself, which nobody uses after it but to ask what was printed.
    pub(super) fn run_in(
        &self,
        engine: &mut Engine,
        errors: BuiltinErrors,
        entry: &str,
        input: &Document,
        limits: &Limits,
    ) -> Result<Document, Fault> {
        let remaining = limits.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(Fault::Deadline);
        }
        engine.set_execution_timer_config(timer(remaining));
        engine.set_input(input.0.clone());
        builtins::enter(limits.context, errors);
        builtins::set_deadline(limits.deadline);
        // A builtin of the engine may panic on operands that nobody thought of; the clone is dropped after it.
        let result = catch_unwind(AssertUnwindSafe(|| engine.eval_rule(entry.to_owned())));
        // The engine's own error for a timeout loses its type on the way out of a function: our clock decides.
        if Instant::now() >= limits.deadline {
            return Err(Fault::Deadline);
        }
        match result {
            Ok(Ok(value)) => Ok(Document(value)),
            Ok(Err(error)) => Err(fault(&error.to_string(), &self.texts)),
            Err(_) => Err(Fault::Panic),
        }
    }
}

fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig {
        limit,
        check_interval: NonZeroU32::MIN.saturating_add(63),
    }
}

/// Prepares the engine, so that its clones share the work. Asking for a rule that is not there does just that.
pub(super) fn prepare(engine: &mut Engine) -> Result<(), String> {
    const NOTHING: &str = "data.regate_entry.nothing";
    match engine.eval_rule(NOTHING.to_owned()) {
        Err(error) if error.to_string().contains("not a valid rule path") => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(_) => Ok(()),
    }
}

/// The longest message of a fault.
const MAX_MESSAGE: usize = 4096;

fn fault(text: &str, texts: &BTreeMap<String, Arc<Normalized>>) -> Fault {
    let file = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("--> "));
    let file = file
        .and_then(|head| head.trim().rsplitn(3, ':').nth(2))
        .unwrap_or("");
    let at = position_in(text).map(|at| texts.get(file).map_or(at, |text| text.place(at)));
    let file = file_of(file);
    let at = at
        .map(|at| format!(":{}:{}", at.line, at.column))
        .unwrap_or_default();
    let mut message = message_in(text);
    if [
        "multiple outputs",
        "conflicts with rule",
        "generated multiple times",
    ]
    .iter()
    .any(|words| message.contains(words))
    {
        // The engine prints the values that collide; they may be secret.
        return Fault::Conflict {
            at: format!("{file}{at}"),
        };
    }
    // The engine quotes whole operands, and they may be as long as a review.
    message.truncate(message.floor_char_boundary(MAX_MESSAGE));
    Fault::Builtin {
        at: format!("{file}{at}"),
        message,
    }
}

#[cfg(test)]
pub(super) mod tests;
