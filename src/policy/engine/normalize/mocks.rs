//! `with` that lets a function stand in for another: `with http.send as mock`, `with data.lib.f as data.test.g`.
//!
//! The engine looks for what is replaced by the name that a call is written with, and knows only builtins of its own. So
//! in a group in which a function is replaced, each of its calls gets one name, wherever it stands: a function of a
//! file the whole path, a builtin of ours that of a function which calls it. What stands in is a function that
//! calls it, too. [`Group::build`](super::super::group::Group) calls this once for all sources; where no function is
//! replaced, as in what is served but for rare policies, nothing is rewritten.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use regorus::unstable::{BUILTINS, Expr, LiteralStmt, Module, Query, Rule};

use super::rewrites::offset;
use super::{Edit, Normalized};
use crate::policy::engine::ast::Source;
use crate::policy::engine::ast::parts::{of_expr, of_rule, of_statement};
use crate::policy::engine::ast::walk::Walk;
use crate::policy::engine::builtins;

/// A function: `["data", …]` of a file, the parts of its name of a builtin.
type Path = Vec<String>;

/// What the engine is given instead of the sources' own texts.
#[derive(Default)]
pub(in crate::policy::engine) struct Mocks {
    /// Texts, by path.
    pub(in crate::policy::engine) texts: BTreeMap<String, Arc<Normalized>>,
    /// A module of functions that call others.
    pub(in crate::policy::engine) module: Option<String>,
    /// The builtins that it calls.
    pub(in crate::policy::engine) builtins: BTreeSet<String>,
}

impl Mocks {
    /// Rewrites the sources of a group, if one of them replaces a function.
    pub(in crate::policy::engine) fn of(sources: &[&Source]) -> Self {
        let functions = Functions::of(sources);
        let replaced = sources.iter().flat_map(|source| {
            let targets = source.replaced.iter();
            targets.filter_map(|replaced| functions.find(&source.package, &replaced.target))
        });
        let replaced: BTreeSet<Path> = replaced.collect();
        if replaced.is_empty() {
            return Self::default();
        }
        let mut names = Names::new(sources, functions, replaced);
        let mut texts = BTreeMap::new();
        for source in sources {
            if let Some(edits) = names.edits(source) {
                let mut normalized = (*source.normalized).clone();
                normalized.edit(edits);
                texts.insert(source.path.clone(), Arc::new(normalized));
            }
        }
        Self {
            texts,
            module: Some(names.module),
            builtins: names.builtins,
        }
    }

    /// What the engine reads of a source.
    pub(in crate::policy::engine) fn text<'a>(&'a self, source: &'a Source) -> &'a Arc<Normalized> {
        self.texts.get(&source.path).unwrap_or(&source.normalized)
    }
}

/// The functions of all files, with their numbers of operands.
struct Functions(BTreeMap<Path, usize>);

impl Functions {
    fn of(sources: &[&Source]) -> Self {
        let mut functions = BTreeMap::new();
        for source in sources {
            let rules = source.rules.iter();
            functions.extend(rules.filter_map(|rule| {
                let path = std::iter::once("data".to_owned()).chain(source.path_of(rule));
                Some((path.collect(), rule.arguments?))
            }));
        }
        Functions(functions)
    }

    /// The function that a name means in a package.
    fn find(&self, package: &[String], name: &[String]) -> Option<Path> {
        if name.first()? == "data" {
            return self.0.contains_key(name).then(|| name.to_vec());
        }
        let own: Path = std::iter::once("data")
            .chain(package.iter().map(String::as_str))
            .chain(name.iter().map(String::as_str))
            .map(str::to_owned)
            .collect();
        if self.0.contains_key(&own) {
            return Some(own);
        }
        builtins::operands_of(&name.join(".")).map(|_| name.to_vec())
    }

    fn operands(&self, path: &[String]) -> usize {
        let own = self.0.get(path).copied();
        own.or_else(|| builtins::operands_of(&path.join(".")))
            .unwrap_or_default()
    }
}

/// The names that functions get.
struct Names {
    functions: Functions,
    replaced: BTreeSet<Path>,
    /// The package of the functions that call others.
    package: String,
    /// Those that are there so far.
    calling: BTreeMap<Path, String>,
    module: String,
    builtins: BTreeSet<String>,
}

impl Names {
    fn new(sources: &[&Source], functions: Functions, replaced: BTreeSet<Path>) -> Self {
        let mut package = String::from("regate_mocks");
        while sources.iter().any(|source| source.text.contains(&package)) {
            package.push('_');
        }
        Names {
            functions,
            replaced,
            module: format!("package {package}\n"),
            package,
            calling: BTreeMap::new(),
            builtins: BTreeSet::new(),
        }
    }

