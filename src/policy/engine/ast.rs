//! What the syntax tree of one policy file says: its package, its rules, what it reads and what it calls.
//!
//! Loading asks these facts to group packages, to generate entry rules and to refuse what the engine would accept and
//! should not. The engine's tree is walked once per file and not kept.

mod heads;
mod imports;
mod infer;
mod limits;
mod names;
pub(super) mod parts;
mod reference;
mod scopes;
pub(super) mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use regorus::Engine;
use regorus::unstable::{Module, Ref, Span};

pub(crate) use names::{Body, WILDCARD};
pub(super) use names::{account_of, account_of_expr};

use super::builtins;
pub(crate) use super::normalize::Origin;
pub(crate) use super::normalize::annotated::{Annotated, Given};
use super::normalize::heads::Heads;
use super::normalize::members::Members;
use super::normalize::rewrites::Rewrites;
use super::normalize::tokens::Token;
use super::normalize::withs::Withs;
use super::normalize::{Edit, Normalized, annotated, lines, results, tokens};
use crate::policy::files::RegoFile;
use crate::policy::finding::{Finding, Id, Severity};

/// One parsed file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file as the author named it.
    pub(crate) path: String,
    /// Its text, as its author wrote it.
    pub(crate) text: String,
    /// Its text, as the engine has to read it.
    pub(crate) normalized: Arc<Normalized>,
    /// Whether it is of the language before version 1.
    pub(crate) v0: bool,
    /// Whether it has what version 1 refuses: it is of the language before, and does not ask for that version.
    pub(crate) has_old_builtins: bool,
    /// `package a.b` is `["a", "b"]`.
    pub(crate) package: Vec<String>,
    /// Where the package clause stands.
    pub(crate) package_at: Position,
    /// What is wrong with it although it can be read.
    pub(crate) findings: Vec<Finding>,
    /// What OPA's strict mode refuses of it.
    pub(crate) strict: Vec<Finding>,
    /// What is wrong with its calls of builtins, unless functions of the package stand in for them.
    pub(crate) of_builtins: Vec<Finding>,
    /// Its rules, in order.
    pub(crate) rules: Vec<RuleFacts>,
    /// Paths below `data` that it reads, as far as they are constant: `data.a[x].b` is `["a"]`.
    pub(crate) reads: BTreeSet<Vec<String>>,
    /// What is read below `data` and where, but for functions that are called.
    pub(crate) data_reads: Vec<(Vec<String>, Position)>,
    /// What its `with` replace, but for parts of `input`.
    pub(crate) replaced: Vec<Replaced>,
    /// The names that its imports give.
    pub(crate) imported: Vec<String>,
    /// Where its imports stand.
    pub(crate) imports_at: Vec<Position>,
    /// Whether it was seen to that calls of `rego.metadata` give what they should.
    pub(crate) is_annotated: bool,
    /// Paths below `input` that it reads, as far as they are constant; an empty one where it takes `input` whole.
    pub(crate) input_reads: BTreeSet<Vec<String>>,
    /// Whether it names `regate` as a member of something that is neither `data` nor plainly `input`: a variable that may
    /// hold the whole `input`, a call's result, or a key in a text.
    pub(crate) names_regate: bool,
    /// Codes of messages, where they are written out: `404` of `{"msg": "x", "code": 404}`.
    pub(crate) codes: Vec<(String, Position)>,
}

/// A place in a file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One rule of a file.
#[derive(Clone, Debug)]
pub(crate) struct RuleFacts {
    /// The head's first name: `audit_annotations["a"] := 1` is `audit_annotations`.
    pub(crate) name: String,
    /// The constant part of the head below the name.
    pub(crate) below: Vec<String>,
    /// How many arguments it takes, if any.
    pub(crate) arguments: Option<usize>,
    /// Whether it is a `default`.
    pub(crate) is_default: bool,
    /// Whether no variable is in its head's name: `x[key]` has one.
    pub(crate) is_ground: bool,
    /// Whether it gives members of sets: `x contains member`, `x[key] contains member`.
    pub(crate) is_set: bool,
    /// Where it stands.
    pub(crate) at: Position,
    /// What it calls.
    pub(crate) calls: Vec<Call>,
    /// What it reads below `data`, imports resolved, as far as it is constant.
    pub(crate) reads: BTreeSet<Vec<String>>,
    /// What it reads of its own package by plain names, as paths below `data`; of names that are no variables.
    pub(crate) own_reads: BTreeSet<Vec<String>>,
    /// What kind of value it gives.
    pub(crate) kind: RuleKind,
    /// Literals that it gives: its values, or the members of a set, with what they are.
    pub(crate) literals: Vec<(&'static str, Position)>,
    /// The variables of its bodies.
    pub(crate) bodies: Vec<Body>,
}

/// What kind of value a rule gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleKind {
    /// It is a function.
    Function,
    /// Members of an object: `x[key] := value`, `x.key := value`.
    Members,
    /// Members of a set: `x contains member`.
    Set,
    /// One value.
    Value,
}

