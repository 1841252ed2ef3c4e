//! Which definitions of a rule fire on an input, and which expression keeps each of the others from it.
//!
//! The engine has no hook for this and gets none. Its syntax trees are still there, so a clone of it is given one rule
//! more for each beginning of a body; the first that is undefined ends with the expression that fails, and one rule more
//! tells the values there. Called through [`crate::policy::explain`] for people only. Always holds: the engines that
//! serve are cloned, never changed.

mod named;
mod notation;
mod operands;
mod probe;
mod steps;

use std::collections::BTreeSet;

use regorus::Engine;
use regorus::unstable::{Expr, Module, Ref, Rule, RuleBody, RuleHead};

use super::ast::account_of_expr;
use super::ast::parts::{function_name, variable};
use super::builtins::BuiltinErrors;
use super::group::{Group, Limits};
use super::json::Document;
use super::normalize::tokens::tokens;
use crate::policy::Fault;
use crate::policy::explain::{
    Definition, Example, Failed, MAX_DEPTH, MAX_TEXT, Named, Operand, OperandValue, Verdict,
};
use named::Names;
use operands::{Collector, Parts};
use probe::{Probe, Way, header};
use steps::{Reader, Step};

impl Group {
    /// What came of each definition of a rule of a package. Of a function nothing is told.
    pub(crate) fn explain(
        &self,
        package: &[String],
        rule: &str,
        input: &Document,
        errors: BuiltinErrors,
        limits: &Limits,
    ) -> Vec<Definition> {
        let question = Question {
            group: self,
            errors,
            limits: *limits,
            depth: 1,
        };
        question.definitions(&package.join("."), rule, input)
    }

    /// What the evaluation of an entry prints.
    pub(crate) fn prints(
        &self,
        entry: &str,
        input: &Document,
        errors: BuiltinErrors,
        limits: &Limits,
    ) -> Vec<String> {
        let mut engine = self.strict.clone();
        if errors == BuiltinErrors::Undefined {
            engine.set_strict_builtin_errors(false);
        }
        // What the evaluation comes to is known already; what it printed until then counts.
        let _ = self.run_in(&mut engine, errors, entry, input, limits);
        engine.take_prints().unwrap_or_default()
    }
}

/// What stays the same while rules are explained that name each other.
#[derive(Clone, Copy)]
struct Question<'g> {
    group: &'g Group,
    errors: BuiltinErrors,
    limits: Limits,
    /// How many rules there are above, and one.
    depth: usize,
}

impl Question<'_> {
    /// What came of each definition of a rule, on an input.
    fn definitions(&self, package: &str, rule: &str, input: &Document) -> Vec<Definition> {
        let mut engine: Engine = self.group.strict.clone();
        let all: Vec<Ref<Module>> = engine.get_modules().clone();
        let package_of = |module: &Module| function_name(&module.package.refr).unwrap_or_default();
        let packages: Vec<String> = all.iter().map(|module| package_of(module)).collect();
        let modules = || all.iter().filter(|module| package_of(module) == package);
        let rules: BTreeSet<String> = modules()
            .flat_map(|module| &module.policy)
            .filter_map(|rule| name_of(rule))
            .collect();
        let mut definitions = Vec::new();
        // They stand in the order of their files.
        for module in modules() {
            let path = module.package.span.source.get_path();
            let Some(normalized) = self.group.texts.get(path) else {
                continue;
            };
            let tokens = tokens(&normalized.text);
            let mut explainer = Explainer {
                question: *self,
                reader: Reader::new(path, normalized, &tokens, module, &rules),
                names: Names {
                    package,
                    rules: &rules,
                    packages: &packages,
                    module,
                },
                probe: Probe {
                    group: self.group,
                    package: package.to_owned(),
                    header: header(package, module, &normalized.text),
                    v1: module.rego_v1,
                    input,
                    limits: self.limits,
                },
                normalized,
            };
            let specs = module.policy.iter();
            for spec in specs.filter(|spec| name_of(spec).as_deref() == Some(rule)) {
                definitions.extend(explainer.rule(spec));
            }
        }
        definitions
    }
}

/// The first name of a rule's head.
fn name_of(rule: &Rule) -> Option<String> {
    let (Rule::Default { refr, .. }
    | Rule::Spec {
        head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. },
        ..
    }) = rule;
    let mut at = refr;
    while let Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } = &**at {
        at = refr;
    }
    function_name(at)
}

/// Explains the rules of one file.
struct Explainer<'a> {
    question: Question<'a>,
    reader: Reader<'a>,
    names: Names<'a>,
    probe: Probe<'a>,
    normalized: &'a super::normalize::Normalized,
}