    /// The one name by which a function is called that is replaced somewhere.
    fn called(&mut self, path: &Path) -> String {
        match path.first().is_some_and(|root| root == "data") {
            true => written(path),
            false if BUILTINS.contains_key(path.join(".").as_str()) => path.join("."),
            false => self.standing_in(path),
        }
    }

    /// The name of a function that does nothing but call another.
    fn standing_in(&mut self, path: &Path) -> String {
        if let Some(name) = self.calling.get(path) {
            return name.clone();
        }
        let name = format!("f{}", self.calling.len());
        let operands: Vec<String> = (0..self.functions.operands(path))
            .map(|at| format!("x{at}"))
            .collect();
        // A function without operands cannot be written; this one is never given any.
        let given = if operands.is_empty() {
            "_".to_owned()
        } else {
            operands.join(", ")
        };
        let _ = writeln!(
            self.module,
            "{name}({given}) := {}({})",
            written(path),
            operands.join(", ")
        );
        if path.first().is_some_and(|root| root != "data") {
            self.builtins.insert(path.join("."));
        }
        let name = format!("data.{}.{name}", self.package);
        self.calling.insert(path.clone(), name.clone());
        name
    }

    /// The edits of one file; `None` if there are none.
    fn edits(&mut self, source: &Source) -> Option<Vec<Edit>> {
        let module = source.module()?;
        let mut file = File {
            walk: Walk::of(&module, &source.normalized),
            package: &source.package,
            names: self,
            edits: Vec::new(),
        };
        file.module(&module);
        (!file.edits.is_empty()).then_some(file.edits)
    }
}

/// How a path is written.
fn written(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        let is_name = part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let _ = match (is_name, text.is_empty()) {
            (true, true) => write!(text, "{part}"),
            (true, false) => write!(text, ".{part}"),
            (false, _) => write!(text, "[{}]", serde_json::Value::from(part.as_str())),
        };
    }
    text
}

/// The walk over one file.
struct File<'a, 'n> {
    walk: Walk<'n>,
    package: &'a [String],
    names: &'a mut Names,
    edits: Vec<Edit>,
}

impl File<'_, '_> {
    fn module(&mut self, module: &Module) {
        for rule in &module.policy {
            of_rule(rule).into_iter().for_each(|expr| self.expr(expr));
            if let Rule::Spec { bodies, .. } = &**rule {
                bodies.iter().for_each(|body| self.query(&body.query));
            }
        }
    }

    fn query(&mut self, query: &Query) {
        for statement in &query.stmts {
            self.replacements(statement);
            let parts = of_statement(statement);
            parts.exprs.into_iter().for_each(|expr| self.expr(expr));
            parts.query.into_iter().for_each(|query| self.query(query));
        }
    }

    /// The function that an expression names.
    fn function(&self, expr: &Expr) -> Option<Path> {
        let name = self.walk.name(expr)?;
        self.names.functions.find(self.package, &name)
    }

    fn expr(&mut self, expr: &Expr) {
        if let Expr::Call {
            span, fcn, params, ..
        } = expr
            && let Some(path) = self
                .function(fcn)
                .filter(|path| self.names.replaced.contains(path))
        {
            let name = self.names.called(&path);
            match params.is_empty() && name.starts_with("data.") {
                true => self.replace(offset(span.start)..offset(span.end), format!("{name}(0)")),
                false => self.rename(fcn, name),
            }
        }
        let parts = of_expr(expr);
        parts.exprs.into_iter().for_each(|expr| self.expr(expr));
        parts.query.into_iter().for_each(|query| self.query(query));
    }

    fn replacements(&mut self, statement: &LiteralStmt) {
        for with in &statement.with_mods {
            let Some(target) = self.function(&with.refr) else {
                continue;
            };
            let name = self.names.called(&target);
            self.rename(&with.refr, name);
            if let Some(by) = self.function(&with.r#as) {
                let name = self.names.standing_in(&by);
                self.rename(&with.r#as, name);
            }
        }
    }

    fn rename(&mut self, expr: &Expr, name: String) {
        let span = expr.span();
        self.replace(offset(span.start)..offset(span.end), name);
    }

    fn replace(&mut self, replaced: Range<usize>, text: String) {
        self.edits.push(Edit {
            replaced,
            text,
            from: None,
        });
    }
}
