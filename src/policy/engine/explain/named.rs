//! The rules that an expression names: those of its own package by their names, others by their paths or by an import.

use std::collections::BTreeSet;

use regorus::unstable::{Expr, Module};

use super::steps::Step;
use crate::policy::engine::ast::parts::{function_name, of_expr, of_statement};
use crate::policy::explain::MAX_NAMED;

/// A rule that is named somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// As the expression has it.
    pub(super) written: String,
    /// `kubernetes.admission.owner`
    pub(super) package: String,
    pub(super) rule: String,
}

/// What names mean in one file.
pub(super) struct Names<'n> {
    /// The package of the file.
    pub(super) package: &'n str,
    /// The rules of it.
    pub(super) rules: &'n BTreeSet<String>,
    /// All packages that are there.
    pub(super) packages: &'n [String],
    pub(super) module: &'n Module,
}

impl Names<'_> {
    /// The rules that a step names, each once; not what `with` gives, and not what is in queries.
    pub(super) fn of(&self, step: &Step<'_>, variables: &BTreeSet<String>) -> Vec<Name> {
        let mut found: Vec<Name> = Vec::new();
        let parts = of_statement(step.statement).exprs;
        let own = parts.len().saturating_sub(step.statement.with_mods.len());
        let mut left: Vec<&Expr> = parts.into_iter().take(own).rev().collect();
        while let Some(expr) = left.pop() {
            match self.named_by(expr, variables) {
                Some(name) if found.contains(&name) => {}
                Some(name) => found.push(name),
                None => {
                    let parts = of_expr(expr);
                    if parts.query.is_none() {
                        left.extend(parts.exprs.into_iter().rev());
                    }
                }
            }
        }
        found.truncate(MAX_NAMED);
        found
    }

    /// The rule that a reference begins with.
    fn named_by(&self, expr: &Expr, variables: &BTreeSet<String>) -> Option<Name> {
        let mut at = expr;
        loop {
            let name = function_name(at).and_then(|written| self.resolve(written, variables));
            match at {
                _ if name.is_some() => return name,
                Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => at = refr,
                _ => return None,
            }
        }
    }

    fn resolve(&self, written: String, variables: &BTreeSet<String>) -> Option<Name> {
        let (first, rest) = written.split_once('.').unwrap_or((&written, ""));
        if variables.contains(first) {
            return None;
        }
        if rest.is_empty() && self.rules.contains(first) {
            let (package, rule) = (self.package.to_owned(), first.to_owned());
            return Some(Name {
                written,
                package,
                rule,
            });
        }
        let path = match self.imported(first) {
            Some(path) if rest.is_empty() => path,
            Some(path) => format!("{path}.{rest}"),
            None => written.clone(),
        };
        let (package, rule) = path.strip_prefix("data.")?.rsplit_once('.')?;
        self.packages.iter().any(|have| have == package).then(|| Name {
            package: package.to_owned(),
            rule: rule.to_owned(),
            written,
        })
    }

    /// The path that an import gives this name.
    fn imported(&self, name: &str) -> Option<String> {
        self.module.imports.iter().find_map(|import| {
            let path = function_name(&import.refr)?;
            let called = match &import.r#as {
                Some(alias) => alias.text().to_owned(),
                None => path.rsplit('.').next().unwrap_or_default().to_owned(),
            };
            (called == name).then_some(path)
        })
    }
}
