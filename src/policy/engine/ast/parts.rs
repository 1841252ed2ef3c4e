//! What stands directly in a node of the syntax tree, so that each pass over it says only what it looks for.

use std::collections::BTreeSet;

use regorus::Value;
use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleHead};

/// The expressions and the query directly in a node.
#[derive(Default)]
pub(in crate::policy::engine) struct Parts<'a> {
    pub(in crate::policy::engine) exprs: Vec<&'a Expr>,
    pub(in crate::policy::engine) query: Option<&'a Query>,
}

/// What stands in an expression; of a call also what names the function.
pub(in crate::policy::engine) fn of_expr(expr: &Expr) -> Parts<'_> {
    let exprs = |exprs: Vec<_>| Parts { exprs, query: None };
    match expr {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Var { .. } => Parts::default(),
        Expr::RefDot { refr, .. } => exprs(vec![&**refr]),
        Expr::RefBrack { refr, index, .. } => exprs(vec![refr, index]),
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            exprs(items.iter().map(|item| &**item).collect())
        }
        Expr::Object { fields, .. } => {
            let fields = fields.iter();
            exprs(fields.flat_map(|(_, key, value)| [&**key, &**value]).collect())
        }
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => Parts {
            exprs: vec![term],
            query: Some(query),
        },
        Expr::ObjectCompr {
            key, value, query, ..
        } => Parts {
            exprs: vec![key, value],
            query: Some(query),
        },
        Expr::Call { fcn, params, .. } => exprs(
            std::iter::once(&**fcn)
                .chain(params.iter().map(|param| &**param))
                .collect(),
        ),
        Expr::UnaryExpr { expr, .. } => exprs(vec![&**expr]),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => exprs(vec![lhs, rhs]),
        Expr::Membership {
            key,
            value,
            collection,
            ..
        } => exprs(
            key.iter()
                .map(|key| &**key)
                .chain([&**value, &**collection])
                .collect(),
        ),
    }
}

/// What stands in a statement, its `with` values last.
pub(in crate::policy::engine) fn of_statement(statement: &LiteralStmt) -> Parts<'_> {
    let mut parts = Parts::default();
    match &statement.literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn {
            key,
            value,
            collection,
            ..
        } => {
            parts.exprs.extend(key.iter().map(|key| &**key));
            parts.exprs.extend([&**value, &**collection]);
        }
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => parts.exprs.push(expr),
        Literal::Every { domain, query, .. } => {
            parts.exprs.push(domain);
            parts.query = Some(query);
        }
    }
    parts
        .exprs
        .extend(statement.with_mods.iter().map(|with| &*with.r#as));
    parts
}

/// What a rule's head and its values hold, outside of its bodies' queries.
pub(in crate::policy::engine) fn of_rule(rule: &Rule) -> Vec<&Expr> {
    match rule {
        Rule::Default { refr, value, .. } => vec![&**refr, &**value],
        Rule::Spec { head, bodies, .. } => {
            let values = bodies.iter().filter_map(|body| body.assign.as_ref());
            let mut exprs: Vec<&Expr> = values.map(|assign| &*assign.value).collect();
            match head {
                RuleHead::Compr { refr, assign, .. } => {
                    exprs.push(refr);
                    exprs.extend(assign.iter().map(|assign| &*assign.value));
                }
                RuleHead::Set { refr, key, .. } => {
                    exprs.push(refr);
                    exprs.extend(key.iter().map(|key| &**key));
                }
                RuleHead::Func {
                    refr, args, assign, ..
                } => {
                    exprs.push(refr);
                    exprs.extend(args.iter().map(|argument| &**argument));
                    exprs.extend(assign.iter().map(|assign| &*assign.value));
                }
            }
            exprs
        }
    }
}

/// Every expression of a rule, from the outside to the inside.
pub(in crate::policy::engine) fn each_of_rule<'a>(rule: &'a Rule, see: &mut dyn FnMut(&'a Expr)) {
    of_rule(rule).into_iter().for_each(|expr| each_in(expr, see));
    if let Rule::Spec { bodies, .. } = rule {
        bodies.iter().for_each(|body| each_of_query(&body.query, see));
    }
}

/// Every expression of a query, from the outside to the inside.
pub(in crate::policy::engine) fn each_of_query<'a>(query: &'a Query, see: &mut dyn FnMut(&'a Expr)) {
    for statement in &query.stmts {
        let parts = of_statement(statement);
        parts.exprs.into_iter().for_each(|expr| each_in(expr, see));
        parts
            .query
            .into_iter()
            .for_each(|query| each_of_query(query, see));
    }
}

/// An expression and every one in it, from the outside to the inside.
pub(in crate::policy::engine) fn each_in<'a>(expr: &'a Expr, see: &mut dyn FnMut(&'a Expr)) {
    see(expr);
    let parts = of_expr(expr);
    parts.exprs.into_iter().for_each(|expr| each_in(expr, see));
    parts
        .query
        .into_iter()
        .for_each(|query| each_of_query(query, see));
}

/// Whether negation is to be read as the engine reads it: what is undefined in it makes it true. OPA does so where
/// it is asked to.
pub(in crate::policy::engine) fn negates_whole_bodies(module: &Module) -> bool {
    module.imports.iter().any(|import| {
        let name = function_name(&import.refr).unwrap_or_default();
        ["future.keywords", "future.keywords.not", "rego.v2"].contains(&name.as_str())
    })
}

/// Whether a value is looked up or computed, and so may be undefined whatever is bound; a comprehension never is.
pub(in crate::policy::engine) fn is_computed(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::RefDot { .. }
            | Expr::RefBrack { .. }
            | Expr::Call { .. }
            | Expr::UnaryExpr { .. }
            | Expr::BinExpr { .. }
            | Expr::BoolExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::AssignExpr { .. }
            | Expr::Membership { .. }
    )
}