impl<'a> Explainer<'a> {
    /// The definitions of a rule.
    fn rule(&mut self, rule: &'a Rule) -> Vec<Definition> {
        let Rule::Spec { span, head, bodies } = rule else {
            return Vec::new();
        };
        let (head_span, value) = match head {
            RuleHead::Compr { span, assign, .. } => (span, assign.as_ref().map(|assign| &*assign.value)),
            RuleHead::Set { span, key, .. } => (span, key.as_ref().map(|key| &**key)),
            RuleHead::Func { .. } => return Vec::new(),
        };
        let place = self.reader.place(self.reader.position(span));
        if bodies.is_empty() {
            let verdict = self.verdict(&[], &BTreeSet::new(), value);
            let head = self.reader.head(head_span);
            return vec![Definition { place, head, verdict }];
        }
        let mut definitions = Vec::new();
        let mut settled = false;
        // Behind the first body there are only those of `else`: what is chained in another way is a rule of its own by now.
        for body in bodies {
            let steps = self.reader.steps(&body.query);
            // Only now is it known what the names in the head stand for.
            let (head, place, value) = if body.is_else {
                (
                    else_head(body, &self.reader),
                    self.reader.place(self.reader.position(&body.span)),
                    body.assign.as_ref().map(|assign| &*assign.value),
                )
            } else {
                (self.reader.head(head_span), place.clone(), value)
            };
            let verdict = if settled {
                Verdict::NotReached
            } else {
                let variables = self.reader.variables(&steps, &body.query);
                self.verdict(&steps, &variables, value)
            };
            settled |= matches!(verdict, Verdict::Fired { .. });
            definitions.push(Definition { place, head, verdict });
        }
        definitions
    }

