//! The variables of a file's rules, scope by scope, as OPA declares them: what is assigned twice, declared after it was
//! used, never used, or stands in for a function or a root document.
//!
//! Called once per file by `Source::parse`, on the tree of the author's own text. It goes through statements in their
//! order, because that is how OPA decides what a second `:=` means.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleBody, RuleHead};

use super::Position;
use super::parts::{each_in, of_expr, pattern, variable};
use super::reference::reference;
use crate::policy::engine::normalize::Normalized;
use crate::policy::finding::Id;

/// Something wrong with a variable: what, where, and what is said of it.
pub(super) type Problem = (Id, Position, String);

/// How a name came into a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Argument,
    Assigned,
    Declared,
    /// It was met, and is no variable of this scope as far as is known.
    Met,
}

#[derive(Clone, Debug)]
struct Name {
    came: Came,
    /// How often it was met, its declaration included.
    met: usize,
    at: Position,
}

type Scope = BTreeMap<String, Name>;

/// What is wrong with the variables of all rules of a file.
pub(super) fn problems(module: &Module, normalized: &Normalized, v1: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in &module.policy {
        let mut scopes = Scopes {
            normalized,
            shadowing: v1,
            stack: vec![Scope::new()],
            errors: Vec::new(),
            unused: Vec::new(),
        };
        scopes.rule(rule);
        // What is unused is known only of what is right otherwise.
        problems.extend(match scopes.errors.is_empty() {
            true => scopes.unused,
            false => scopes.errors,
        });
    }
    problems
}

/// The rule under way.
struct Scopes<'n> {
    normalized: &'n Normalized,
    /// Whether `input` and `data` must not be variables.
    shadowing: bool,
    stack: Vec<Scope>,
    errors: Vec<Problem>,
    unused: Vec<Problem>,
}

