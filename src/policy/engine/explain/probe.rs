//! Rules that are added to a clone of a prepared engine to ask it something, in the package and with the imports of the
//! file that is explained.

use std::fmt::Write as _;

use regorus::unstable::Module;
use regorus::{Engine, Value};

use super::steps::Step;
use crate::policy::Fault;
use crate::policy::engine::builtins::BuiltinErrors;
use crate::policy::engine::group::{Group, Limits, prepare};
use crate::policy::engine::json::Document;
use crate::policy::engine::normalize::Normalized;
use crate::policy::explain::{MAX_EXAMPLES, MAX_VALUES};

/// What the names of added rules begin with.
pub(super) const ADDED: &str = "regate_explain";

/// Asks the engine of one group about one file.
pub(super) struct Probe<'g> {
    pub(super) group: &'g Group,
    /// `kubernetes.admission.owner`
    pub(super) package: String,
    /// Package clause and imports.
    pub(super) header: String,
    /// Whether the file is of the language from version 1 on.
    pub(super) v1: bool,
    pub(super) input: &'g Document,
    pub(super) limits: Limits,
}

/// What one way to an expression gave: its variables and its parts.
pub(super) struct Way {
    pub(super) variables: Vec<Document>,
    /// For each question the values.
    pub(super) answers: Vec<Vec<Document>>,
}

impl Probe<'_> {
    /// A rule that is true where all steps hold.
    pub(super) fn holds(&self, number: usize, steps: &[Step<'_>]) -> String {
        let opening = if self.v1 { " if" } else { "" };
        format!("{ADDED}_{number}{opening} {{\n{}\n}}\n", code(steps))
    }

    /// A rule with all ways in which the steps hold: the values of the variables, and of each question.
    pub(super) fn ways(&self, steps: &[Step<'_>], variables: &[String], questions: &[String]) -> String {
        let head = self.set();
        let mut body = code(steps);
        let mut answers = Vec::new();
        for (number, question) in questions.iter().enumerate() {
            let _ = write!(body, ";\n__regate_{number} := [__one | __one := {question}]");
            answers.push(format!("__regate_{number}"));
        }
        let (variables, answers) = (variables.join(", "), answers.join(", "));
        format!("{head} {{\n{body};\n__regate := [[{variables}], [{answers}]]\n}}\n")
    }

    /// The head of a set of `__regate`.
    fn set(&self) -> String {
        if self.v1 {
            format!("{ADDED}_0 contains __regate if")
        } else {
            format!("{ADDED}_0[__regate]")
        }
    }

    /// A rule with all values of an expression where the steps hold.
    pub(super) fn values(&self, steps: &[Step<'_>], question: &str) -> String {
        format!(
            "{} {{\n{};\n__regate := {question}\n}}\n",
            self.set(),
            code(steps)
        )
    }

    /// How many values there are, and the first of them.
    pub(super) fn ask_values(
        &self,
        rules: &str,
        errors: BuiltinErrors,
    ) -> Result<(usize, Vec<Document>), Fault> {
        let engine = self.engine(errors, rules).ok_or(Fault::Panic)?;
        match self.ask(&engine, errors, 0)? {
            Document(Value::Set(values)) => {
                let first = values.iter_sorted().take(MAX_VALUES).cloned().map(Document);
                Ok((values.len(), first.collect()))
            }
            _ => Ok((0, Vec::new())),
        }
    }

    /// An engine with these rules; `None` if it refuses them.
    pub(super) fn engine(&self, errors: BuiltinErrors, rules: &str) -> Option<Engine> {
        let mut engine = self.group.strict.clone();
        if errors == BuiltinErrors::Undefined {
            engine.set_strict_builtin_errors(false);
        }
        engine.set_rego_v0(!self.v1);
        Normalized::allow_any_length(&mut engine);
        let text = format!("{}{rules}", self.header);
        engine.add_policy(format!("({ADDED})"), text).ok()?;
        engine.set_rego_v0(false);
        prepare(&mut engine).ok()?;
        Some(engine)
    }

    /// The value of an added rule.
    pub(super) fn ask(
        &self,
        engine: &Engine,
        errors: BuiltinErrors,
        number: usize,
    ) -> Result<Document, Fault> {
        let rule = format!("data.{}.{ADDED}_{number}", self.package);
        self.group.run(engine, errors, &rule, self.input, &self.limits)
    }

    /// How many ways there are, and the first of them.
    pub(super) fn ask_ways(&self, rules: &str) -> Option<(usize, Vec<Way>)> {
        // What fails in a question is undefined: that it failed is known already.
        let errors = BuiltinErrors::Undefined;
        let engine = self.engine(errors, rules)?;
        let Document(Value::Set(ways)) = self.ask(&engine, errors, 0).ok()? else {
            return None;
        };
        let all = |value: &Value| match value {
            Value::Array(items) => items.iter().cloned().map(Document).collect(),
            _ => Vec::new(),
        };
        let first = ways.iter_sorted().take(MAX_EXAMPLES).map(|way| {
            let mut halves = all(way).into_iter();
            let variables = halves.next().map(|half| all(&half.0)).unwrap_or_default();
            let answers = halves.next().map(|half| all(&half.0)).unwrap_or_default();
            Way {
                variables,
                answers: answers.iter().map(|answer| all(&answer.0)).collect(),
            }
        });
        Some((ways.len(), first.collect()))
    }
}

/// Package clause and imports of a module, as they stand in its text.
pub(super) fn header(package: &str, module: &Module, text: &str) -> String {
    let mut header = format!("package {package}\n");
    for import in &module.imports {
        let range = usize::try_from(import.span.start)
            .ok()
            .zip(usize::try_from(import.span.end).ok());
        let text = range
            .and_then(|(start, end)| text.get(start..end))
            .unwrap_or_default();
        let _ = writeln!(header, "{text}");
    }
    header
}

/// The steps as a body.
fn code(steps: &[Step<'_>]) -> String {
    if steps.is_empty() {
        return "true".to_owned();
    }
    let codes: Vec<&str> = steps.iter().map(|step| step.code.as_str()).collect();
    codes.join(";\n")
}