/// One call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The function as resolved through the file's imports: `["data", …]` for a rule of a policy file, the name's
    /// parts for a builtin.
    pub(crate) function: Vec<String>,
    /// How many operands it was given; `None` where it is only named, to stand in for another (`with f as g`).
    pub(crate) operands: Option<usize>,
    /// The members of its first operand whose key and value are written out as texts, for builtins that reach outside.
    pub(crate) constants: Vec<(String, String)>,
    /// Its first operand, if that is a text as it stands.
    pub(crate) first: Option<String>,
    /// Whether it stands alone as a statement: only there may one more operand take the result.
    pub(crate) statement: bool,
    /// Whether, in a statement that is not negated, an object stands in its last operand.
    pub(crate) takes_apart: bool,
    /// Where it stands.
    pub(crate) at: Position,
}

/// What one `with` replaces: a function, or a part of `data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// The name as resolved through the file's imports, as in [`Call`].
    pub(crate) target: Vec<String>,
    /// What stands in for it, if that is a name, too.
    pub(crate) by: Option<Vec<String>>,
    /// Where the target stands.
    pub(crate) at: Position,
}

impl Source {
    /// Parses a file.
    ///
    /// # Errors
    /// The first syntax error: the parser stops there.
    pub(crate) fn parse(file: &RegoFile) -> Result<Self, Finding> {
        Self::parse_inside(file, Origin::File)
    }

    /// Parses a module that stands in a file of another kind.
    ///
    /// # Errors
    /// The first syntax error: the parser stops there.
    pub(crate) fn parse_inside(file: &RegoFile, origin: Origin) -> Result<Self, Finding> {
        let mut normalized = Normalized::new(&file.text, origin);
        let tokens = tokens::tokens(&file.text);
        if let Some((at, message)) = limits::exceeded(&normalized, &tokens) {
            return Err(normalized.in_file(at).problem(Id::Limit, &file.path, message));
        }
        let mut edits = lines::separate(&file.text, &tokens);
        edits.extend(lines::leading_zeros(&file.text, &tokens));
        normalized.edit(edits);
        let chained = lines::split_chains(&normalized.text, &tokens::tokens(&normalized.text));
        normalized.edit(chained);
        let mut module = module(file, &normalized)?;
        let mut source = walk::Walk::of(&module, &normalized).source(file, &module)?;
        let looked = Looked::at(file, &module, &normalized);
        if rewrite_results(file, &mut module, &mut normalized, results::positive)? {
            source = walk::Walk::of(&module, &normalized).source(file, &module)?;
        }
        source.take(looked);
        let module = source.rewrite_members(file, module, &mut normalized)?;
        let module = source.rewrite_heads(file, module, &mut normalized)?;
        let mut module = look_at_withs(file, module, &mut normalized)?;
        let tokens = tokens::tokens(&normalized.text);
        let rewrites = Rewrites::of(&normalized, &tokens, &module);
        source.refuse(&rewrites.refused, &normalized);
        let edits = rewrites.into_edits();
        if calls_with_result(&source) {
            normalized.edit(edits);
            module = self::module(file, &normalized)?;
            rewrite_results(file, &mut module, &mut normalized, results::negated)?;
        } else {
            normalized.edit(edits);
        }
        source.normalized = Arc::new(normalized);
        Ok(source)
    }

