//! What a walk notes of names: the references to what is elsewhere, the calls, and what stands in for what.

use regorus::unstable::Expr;

use super::super::reference::{literal_text, reference};
use super::super::{Call, Replaced};
use super::{REGATE, Walk};

impl Walk<'_> {
    pub(super) fn reference(&mut self, expr: &Expr) {
        let target = reference(expr);
        let of_data = |root: &String| {
            self.resolved(root, &[])
                .first()
                .is_some_and(|root| root == "data")
        };
        if !target.root.as_ref().is_some_and(of_data) {
            self.names_regate |= target.constant.iter().any(|part| part == REGATE);
        }
        match &target.root {
            None => self.expr(target.base),
            Some(root) => match split(&self.resolved(root, &target.constant)) {
                Some(("data", path)) => {
                    self.rule_reads.insert(path.to_vec());
                    let at = self.at(target.base.span());
                    self.data_reads.push((path.to_vec(), at));
                }
                Some(("input", path)) => drop(self.input_reads.insert(path.to_vec())),
                _ if self.locals.iter().any(|names| names.contains(root)) => {}
                _ => {
                    let own = self.package.iter().chain([root]).chain(&target.constant);
                    self.own_reads.insert(own.cloned().collect());
                }
            },
        }
        target.indices.into_iter().for_each(|index| self.expr(index));
    }

    /// A name and what follows it, with the import that the name stands for.
    fn resolved(&self, root: &str, constant: &[String]) -> Vec<String> {
        let import = self.imports.iter().find(|(alias, _)| alias == root);
        let start = match import {
            Some((_, path)) => path.clone(),
            None => vec![root.to_owned()],
        };
        start.into_iter().chain(constant.iter().cloned()).collect()
    }

    /// Notes what is replaced, and a function that stands in for another, which may be called from inside of it.
    pub(super) fn stand_in(&mut self, target: &Expr, by: &Expr) {
        let (replaced, function) = (self.name(target), self.name(by));
        if let Some(replaced) = replaced.filter(|name| name.first().is_some_and(|root| root != "input")) {
            self.replaced.push(Replaced {
                target: replaced,
                by: function.clone(),
                at: self.at(reference(target).base.span()),
            });
        }
        if let Some(function) = function {
            let at = self.at(reference(by).base.span());
            self.calls.push(Call {
                function,
                operands: None,
                first: None,
                constants: Vec::new(),
                statement: false,
                takes_apart: false,
                at,
            });
        }
    }

    /// A constant reference with the import that its first name stands for.
    pub(in crate::policy::engine) fn name(&self, expr: &Expr) -> Option<Vec<String>> {
        let target = reference(expr);
        let root = target.root.filter(|_| target.whole)?;
        Some(self.resolved(&root, &target.constant))
    }

    pub(super) fn call<'a>(
        &mut self,
        function: &Expr,
        operands: impl ExactSizeIterator<Item = &'a Expr> + Clone,
        statement: bool,
    ) {
        let target = reference(function);
        if let (Some(root), true) = (&target.root, target.whole) {
            let function = self.resolved(root, &target.constant);
            if let Some(("data", path)) = split(&function) {
                self.rule_reads.insert(path.to_vec());
            }
            let (count, at) = (Some(operands.len()), self.at(target.base.span()));
            let first = operands.clone().next();
            let constants = match function.join(".").as_str() {
                "external_data" | "http.send" => first.map_or_else(Vec::new, constants),
                _ => Vec::new(),
            };
            self.calls.push(Call {
                function,
                operands: count,
                first: first.and_then(literal_text),
                constants,
                statement,
                takes_apart: false,
                at,
            });
        }
        target.indices.into_iter().for_each(|index| self.expr(index));
        operands.for_each(|operand| self.expr(operand));
    }
}

/// The members of an object whose key and value are written out as texts.
fn constants(operand: &Expr) -> Vec<(String, String)> {
    let Expr::Object { fields, .. } = operand else {
        return Vec::new();
    };
    let fields = fields.iter();
    fields
        .filter_map(|(_, key, value)| Some((literal_text(key)?, literal_text(value)?)))
        .collect()
}

/// The first part of a path, and the rest.
pub(super) fn split(path: &[String]) -> Option<(&str, &[String])> {
    path.split_first().map(|(root, rest)| (root.as_str(), rest))
}
