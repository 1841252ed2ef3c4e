//! The walk over the syntax tree of one file. It recurses at most as deep as the parser lets expressions nest, and over
//! the terms of a sum up to a limit of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use regorus::unstable::{
    AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleAssign, RuleHead, Span,
};

use self::references::split;
use super::parts::{declared_in, function_name, literal, negates_whole_bodies, pattern};
use super::reference::{Reference, reference, text_of};
use super::{Call, Position, Replaced, RuleFacts, RuleKind, Source, names};
use crate::policy::engine::normalize::patterns::has_object;
use crate::policy::engine::normalize::{Normalized, Origin};
use crate::policy::files::RegoFile;
use crate::policy::finding::{Finding, Id};

mod references;

/// The walk over one file: its imports, and what was met so far.
pub(in crate::policy::engine) struct Walk<'n> {
    normalized: &'n Normalized,
    package: Vec<String>,
    /// The names that imports give, and the paths that they stand for, `data` or `input` first.
    imports: Vec<(String, Vec<String>)>,
    /// Below `data`, of the whole file.
    reads: BTreeSet<Vec<String>>,
    /// Below `input`, of the whole file.
    input_reads: BTreeSet<Vec<String>>,
    names_regate: bool,
    codes: Vec<(String, Position)>,
    /// Below `data` and where, but for what is called.
    data_reads: Vec<(Vec<String>, Position)>,
    /// Of the rule under way.
    rule_reads: BTreeSet<Vec<String>>,
    /// Of the rule under way: what it reads of its package by plain names.
    own_reads: BTreeSet<Vec<String>>,
    /// The variables that the rule and the queries around declare.
    locals: Vec<BTreeSet<String>>,
    calls: Vec<Call>,
    replaced: Vec<Replaced>,
    depth: usize,
    too_long: Option<Position>,
}

/// The member of `input` that says what the server knows besides the review.
const REGATE: &str = "regate";

/// Expressions that may be in each other, the terms of a long sum among them: the engine walks and drops them
/// recursively, on threads of the server, too.
const MAX_EXPRESSION_DEPTH: usize = 400;

impl<'n> Walk<'n> {
    pub(in crate::policy::engine) fn of(module: &Module, normalized: &'n Normalized) -> Self {
        let package = reference(&module.package.refr);
        let package = package.root.into_iter().chain(package.constant).collect();
        let mut walk = Walk {
            normalized,
            package,
            imports: Vec::new(),
            reads: BTreeSet::new(),
            input_reads: BTreeSet::new(),
            names_regate: false,
            codes: Vec::new(),
            data_reads: Vec::new(),
            rule_reads: BTreeSet::new(),
            own_reads: BTreeSet::new(),
            locals: Vec::new(),
            calls: Vec::new(),
            replaced: Vec::new(),
            depth: 0,
            too_long: None,
        };
        for import in &module.imports {
            let target = reference(&import.refr);
            // An import of a keyword gives no name: `contains` may still be called.
            let Some(root) = target.root.filter(|root| root == "data" || root == "input") else {
                continue;
            };
            let path: Vec<String> = std::iter::once(root).chain(target.constant).collect();
            match split(&path) {
                // What is read of an imported input is noted where its name is used.
                None => continue,
                Some(("data", below)) => {
                    walk.reads.insert(below.to_vec());
                    let at = walk.at(&import.span);
                    walk.data_reads.push((below.to_vec(), at));
                }
                Some(_) => {}
            }
            let alias = import.r#as.as_ref().map(|span| span.text().to_owned());
            let alias = alias.or_else(|| path.last().cloned());
            walk.imports.extend(alias.map(|alias| (alias, path)));
        }
        walk
    }

    pub(super) fn source(mut self, file: &RegoFile, module: &Module) -> Result<Source, Finding> {
        let mut rules: Vec<_> = module.policy.iter().map(|rule| self.rule(rule)).collect();
        if let Some(at) = self.too_long {
            let message = format!(
                "an expression of more than {MAX_EXPRESSION_DEPTH} parts in each other: name a part of it in a rule"
            );
            return Err(at.problem(Id::Limit, &file.path, message));
        }
        // Not before the depth of all expressions is known.
        for (facts, rule) in rules.iter_mut().zip(module.policy.iter()) {
            facts.bodies = names::bodies(rule, self.normalized, negates_whole_bodies(module));
        }
        let package_at = self.at(&module.package.span);
        let imports_at = module.imports.iter().map(|import| self.at(&import.span));
        let imports_at = imports_at.collect();
        let mut imports = module
            .imports
            .iter()
            .filter_map(|import| function_name(&import.refr));
        Ok(Source {
            path: file.path.clone(),
            text: file.text.clone(),
            v0: file.v0,
            has_old_builtins: file.v0 && !imports.any(|import| import == "rego.v1"),
            package: self.package,
            normalized: Arc::new(Normalized::new("", Origin::File)),
            findings: Vec::new(),
            strict: Vec::new(),
            of_builtins: Vec::new(),
            package_at,
            rules,
            reads: self.reads,
            data_reads: self.data_reads,
            replaced: self.replaced,
            imported: self.imports.into_iter().map(|(name, _)| name).collect(),
            imports_at,
            is_annotated: false,
            input_reads: self.input_reads,
            names_regate: self.names_regate,
            codes: self.codes,
        })
    }