    /// Whether the engine can parse what it is given of the file: what loading finds out when it builds the group.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn parsed_again(&self) -> Result<(), String> {
        let file = RegoFile {
            path: self.path.clone(),
            text: self.text.clone(),
            is_test: false,
            v0: self.v0,
        };
        parse(&file, &self.normalized).map(drop)
    }

    /// Takes over what was found in the author's own text.
    fn take(&mut self, looked: Looked) {
        self.findings.extend(looked.errors);
        self.strict = looked.strict;
        self.of_builtins = looked.of_builtins;
    }

    /// Makes calls of memberships that are values, and gives the tree of what that makes.
    fn rewrite_members(
        &mut self,
        file: &RegoFile,
        module: Ref<Module>,
        normalized: &mut Normalized,
    ) -> Result<Ref<Module>, Finding> {
        let tokens = tokens::tokens(&normalized.text);
        let (edits, refused) = Members::of(normalized, &tokens, &module).into_edits();
        self.refuse(&refused, normalized);
        edited(file, module, normalized, edits)
    }

    /// Moves what rules give into their bodies, and gives the tree of what that makes.
    fn rewrite_heads(
        &mut self,
        file: &RegoFile,
        module: Ref<Module>,
        normalized: &mut Normalized,
    ) -> Result<Ref<Module>, Finding> {
        let tokens = tokens::tokens(&normalized.text);
        let (edits, refused) = Heads::of(normalized, &tokens, &module, file.v0).into_edits();
        self.refuse(&refused, normalized);
        edited(file, module, normalized, edits)
    }

    /// Notes what cannot be rewritten.
    fn refuse(&mut self, refused: &[(Position, &'static str)], normalized: &Normalized) {
        let findings = refused
            .iter()
            .map(|(at, message)| self.problem(Id::Rewrite, normalized.place(*at), *message));
        let findings: Vec<_> = findings.collect();
        self.findings.extend(findings);
    }
}

/// What is wrong with a file as its author wrote it.
#[derive(Default)]
struct Looked {
    errors: Vec<Finding>,
    strict: Vec<Finding>,
    of_builtins: Vec<Finding>,
}

impl Looked {
    /// Looks at variables, imports, heads and operands.
    fn at(file: &RegoFile, module: &Module, normalized: &Normalized) -> Self {
        let v1 = !file.v0 || module.rego_v1;
        let mut looked = Looked::default();
        let problems = [
            scopes::problems(module, normalized, v1),
            imports::problems(module, normalized, v1),
            heads::problems(module, normalized),
        ];
        for (id, at, message) in problems.into_iter().flatten() {
            let finding = at.problem(id, &file.path, message);
            match id.severity() {
                Severity::Strict => looked.strict.push(finding),
                Severity::Error | Severity::Warning => looked.errors.push(finding),
            }
        }
        for (id, at, message) in infer::problems(module, normalized) {
            let finding = at.problem(id, &file.path, message);
            match (id, v1) {
                // It is gone, and `load::calls` says what takes its place.
                (Id::Deprecated, true) => {}
                // Of the old language only the strict mode refuses it.
                (Id::Deprecated, false) => looked.strict.push(finding),
                _ => looked.of_builtins.push(finding),
            }
        }
        looked
    }
}

/// The tree of the text with these edits: the same one where there are none.
fn edited(
    file: &RegoFile,
    module: Ref<Module>,
    normalized: &mut Normalized,
    edits: Vec<Edit>,
) -> Result<Ref<Module>, Finding> {
    if edits.is_empty() {
        return Ok(module);
    }
    normalized.edit(edits);
    self::module(file, normalized)
}

/// Rewrites statements that take the results of builtins, until none is left. Gives whether there were any.
fn rewrite_results(
    file: &RegoFile,
    module: &mut Ref<Module>,
    normalized: &mut Normalized,
    edits: fn(&str, &[Token], &Module) -> Vec<Edit>,
) -> Result<bool, Finding> {
    let mut rewritten = false;
    loop {
        let edits = edits(&normalized.text, &tokens::tokens(&normalized.text), module);
        if edits.is_empty() {
            return Ok(rewritten);
        }
        rewritten = true;
        normalized.edit(edits);
        *module = self::module(file, normalized)?;
    }
}

/// Whether a builtin is given one operand more than it takes, as `walk` is by most.
fn calls_with_result(source: &Source) -> bool {
    let mut calls = source.rules.iter().flat_map(|rule| &rule.calls);
    calls.any(|call| {
        let operands = builtins::operands_of(&call.function.join("."));
        call.statement && operands.is_some_and(|operands| call.operands == Some(operands + 1))
    })
}

/// Takes the values of several `with` out of their statements, and gives the tree of what that makes.
fn look_at_withs(
    file: &RegoFile,
    module: Ref<Module>,
    normalized: &mut Normalized,
) -> Result<Ref<Module>, Finding> {
    let tokens = tokens::tokens(&normalized.text);
    let edits = Withs::of(normalized, &tokens, &module).into_edits();
    edited(file, module, normalized, edits)
}

/// Parses a text.
fn module(file: &RegoFile, normalized: &Normalized) -> Result<Ref<Module>, Finding> {
    parse(file, normalized)
        .map_err(|error| syntax_finding(&file.path, &error, Some(normalized)))?
        .ok_or_else(|| Finding::new(Id::Parse, "no package").in_file(&file.path))
}

fn parse(file: &RegoFile, normalized: &Normalized) -> Result<Option<Ref<Module>>, String> {
    parse_text(&file.path, file.v0, normalized)
}

fn parse_text(path: &str, v0: bool, normalized: &Normalized) -> Result<Option<Ref<Module>>, String> {
    let mut engine = Engine::new();
    engine.set_rego_v0(v0);
    normalized.allow_length(&mut engine);
    engine
        .add_policy(path.to_owned(), normalized.text.clone())
        .map_err(|error| error.to_string())?;
    Ok(engine.get_modules().first().cloned())
}

impl Source {
    /// The syntax tree of what the engine is given of it.
    pub(super) fn module(&self) -> Option<Ref<Module>> {
        parse_text(&self.path, self.v0, &self.normalized).ok().flatten()
    }

    /// Whether it asks what METADATA says.
    pub(crate) fn asks_for_metadata(&self) -> bool {
        let mut calls = self.rules.iter().flat_map(|rule| &rule.calls);
        calls.any(|call| builtins::WRITTEN_IN.contains(&call.function.join(".").as_str()))
    }

    /// Writes what METADATA says into the calls that ask for it: what they give in each of its rules.
    pub(crate) fn write_in(&mut self, annotated: &[Annotated]) {
        self.is_annotated = true;
        if let Some(module) = self.module() {
            let mut normalized = (*self.normalized).clone();
            normalized.edit(annotated::edits(&normalized, &module, annotated));
            self.normalized = Arc::new(normalized);
        }
    }

    /// A finding at a place of this file.
    pub(crate) fn problem(&self, id: Id, at: Position, message: impl Into<String>) -> Finding {
        at.problem(id, &self.path, message)
    }

    /// The path below `data` of one of its rules.
    pub(crate) fn path_of(&self, rule: &RuleFacts) -> Vec<String> {
        let below = rule.below.iter();
        self.package
            .iter()
            .chain([&rule.name])
            .chain(below)
            .cloned()
            .collect()
    }
}

/// The engine's errors begin with `--> file:line:column`, and say what is wrong behind `error:`; some are one line,
/// `file:line:column error: …`.
pub(super) fn syntax_finding(path: &str, text: &str, normalized: Option<&Normalized>) -> Finding {
    let at = position_in(text).map(|at| normalized.map_or(at, |normalized| normalized.place(at)));
    let message = message_in(text);
    let hint = message
        .contains("used before definition below")
        .then(|| "give the variable a name that no rule has, or write out what it stands for".to_owned());
    let id = match message.contains("cannot be shadowed") {
        true => Id::RootName,
        false => Id::Parse,
    };
    let finding = Finding::new(id, message).in_file(path).hinted(hint);
    match at {
        Some(at) => finding.at(at),
        None => finding,
    }
}

pub(super) fn position_in(text: &str) -> Option<Position> {
    let head = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("--> "))
        .or_else(|| text.split_once(" error: ").map(|(head, _)| head))?;
    let mut parts = head.trim().rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Position { line, column })
}

pub(super) fn message_in(text: &str) -> String {
    let message = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("error: "));
    message
        .or_else(|| position_in(text).and_then(|_| Some(text.split_once(" error: ")?.1)))
        .or_else(|| text.lines().find(|line| !line.trim().is_empty()))
        .unwrap_or("unreadable")
        .trim()
        .to_owned()
}

impl Position {
    /// A finding at this place of a file.
    pub(crate) fn problem(self, id: Id, path: &str, message: impl Into<String>) -> Finding {
        Finding::new(id, message).in_file(path).at(self)
    }
}

impl From<&Span> for Position {
    fn from(span: &Span) -> Self {
        Position {
            line: span.line,
            column: span.col,
        }
    }
}

#[cfg(test)]
mod tests;
