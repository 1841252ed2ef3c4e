//! What calls and operators are given, as far as the text says what it is: literals, results of builtins, and variables
//! that are assigned one of those.
//!
//! Called once per file by `Source::parse`, on the tree of the author's own text. Types are those of the table of
//! declarations. Where nothing is known a value may be anything: what OPA's type checker accepts is never refused.

use std::collections::BTreeMap;

use regorus::unstable::{ArithOp, AssignOp, BoolOp, Expr, Literal, LiteralStmt, Module, Query, Rule};

use super::Position;
use super::parts::{function_name, of_expr, of_rule, pattern, variable};
use super::reference::reference;
use super::scopes::Problem;
use crate::policy::engine::builtins::declared::{self, Declaration, Type};
use crate::policy::engine::normalize::Normalized;
use crate::policy::finding::Id;

/// The kinds of values that something may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kinds(u8);

const NAMES: [(Kinds, &str); 7] = [
    (Kinds::ARRAY, "an array"),
    (Kinds::BOOLEAN, "a boolean"),
    (Kinds::NULL, "null"),
    (Kinds::NUMBER, "a number"),
    (Kinds::OBJECT, "an object"),
    (Kinds::SET, "a set"),
    (Kinds::STRING, "a string"),
];

impl Kinds {
    const ARRAY: Kinds = Kinds(1);
    const BOOLEAN: Kinds = Kinds(2);
    const NULL: Kinds = Kinds(4);
    const NUMBER: Kinds = Kinds(8);
    const OBJECT: Kinds = Kinds(16);
    const SET: Kinds = Kinds(32);
    const STRING: Kinds = Kinds(64);
    const ANY: Kinds = Kinds(127);

    const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    const fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    fn of(declared: &Type) -> Kinds {
        match declared {
            Type::Any => Kinds::ANY,
            Type::Boolean => Kinds::BOOLEAN,
            Type::Null => Kinds::NULL,
            Type::Number => Kinds::NUMBER,
            Type::String => Kinds::STRING,
            Type::Array(_) | Type::Tuple(_) => Kinds::ARRAY,
            Type::Set(_) => Kinds::SET,
            Type::Object { .. } => Kinds::OBJECT,
            Type::OneOf(types) => types.iter().map(Kinds::of).fold(Kinds(0), Kinds::or),
        }
    }

    /// "a number or a string"
    fn words(self) -> String {
        let names: Vec<_> = NAMES
            .iter()
            .filter(|(kind, _)| self.meets(*kind))
            .map(|(_, name)| *name)
            .collect();
        match names.split_last() {
            None => "nothing".to_owned(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
        }
    }
}

/// What is wrong with the operands of a file's builtins and operators. It holds as far as the package has no function of
/// such a name.
pub(super) fn problems(module: &Module, normalized: &Normalized) -> Vec<Problem> {
    let mut types = Types {
        normalized,
        scopes: vec![BTreeMap::new()],
        problems: Vec::new(),
    };
    module.policy.iter().for_each(|rule| types.rule(rule));
    types.problems
}

struct Types<'n> {
    normalized: &'n Normalized,
    /// Variables and what they may be.
    scopes: Vec<BTreeMap<String, Kinds>>,
    problems: Vec<Problem>,
}