impl Scopes<'_> {
    fn rule(&mut self, rule: &Rule) {
        let (arguments, head): (Vec<&Expr>, Vec<&Expr>) = match rule {
            Rule::Default { args, value, .. } => (args.iter().map(|arg| &**arg).collect(), vec![value]),
            Rule::Spec { head, .. } => head_parts(head),
        };
        arguments.iter().for_each(|argument| self.argument(argument));
        let arguments = self.stack.clone();
        let mut unused: BTreeSet<String> = arguments.iter().flat_map(|scope| scope.keys().cloned()).collect();
        head.iter().for_each(|expr| self.head(expr));
        let bodies = match rule {
            Rule::Spec { bodies, .. } => bodies.as_slice(),
            Rule::Default { .. } => &[],
        };
        for name in names_in(&head) {
            unused.remove(&name);
        }
        for (at, body) in bodies.iter().enumerate() {
            let assign = body.assign.as_ref().filter(|_| body.is_else);
            if at > 0 && !body.is_else {
                // A body of its own, which has the head for itself.
                self.arguments_unused(&unused, &arguments);
            }
            self.stack.clone_from(&arguments);
            self.body(body, &head);
            let own = self.stack.first();
            unused.retain(|name| {
                own.and_then(|scope| scope.get(name))
                    .is_none_or(|name| name.met < 2)
            });
            for name in assign.into_iter().flat_map(|assign| names_in(&[&*assign.value])) {
                unused.remove(&name);
            }
        }
        self.arguments_unused(&unused, &arguments);
    }

    fn arguments_unused(&mut self, unused: &BTreeSet<String>, arguments: &[Scope]) {
        for (name, argument) in arguments
            .iter()
            .flatten()
            .filter(|(name, _)| unused.contains(*name))
        {
            let message = format!("the argument `{name}` is not used");
            self.unused.push((Id::UnusedArgument, argument.at, message));
        }
    }

    fn body(&mut self, body: &RuleBody, head: &[&Expr]) {
        let used = match &body.assign {
            Some(assign) if body.is_else => {
                self.head(&assign.value);
                names_in(&[&*assign.value])
            }
            _ => names_in(head),
        };
        self.query(&body.query, &used);
    }

    /// Comprehensions in a head have scopes of their own, which do not see the body's.
    fn head(&mut self, expr: &Expr) {
        match of_expr(expr).query {
            Some(_) => {
                let outer = std::mem::replace(&mut self.stack, vec![Scope::new()]);
                self.expr(expr);
                self.stack = outer;
            }
            None => of_expr(expr).exprs.into_iter().for_each(|part| self.head(part)),
        }
    }

    fn argument(&mut self, expr: &Expr) {
        if let Some(name) = variable(expr).filter(|name| *name != "_") {
            self.shadows(name, expr, "an argument");
            let at = self.at(expr);
            self.insert_or_meet(name, Came::Argument, at);
            return;
        }
        if matches!(
            expr,
            Expr::Call { .. } | Expr::ArithExpr { .. } | Expr::BinExpr { .. }
        ) {
            let message = "an argument of a function cannot be a call".to_owned();
            self.errors.push((Id::Redeclared, self.at(expr), message));
            return;
        }
        let parts = of_expr(expr);
        if parts.query.is_none() {
            parts.exprs.into_iter().for_each(|part| self.argument(part));
        }
    }

    /// Goes through a query in the scope on top; `used` is what is used of it outside.
    fn query(&mut self, query: &Query, used: &BTreeSet<String>) {
        query.stmts.iter().for_each(|statement| self.statement(statement));
        let Some(scope) = self.stack.last() else { return };
        let unused = |name: &Name| match name.came {
            Came::Assigned => Some((Id::UnusedVariable, "assigned")),
            Came::Declared => Some((Id::UnusedDeclaration, "declared")),
            Came::Argument | Came::Met => None,
        };
        let problems = scope
            .iter()
            .filter(|(text, name)| name.met < 2 && !used.contains(*text));
        let problems: Vec<_> = problems
            .filter_map(|(text, name)| Some((text, name.at, unused(name)?)))
            .map(|(text, at, (id, how))| (id, at, format!("`{text}` is {how} and not used")))
            .collect();
        self.unused.extend(problems);
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => {
                for name in vars {
                    let at = self.normalized.place(Position::from(name));
                    self.declare(name.text(), Came::Declared, at);
                }
            }
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                self.some_in(key.as_deref(), value, collection);
            }
            Literal::Expr { expr, .. } => match &**expr {
                Expr::AssignExpr {
                    op: AssignOp::ColEq,
                    lhs,
                    rhs,
                    ..
                } => {
                    self.expr(rhs);
                    self.with(statement);
                    self.assign(lhs);
                    return;
                }
                expr => self.expr(expr),
            },
            Literal::NotExpr { expr, .. } => {
                if matches!(
                    &**expr,
                    Expr::AssignExpr {
                        op: AssignOp::ColEq,
                        ..
                    }
                ) {
                    let message = "what is negated cannot assign a variable".to_owned();
                    self.errors.push((Id::Redeclared, self.at(expr), message));
                }
                self.expr(expr);
            }
            Literal::Every {
                key,
                value,
                domain,
                query,
                ..
            } => {
                self.expr(domain);
                self.stack.push(Scope::new());
                for name in key.iter().chain([value]) {
                    let at = self.normalized.place(Position::from(name));
                    self.declare(name.text(), Came::Declared, at);
                }
                self.query(query, &BTreeSet::new());
                self.stack.pop();
            }
        }
        self.with(statement);
    }

    fn with(&mut self, statement: &LiteralStmt) {
        for with in &statement.with_mods {
            self.expr(&with.refr);
            self.expr(&with.r#as);
        }
    }

    fn some_in(&mut self, key: Option<&Expr>, value: &Expr, collection: &Expr) {
        let mut bound = BTreeSet::new();
        key.iter().for_each(|key| pattern(key, &mut bound));
        pattern(value, &mut bound);
        let domain = names_outside_of_queries(collection);
        self.expr(collection);
        for name in &bound {
            let Some(at) = place_of(name, key.into_iter().chain([value])) else {
                continue;
            };
            let at = self.normalized.place(at);
            if domain.contains(name) {
                let message = format!("`{name}` is looked for in what it is used for itself");
                self.errors.push((Id::Redeclared, at, message));
            } else {
                self.declare(name, Came::Declared, at);
                // What it is bound to is a use.
                self.meet(name, at);
            }
        }
        key.into_iter().chain([value]).for_each(|expr| self.expr(expr));
    }

    /// The left side of `:=`.
    fn assign(&mut self, lhs: &Expr) {
        match lhs {
            Expr::Array { items, .. } => items.iter().for_each(|item| self.assign(item)),
            Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| self.assign(value)),
            _ => match variable(lhs) {
                Some("_") => {}
                Some(name) => {
                    self.shadows(name, lhs, "a variable");
                    let at = self.at(lhs);
                    self.declare(name, Came::Assigned, at);
                }
                None => {
                    let message = "`:=` assigns to variables only".to_owned();
                    self.errors.push((Id::Redeclared, self.at(lhs), message));
                }
            },
        }
    }

    fn shadows(&mut self, name: &str, expr: &Expr, what: &str) {
        if self.shadowing && ["input", "data"].contains(&name) {
            let message = format!("{what} cannot be called `{name}`");
            self.errors.push((Id::RootName, self.at(expr), message));
        }
    }

    fn declare(&mut self, name: &str, came: Came, at: Position) {
        if name == "_" {
            return;
        }
        let Some(scope) = self.stack.last_mut() else {
            return;
        };
        match scope.get(name).map(|name| name.came) {
            None => drop(scope.insert(name.to_owned(), Name { came, met: 1, at })),
            Some(before) => {
                let before = match before {
                    Came::Argument => "an argument already",
                    Came::Assigned => "assigned above",
                    Came::Declared => "declared above",
                    Came::Met => "used above",
                };
                self.errors
                    .push((Id::Redeclared, at, format!("`{name}` is {before}")));
            }
        }
    }

    fn insert_or_meet(&mut self, name: &str, came: Came, at: Position) {
        let known = self.stack.iter_mut().rev().find_map(|scope| scope.get_mut(name));
        if let Some(known) = known {
            known.met += 1;
        } else if let Some(scope) = self.stack.last_mut() {
            scope.insert(name.to_owned(), Name { came, met: 1, at });
        }
    }

    fn meet(&mut self, name: &str, at: Position) {
        if name != "_" {
            self.insert_or_meet(name, Came::Met, at);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        if let Some(name) = variable(expr) {
            let at = self.at(expr);
            return self.meet(name, at);
        }
        let parts = of_expr(expr);
        if let Some(query) = parts.query {
            self.stack.push(Scope::new());
            self.query(query, &names_in(&parts.exprs));
            parts.exprs.into_iter().for_each(|part| self.expr(part));
            self.stack.pop();
            return;
        }
        if let Expr::Call { fcn, params, .. } = expr {
            self.function(fcn);
            return params.iter().for_each(|param| self.expr(param));
        }
        parts.exprs.into_iter().for_each(|part| self.expr(part));
    }

    /// What names a function is no use of a variable.
    fn function(&mut self, function: &Expr) {
        let target = reference(function);
        let Some(root) = &target.root else { return };
        let is_variable = |name: &Name| name.came != Came::Met;
        if self
            .stack
            .iter()
            .any(|scope| scope.get(root).is_some_and(is_variable))
        {
            let message = format!("`{root}` is a variable here, and no function is called by it");
            self.errors.push((Id::Redeclared, self.at(target.base), message));
        }
        target.indices.into_iter().for_each(|index| self.expr(index));
    }

    fn at(&self, expr: &Expr) -> Position {
        self.normalized.place(Position::from(expr.span()))
    }
}

