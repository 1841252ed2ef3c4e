//! What stands directly in a node of the syntax tree, so that each pass over it says only what it looks for.

use regorus::Value;
use regorus::unstable::{Expr, Literal, LiteralStmt, Query, Rule, RuleHead};

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