impl Types<'_> {
    fn rule(&mut self, rule: &Rule) {
        let Rule::Spec { bodies, .. } = rule else {
            return of_rule(rule).into_iter().for_each(|expr| self.expr(expr));
        };
        for body in bodies {
            self.scopes = vec![BTreeMap::new()];
            self.query(&body.query);
        }
        // Of several bodies each has variables of its own.
        if bodies.len() != 1 {
            self.scopes = vec![BTreeMap::new()];
        }
        of_rule(rule).into_iter().for_each(|expr| self.expr(expr));
    }

    fn query(&mut self, query: &Query) {
        query.stmts.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        // What stands in for a function may give anything.
        let replaced = statement.with_mods.iter().any(|with| {
            let root = reference(&with.refr).root;
            root.is_none_or(|root| root != "input" && root != "data")
        });
        if replaced {
            return self.forget(statement);
        }
        statement.with_mods.iter().for_each(|with| self.expr(&with.r#as));
        match &statement.literal {
            Literal::SomeVars { vars, .. } => {
                vars.iter().for_each(|name| self.know(name.text(), Kinds::ANY));
            }
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                self.expr(collection);
                self.bind(key.iter().map(|key| &**key).chain([&**value]));
            }
            Literal::Expr { expr, .. } => match &**expr {
                Expr::AssignExpr {
                    op: AssignOp::ColEq,
                    lhs,
                    rhs,
                    ..
                } => {
                    self.expr(rhs);
                    let kinds = self.kinds(rhs);
                    self.bind([&**lhs].into_iter());
                    if let Some(name) = variable(lhs) {
                        self.know(name, kinds);
                    }
                }
                Expr::Call { fcn, params, .. } => {
                    self.call(expr, fcn, params.iter().map(|param| &**param).collect(), true)
                }
                expr => self.expr(expr),
            },
            Literal::NotExpr { expr, .. } => match &**expr {
                Expr::Call { fcn, params, .. } => {
                    self.call(expr, fcn, params.iter().map(|param| &**param).collect(), true)
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
                self.scopes.push(BTreeMap::new());
                key.iter()
                    .chain([value])
                    .for_each(|name| self.know(name.text(), Kinds::ANY));
                self.query(query);
                self.scopes.pop();
            }
        }
    }

    /// What a statement binds may be anything.
    fn forget(&mut self, statement: &LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => vars.iter().for_each(|name| self.know(name.text(), Kinds::ANY)),
            Literal::SomeIn { key, value, .. } => self.bind(key.iter().map(|key| &**key).chain([&**value])),
            Literal::Expr { expr, .. } => {
                if let Expr::AssignExpr { lhs, .. } = &**expr {
                    self.bind([&**lhs].into_iter());
                }
            }
            Literal::NotExpr { .. } | Literal::Every { .. } => {}
        }
    }

    fn bind<'e>(&mut self, patterns: impl Iterator<Item = &'e Expr>) {
        let mut names = std::collections::BTreeSet::new();
        patterns.for_each(|expr| pattern(expr, &mut names));
        names.iter().for_each(|name| self.know(name, Kinds::ANY));
    }

    fn know(&mut self, name: &str, kinds: Kinds) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), kinds);
        }
    }

    /// Looks at all that stands in an expression.
    fn expr(&mut self, expr: &Expr) {
        let parts = of_expr(expr);
        if let Some(query) = parts.query {
            self.scopes.push(BTreeMap::new());
            self.query(query);
            parts.exprs.into_iter().for_each(|part| self.expr(part));
            self.scopes.pop();
            return;
        }
        match expr {
            Expr::Call { fcn, params, .. } => {
                return self.call(expr, fcn, params.iter().map(|param| &**param).collect(), false);
            }
            Expr::ArithExpr {
                op: ArithOp::Sub,
                lhs,
                rhs,
                ..
            } => {
                self.operands("-", &[lhs, rhs], Kinds::NUMBER.or(Kinds::SET));
            }
            Expr::ArithExpr { op, lhs, rhs, .. } => {
                let operator = match op {
                    ArithOp::Add => "+",
                    ArithOp::Mul => "*",
                    ArithOp::Div => "/",
                    ArithOp::Mod | ArithOp::Sub => "%",
                };
                self.operands(operator, &[lhs, rhs], Kinds::NUMBER);
            }
            Expr::BinExpr { lhs, rhs, .. } => self.operands("& and |", &[lhs, rhs], Kinds::SET),
            Expr::BoolExpr {
                op: BoolOp::Eq,
                lhs,
                rhs,
                ..
            }
            | Expr::AssignExpr {
                op: AssignOp::Eq,
                lhs,
                rhs,
                ..
            } if self.clash(lhs, rhs) => {
                let (left, right) = (self.kinds(lhs).words(), self.kinds(rhs).words());
                let message = match left == right {
                    true => "the two sides can never be equal".to_owned(),
                    false => format!("{left} and {right} are never equal"),
                };
                self.problem(Id::Type, expr, message);
            }
            Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => {
                let parts = Kinds::ARRAY.or(Kinds::OBJECT).or(Kinds::SET);
                let (have, by_name) = (self.kinds(refr), matches!(expr, Expr::RefDot { .. }));
                if !have.meets(parts) {
                    self.problem(Id::Type, expr, format!("{} has no parts", have.words()));
                } else if have == Kinds::ARRAY && by_name {
                    self.problem(Id::Type, expr, "an array has no members with names".to_owned());
                }
            }
            _ => {}
        }
        parts.exprs.into_iter().for_each(|part| self.expr(part));
    }

    fn operands(&mut self, operator: &str, operands: &[&Expr], wanted: Kinds) {
        for operand in operands {
            let have = self.kinds(operand);
            if !have.meets(wanted) {
                let message = format!("`{operator}` takes {}, not {}", wanted.words(), have.words());
                self.problem(Id::Type, operand, message);
            }
        }
    }

    fn call(&mut self, expr: &Expr, function: &Expr, operands: Vec<&Expr>, statement: bool) {
        reference(function)
            .indices
            .into_iter()
            .for_each(|index| self.expr(index));
        if let Some(declaration) = self.builtin(function) {
            self.check(expr, declaration, &operands, statement);
        }
        operands.into_iter().for_each(|operand| self.expr(operand));
    }

    /// The declaration of a builtin that is called, if it is one.
    fn builtin(&self, function: &Expr) -> Option<&'static Declaration> {
        let name = function_name(function)?;
        let root = name.split('.').next().unwrap_or_default();
        let is_local = self.scopes.iter().any(|scope| scope.contains_key(root));
        declared::find(&name).filter(|_| !is_local)
    }

    fn check(&mut self, expr: &Expr, builtin: &Declaration, operands: &[&Expr], statement: bool) {
        let name = builtin.name;
        if builtin.deprecated {
            self.problem(Id::Deprecated, expr, format!("`{name}` is deprecated"));
        }
        if builtin.result.is_none() && !statement {
            self.problem(Id::FunctionValue, expr, format!("`{name}` gives no value"));
        }
        let wanted = builtin.operands.iter().chain(&builtin.result);
        for (number, (operand, wanted)) in operands.iter().zip(wanted).enumerate() {
            if !self.fits(operand, wanted) {
                let (is, wants) = (self.kinds(operand), Kinds::of(wanted));
                let number = number + 1;
                let message = match is.meets(wants) {
                    true => format!("operand {number} of `{name}` has a part of a type that does not fit"),
                    false => format!(
                        "operand {number} of `{name}` is {}, not {}",
                        wants.words(),
                        is.words()
                    ),
                };
                self.problem(Id::Type, operand, message);
            }
        }
    }

    fn fits(&self, expr: &Expr, wanted: &Type) -> bool {
        if !self.kinds(expr).meets(Kinds::of(wanted)) {
            return false;
        }
        match (expr, wanted) {
            (_, Type::OneOf(types)) => types.is_empty() || types.iter().any(|wanted| self.fits(expr, wanted)),
            (Expr::Array { items, .. }, Type::Array(item)) | (Expr::Set { items, .. }, Type::Set(item)) => {
                items.iter().all(|have| self.fits(have, item))
            }
            (Expr::Array { items, .. }, Type::Tuple(wanted)) => {
                items.len() == wanted.len()
                    && items
                        .iter()
                        .zip(*wanted)
                        .all(|(have, wanted)| self.fits(have, wanted))
            }
            _ => true,
        }
    }

    /// Whether two expressions can never be equal.
    fn clash(&self, one: &Expr, other: &Expr) -> bool {
        if !self.kinds(one).meets(self.kinds(other)) {
            return true;
        }
        match (one, other) {
            (Expr::Array { items: one, .. }, Expr::Array { items: other, .. }) => {
                one.len() != other.len() || one.iter().zip(other).any(|(one, other)| self.clash(one, other))
            }
            _ => false,
        }
    }

    /// What an expression may be.
    fn kinds(&self, expr: &Expr) -> Kinds {
        match expr {
            Expr::String { .. } | Expr::RawString { .. } => Kinds::STRING,
            Expr::Number { .. } | Expr::UnaryExpr { .. } => Kinds::NUMBER,
            Expr::Bool { .. } | Expr::BoolExpr { .. } | Expr::Membership { .. } => Kinds::BOOLEAN,
            Expr::Null { .. } => Kinds::NULL,
            Expr::Array { .. } | Expr::ArrayCompr { .. } => Kinds::ARRAY,
            Expr::Set { .. } | Expr::SetCompr { .. } | Expr::BinExpr { .. } => Kinds::SET,
            Expr::Object { .. } | Expr::ObjectCompr { .. } => Kinds::OBJECT,
            Expr::ArithExpr {
                op: ArithOp::Sub,
                lhs,
                rhs,
                ..
            } => {
                let known = |expr: &Expr| self.kinds(expr) == Kinds::NUMBER;
                match known(lhs) || known(rhs) {
                    true => Kinds::NUMBER,
                    false => Kinds::NUMBER.or(Kinds::SET),
                }
            }
            Expr::ArithExpr { .. } => Kinds::NUMBER,
            Expr::Call { fcn, .. } => match self.builtin(fcn) {
                Some(Declaration {
                    result: Some(result),
                    relation: false,
                    ..
                }) => Kinds::of(result),
                _ => Kinds::ANY,
            },
            Expr::Var { .. } => {
                let name = variable(expr).unwrap_or_default();
                let known = self.scopes.iter().rev().find_map(|scope| scope.get(name));
                known.copied().unwrap_or(Kinds::ANY)
            }
            Expr::RefDot { .. } | Expr::RefBrack { .. } | Expr::AssignExpr { .. } => Kinds::ANY,
        }
    }

    fn problem(&mut self, id: Id, expr: &Expr, message: String) {
        let expr = first_part(expr);
        let mut at = Position::from(expr.span());
        // The span of a string begins behind its quote.
        let is_text = matches!(expr, Expr::String { .. } | Expr::RawString { .. });
        at.column = at.column.saturating_sub(u32::from(is_text)).max(1);
        self.problems.push((id, self.normalized.place(at), message));
    }
}

/// What an expression begins with: operators and calls have their place further on.
fn first_part(expr: &Expr) -> &Expr {
    match expr {
        Expr::Call { fcn: first, .. }
        | Expr::RefDot { refr: first, .. }
        | Expr::RefBrack { refr: first, .. }
        | Expr::BinExpr { lhs: first, .. }
        | Expr::BoolExpr { lhs: first, .. }
        | Expr::ArithExpr { lhs: first, .. }
        | Expr::AssignExpr { lhs: first, .. } => first_part(first),
        expr => expr,
    }
}