    /// Where the author wrote it.
    fn at(&self, span: &Span) -> Position {
        self.normalized.place(Position::from(span))
    }

    fn rule(&mut self, rule: &Rule) -> RuleFacts {
        self.locals.push(declared_by(rule));
        let (head, arguments, at) = self.inside(rule);
        let head = reference(head);
        head.indices.iter().for_each(|index| self.expr(index));
        self.locals.pop();
        let (kind, literals) = values(rule, &head);
        let literals = literals.into_iter().map(|(literal, span)| {
            let mut at = self.at(span);
            // The span of a string begins behind its quote.
            at.column = at.column.saturating_sub(u32::from(literal == "string"));
            (literal, at)
        });
        let literals = literals.collect();
        let calls = std::mem::take(&mut self.calls);
        let reads = std::mem::take(&mut self.rule_reads);
        self.reads.extend(reads.iter().cloned());
        RuleFacts {
            name: head.root.unwrap_or_default(),
            below: head.constant,
            arguments,
            is_default: matches!(rule, Rule::Default { .. }),
            is_ground: head.indices.iter().all(|index| literal(index).is_some()),
            is_set: is_set(rule),
            at: self.at(at),
            calls,
            reads,
            own_reads: std::mem::take(&mut self.own_reads),
            kind,
            literals,
            bodies: Vec::new(),
        }
    }

    /// Walks what stands in a rule, and gives its head, its number of arguments and its span.
    fn inside<'r>(&mut self, rule: &'r Rule) -> (&'r Expr, Option<usize>, &'r Span) {
        match rule {
            Rule::Default {
                refr,
                args,
                value,
                span,
                ..
            } => {
                self.expr(value);
                (refr, (!args.is_empty()).then_some(args.len()), span)
            }
            Rule::Spec { head, bodies, span } => {
                for body in bodies {
                    self.assign(body.assign.as_ref());
                    self.query(&body.query);
                }
                match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        self.assign(assign.as_ref());
                        (refr, None, span)
                    }
                    RuleHead::Set { refr, key, .. } => {
                        key.iter().for_each(|key| self.expr(key));
                        (refr, None, span)
                    }
                    RuleHead::Func {
                        refr, args, assign, ..
                    } => {
                        args.iter().for_each(|argument| self.expr(argument));
                        self.assign(assign.as_ref());
                        (refr, Some(args.len()), span)
                    }
                }
            }
        }
    }

    fn assign(&mut self, assign: Option<&RuleAssign>) {
        if let Some(assign) = assign {
            debug_assert!(matches!(assign.op, AssignOp::Eq | AssignOp::ColEq));
            self.expr(&assign.value);
        }
    }

    fn query(&mut self, query: &Query) {
        self.within(query, |_| {});
    }

    /// Walks a query, and what sees its variables.
    fn within(&mut self, query: &Query, also: impl FnOnce(&mut Self)) {
        self.locals.push(declared_in(query));
        also(self);
        query.stmts.iter().for_each(|statement| self.statement(statement));
        self.locals.pop();
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                key.iter().for_each(|key| self.expr(key));
                self.expr(value);
                self.expr(collection);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => match expr.as_ref() {
                Expr::Call { fcn, params, .. } => {
                    let number = self.calls.len();
                    self.call(fcn, params.iter().map(|param| &**param), true);
                    let positive = matches!(statement.literal, Literal::Expr { .. });
                    if let Some(call) = self.calls.get_mut(number).filter(|_| positive) {
                        call.takes_apart = params.last().is_some_and(|param| has_object(param));
                    }
                }
                expr => self.expr(expr),
            },
            Literal::Every {
                key,
                value,
                domain,
                query,
                ..
            } => {
                self.expr(domain);
                let names = key.iter().chain([value]);
                self.locals
                    .push(names.map(|name| name.text().to_owned()).collect());
                self.query(query);
                self.locals.pop();
            }
        }
        for with in &statement.with_mods {
            // What stands in for a part of `data` need not be there.
            let known = self.data_reads.len();
            self.expr(&with.refr);
            self.data_reads.truncate(known);
            self.expr(&with.r#as);
            self.stand_in(&with.refr, &with.r#as);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        if self.depth >= MAX_EXPRESSION_DEPTH {
            let at = self.at(expr.span());
            self.too_long.get_or_insert(at);
            return;
        }
        self.depth += 1;
        self.parts(expr);
        self.depth -= 1;
    }

    fn parts(&mut self, expr: &Expr) {
        match expr {
            Expr::String { value, .. } | Expr::RawString { value, .. } => {
                // `regate/namespace` is a path for some builtins.
                let text = text_of(value).unwrap_or_default();
                self.names_regate |= text.split('/').any(|part| part == REGATE);
            }
            Expr::Number { .. } | Expr::Bool { .. } | Expr::Null { .. } => {}
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().for_each(|item| self.expr(item))
            }
            Expr::Object { fields, .. } => {
                self.message_code(fields.iter().map(|(_, key, value)| (&**key, &**value)));
                for (_, key, value) in fields {
                    self.expr(key);
                    self.expr(value);
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.within(query, |walk| walk.expr(term));
            }
            Expr::ObjectCompr {
                key, value, query, ..
            } => {
                self.within(query, |walk| {
                    walk.expr(key);
                    walk.expr(value);
                });
            }
            Expr::Call { fcn, params, .. } => self.call(fcn, params.iter().map(|param| &**param), false),
            Expr::UnaryExpr { expr, .. } => self.expr(expr),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expr(lhs);
                self.expr(rhs);
            }
            Expr::Membership {
                key,
                value,
                collection,
                ..
            } => {
                key.iter().for_each(|key| self.expr(key));
                self.expr(value);
                self.expr(collection);
            }
        }
    }

    /// Notes the code of what looks like a message, if it is written out.
    fn message_code<'a>(&mut self, fields: impl Iterator<Item = (&'a Expr, &'a Expr)> + Clone) {
        let member = |wanted: &str| {
            let named = |key: &Expr| match key {
                Expr::String { value, .. } | Expr::RawString { value, .. } => {
                    text_of(value).as_deref() == Some(wanted)
                }
                _ => false,
            };
            fields.clone().find(|(key, _)| named(key)).map(|(_, value)| value)
        };
        if let (Some(_), Some(Expr::Number { value, span, .. })) = (member("msg"), member("code")) {
            self.codes.push((value.to_string(), Position::from(span)));
        }
    }
}