/// Whether a query stands in the expression, at any depth.
pub(in crate::policy::engine) fn has_query(expr: &Expr) -> bool {
    let parts = of_expr(expr);
    parts.query.is_some() || parts.exprs.into_iter().any(has_query)
}

/// The name of a variable.
pub(in crate::policy::engine) fn variable(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Var {
            value: Value::String(name),
            ..
        } => Some(name),
        _ => None,
    }
}

/// The dotted name of a function, if it is constant.
pub(in crate::policy::engine) fn function_name(function: &Expr) -> Option<String> {
    match function {
        Expr::RefDot { refr, field, .. } => match &field.1 {
            Value::String(field) => Some(format!("{}.{field}", function_name(refr)?)),
            _ => None,
        },
        Expr::RefBrack { refr, index, .. } => match &**index {
            Expr::String {
                value: Value::String(field),
                ..
            } => Some(format!("{}.{field}", function_name(refr)?)),
            _ => None,
        },
        expr => variable(expr).map(str::to_owned),
    }
}

/// The variables that a query declares, so that none of them is a rule's name there.
pub(in crate::policy::engine) fn declared_in(query: &Query) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => names.extend(vars.iter().map(|name| name.text().to_owned())),
            Literal::SomeIn { key, value, .. } => {
                key.iter().for_each(|key| pattern(key, &mut names));
                pattern(value, &mut names);
            }
            Literal::Expr { expr, .. } => {
                if let Expr::AssignExpr {
                    op: AssignOp::ColEq,
                    lhs,
                    ..
                } = &**expr
                {
                    pattern(lhs, &mut names);
                }
            }
            Literal::NotExpr { .. } | Literal::Every { .. } => {}
        }
    }
    names
}

/// The variables that a pattern binds: not those of references and calls in it.
pub(in crate::policy::engine) fn pattern(expr: &Expr, names: &mut BTreeSet<String>) {
    match expr {
        Expr::Var { .. } => names.extend(variable(expr).filter(|name| *name != "_").map(str::to_owned)),
        Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => of_expr(expr)
            .exprs
            .into_iter()
            .for_each(|part| pattern(part, names)),
        _ => {}
    }
}

/// What a literal is; `None` of what has to be evaluated.
pub(in crate::policy::engine) fn literal(expr: &Expr) -> Option<&'static str> {
    Some(match expr {
        Expr::String { .. } | Expr::RawString { .. } => "string",
        Expr::Number { .. } => "number",
        Expr::Bool { .. } | Expr::BoolExpr { .. } | Expr::Membership { .. } => "boolean",
        Expr::Null { .. } => "null",
        Expr::Array { .. } | Expr::ArrayCompr { .. } => "array",
        Expr::Set { .. } | Expr::SetCompr { .. } => "set",
        Expr::Object { .. } | Expr::ObjectCompr { .. } => "object",
        _ => return None,
    })
}