    /// What comes of a body and of what it gives.
    fn verdict(&self, steps: &[Step<'_>], variables: &BTreeSet<String>, value: Option<&Expr>) -> Verdict {
        let beginnings =
            (1..=steps.len()).map(|end| self.probe.holds(end, steps.get(..end).unwrap_or_default()));
        let rules: String = beginnings.collect();
        let Some(engine) = self.probe.engine(self.question.errors, &rules) else {
            return Verdict::Unknown("the engine refuses the beginnings of this body".to_owned());
        };
        for (number, step) in steps.iter().enumerate().filter(|(_, step)| step.can_fail()) {
            let error = match self.probe.ask(&engine, self.question.errors, number + 1) {
                Ok(value) if value.as_bool() == Some(true) => continue,
                Ok(_) => None,
                Err(Fault::Builtin { message, .. }) => Some(message),
                Err(fault) => return Verdict::Unknown(fault.to_string()),
            };
            let before = steps.get(..number).unwrap_or_default();
            let parts = self.collector(before, variables, &mut |collector| collector.step(step));
            let with = with_of(step);
            let because = self.because(step, before, variables);
            let (ways, examples) = self.examples(before, variables, &parts, &with);
            return Verdict::Failed(Box::new(Failed {
                place: self.reader.place(step.at),
                text: step.shown.clone(),
                error,
                ways,
                examples,
                because,
            }));
        }
        self.fired(steps, variables, value)
    }

    /// What a body gives that holds; what it gives may be undefined.
    fn fired(&self, steps: &[Step<'_>], variables: &BTreeSet<String>, value: Option<&Expr>) -> Verdict {
        let range = value.and_then(|value| self.reader.range(value));
        let (Some(value), Some(range)) = (value, range) else {
            return Verdict::Fired {
                values: vec![Document::from_json(&serde_json::Value::Bool(true))],
                count: 1,
            };
        };
        let question = self.reader.code(range.clone());
        let rules = self.probe.values(steps, &question);
        let error = match self.probe.ask_values(&rules, self.question.errors) {
            Ok((0, _)) => None,
            Ok((count, values)) => return Verdict::Fired { values, count },
            Err(Fault::Builtin { message, .. }) => Some(message),
            Err(fault) => return Verdict::Unknown(fault.to_string()),
        };
        let parts = self.collector(steps, variables, &mut |collector| collector.head(value));
        let (ways, examples) = self.examples(steps, variables, &parts, "");
        Verdict::Failed(Box::new(Failed {
            // The engine's place of a reference is that of its last part.
            place: self.reader.place(self.normalized.place_of(range.start)),
            text: self.reader.shown(range),
            error,
            ways,
            examples,
            because: Vec::new(),
        }))
    }

    /// What came of the rules that a failing expression names.
    fn because(&self, step: &Step<'_>, before: &[Step<'_>], variables: &BTreeSet<String>) -> Vec<Named> {
        if self.question.depth >= MAX_DEPTH {
            return Vec::new();
        }
        let question = Question {
            depth: self.question.depth + 1,
            ..self.question
        };
        let names = self.names.of(step, variables);
        let Some(input) = self.input_of(step, before).filter(|_| !names.is_empty()) else {
            return Vec::new();
        };
        let named = names.into_iter().map(|name| Named {
            definitions: question.definitions(&name.package, &name.rule, &input),
            rule: name.written,
        });
        named.filter(|named| !named.definitions.is_empty()).collect()
    }

    /// The input of the rules that an expression names; not known where `with` changes something else.
    fn input_of(&self, step: &Step<'_>, before: &[Step<'_>]) -> Option<Document> {
        let with = match step.statement.with_mods.as_slice() {
            [] => return Some(self.probe.input.clone()),
            [with] if variable(&with.refr) == Some("input") => with,
            _ => return None,
        };
        let value = self.reader.code(self.reader.range(&with.r#as)?);
        let (_, ways) = self.probe.ask_ways(&self.probe.ways(before, &[], &[value]))?;
        let answers = ways.into_iter().next()?.answers;
        answers.into_iter().next()?.into_iter().next()
    }

    fn collector(
        &self,
        before: &[Step<'_>],
        variables: &BTreeSet<String>,
        collect: &mut dyn FnMut(Collector<'_, 'a>) -> Parts,
    ) -> Parts {
        let can_ask = |expr: &Expr| {
            let account = account_of_expr(expr, self.normalized);
            self.reader.can_ask(&account, before, variables)
        };
        collect(Collector {
            reader: &self.reader,
            can_ask: &can_ask,
            found: Parts::default(),
        })
    }

    /// How many ways lead to an expression, and the first of them with the values of its parts.
    fn examples(
        &self,
        before: &[Step<'_>],
        variables: &BTreeSet<String>,
        parts: &Parts,
        with: &str,
    ) -> (usize, Vec<Example>) {
        let bound = self.reader.bound(before, variables);
        let chains = parts.parts.iter().flat_map(|part| &part.chain);
        let questions = chains
            .map(|(code, _)| code)
            .chain(parts.sides.iter().flat_map(|(left, right)| [left, right]));
        let questions: Vec<String> = questions.map(|code| format!("{code}{with}")).collect();
        let asked = self
            .probe
            .ask_ways(&self.probe.ways(before, &bound, &questions))
            .or_else(|| self.probe.ask_ways(&self.probe.ways(before, &bound, &[])));
        let (count, ways) = asked.unwrap_or_default();
        (
            count,
            ways.iter().map(|way| example(way, &bound, parts)).collect(),
        )
    }
}

/// What `with` changes for an expression, with a space before it.
fn with_of(step: &Step<'_>) -> String {
    let Some(with) = step.statement.with_mods.first() else {
        return String::new();
    };
    let start = with.span.start.saturating_sub(step.statement.span.start);
    let text = usize::try_from(start)
        .ok()
        .and_then(|start| step.code.get(start..));
    text.map(|text| format!(" {text}")).unwrap_or_default()
}

/// `else := x` as its author wrote it.
fn else_head(body: &RuleBody, reader: &Reader<'_>) -> String {
    let value = body
        .assign
        .as_ref()
        .and_then(|assign| reader.range(&assign.value));
    let value = value.map(|range| format!(" := {}", reader.shown(range)));
    format!("else{}", value.unwrap_or_default())
}

fn example(way: &Way, bound: &[String], parts: &Parts) -> Example {
    let mut answers = way.answers.iter();
    let mut operands = Vec::new();
    for part in &parts.parts {
        let values: Vec<_> = part
            .chain
            .iter()
            .map(|(_, shown)| (shown, answers.next()))
            .collect();
        let value = |values: Option<&Vec<Document>>| match values.map(Vec::as_slice) {
            None | Some([]) => None,
            Some([one]) => Some(OperandValue::One(one.notation(MAX_TEXT))),
            Some(several) => {
                let first = several.iter().take(3).map(|one| one.notation(MAX_TEXT / 3));
                Some(OperandValue::Several(first.collect(), several.len()))
            }
        };
        let defined = |(shown, values): &(&String, Option<&Vec<Document>>)| match values.map(Vec::as_slice) {
            Some([one]) => Some(((*shown).clone(), one.notation(MAX_TEXT))),
            _ => None,
        };
        // Nothing was asked where the engine refused the questions.
        let Some((_, Some(whole))) = values.first() else {
            continue;
        };
        operands.push(Operand {
            text: part.shown.clone(),
            value: value(Some(whole))
                .unwrap_or_else(|| OperandValue::Undefined(values.iter().skip(1).find_map(defined))),
        });
    }
    let mut side = || {
        answers.next().and_then(|values| match values.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        })
    };
    let sides = parts.sides.is_some().then(|| (side(), side()));
    Example {
        variables: bound
            .iter()
            .zip(&way.variables)
            .map(|(name, value)| (name.clone(), value.notation(MAX_TEXT)))
            .collect(),
        operands,
        sides: sides.and_then(|(left, right)| left.zip(right)),
    }
}

#[cfg(test)]
mod tests;