/// The variables that a rule's head sees: its arguments and what its bodies declare.
fn declared_by(rule: &Rule) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    match rule {
        Rule::Default { args, .. } => args.iter().for_each(|argument| pattern(argument, &mut names)),
        Rule::Spec { head, bodies, .. } => {
            if let RuleHead::Func { args, .. } = head {
                args.iter().for_each(|argument| pattern(argument, &mut names));
            }
            bodies
                .iter()
                .for_each(|body| names.extend(declared_in(&body.query)));
        }
    }
    names
}

/// Whether a rule gives members of sets.
const fn is_set(rule: &Rule) -> bool {
    matches!(
        rule,
        Rule::Spec {
            head: RuleHead::Set { key: Some(_), .. },
            ..
        }
    )
}

/// What kind of value a rule gives, and the literals among its values or members.
fn values<'r>(rule: &'r Rule, head: &Reference<'_>) -> (RuleKind, Vec<(&'static str, &'r Span)>) {
    let known = |expr: &'r Expr| Some((literal(expr)?, expr.span()));
    let (assign, bodies, span) = match rule {
        Rule::Default { value, args, .. } if args.is_empty() => {
            return (RuleKind::Value, known(value).into_iter().collect());
        }
        Rule::Default { .. }
        | Rule::Spec {
            head: RuleHead::Func { .. },
            ..
        } => return (RuleKind::Function, Vec::new()),
        Rule::Spec { .. } if !head.constant.is_empty() || !head.indices.is_empty() => {
            return (RuleKind::Members, Vec::new());
        }
        Rule::Spec {
            head: RuleHead::Set { key: Some(key), .. },
            ..
        } => return (RuleKind::Set, known(key).into_iter().collect()),
        Rule::Spec {
            head: RuleHead::Set { key: None, .. },
            ..
        } => return (RuleKind::Members, Vec::new()),
        Rule::Spec {
            head: RuleHead::Compr { assign, .. },
            bodies,
            span,
        } => (assign.as_ref(), bodies, span),
    };
    // Without a value it is true.
    let others = bodies.iter().filter(|body| body.is_else);
    let all = std::iter::once(assign).chain(others.map(|body| body.assign.as_ref()));
    let literals =
        all.filter_map(|assign| assign.map_or(Some(("boolean", span)), |assign| known(&assign.value)));
    (RuleKind::Value, literals.collect())
}