/// The arguments of a head, and what else of it is evaluated.
fn head_parts(head: &RuleHead) -> (Vec<&Expr>, Vec<&Expr>) {
    let (refr, arguments, values): (&Expr, Vec<&Expr>, Vec<&Expr>) = match head {
        RuleHead::Compr { refr, assign, .. } => (
            refr,
            Vec::new(),
            assign.iter().map(|assign| &*assign.value).collect(),
        ),
        RuleHead::Set { refr, key, .. } => (refr, Vec::new(), key.iter().map(|key| &**key).collect()),
        RuleHead::Func {
            refr, args, assign, ..
        } => (
            refr,
            args.iter().map(|arg| &**arg).collect(),
            assign.iter().map(|assign| &*assign.value).collect(),
        ),
    };
    let indices = reference(refr).indices.into_iter();
    (arguments, indices.chain(values).collect())
}

/// All names of variables in expressions and in the queries in them.
fn names_in(exprs: &[&Expr]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for expr in exprs {
        each_in(expr, &mut |part| names.extend(variable(part).map(str::to_owned)));
    }
    names
}

fn names_outside_of_queries(expr: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        names.extend(variable(expr).map(str::to_owned));
        let parts = of_expr(expr);
        if parts.query.is_none() {
            left.extend(parts.exprs);
        }
    }
    names
}

/// Where a name stands first in expressions.
fn place_of<'a>(name: &str, exprs: impl Iterator<Item = &'a Expr>) -> Option<Position> {
    let mut left: Vec<&Expr> = exprs.collect();
    left.reverse();
    while let Some(expr) = left.pop() {
        if variable(expr) == Some(name) {
            return Some(Position::from(expr.span()));
        }
        left.extend(of_expr(expr).exprs.into_iter().rev());
    }
    None
}
