//! `f(a, x)` is `x = f(a)`, and `[path, value] := walk(x)` takes what `walk` gives one after the other.
//!
//! The engine knows the first of its own builtins and functions only, and takes the second for one value. What is
//! written out here is what OPA makes of both. `Source::parse` calls [`positive`] before the other rewrites, so that they find
//! plain statements, and [`negated`] behind them: only then everything that a negated call is given is looked at before
//! it, and `not f(a, x)` is no more than `not f(a) == x`.

use std::collections::BTreeSet;
use std::ops::Range;

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule};

use super::Edit;
use super::patterns::has_object;
use super::rewrites::{globals, offset};
use super::tokens::{Kind, Token, line_ends, on_one_line, within};
use crate::policy::engine::ast::parts::{function_name, of_expr, of_rule, of_statement, pattern};
use crate::policy::engine::builtins;

/// The one builtin that gives many results.
const WALK: &str = "walk";

/// The edits of statements that are not negated, those in each other one after the other: none are left in the end.
pub(in crate::policy::engine) fn positive(text: &str, tokens: &[Token], module: &Module) -> Vec<Edit> {
    Results::of(text, tokens, module, false)
}

/// The edits of negated statements.
pub(in crate::policy::engine) fn negated(text: &str, tokens: &[Token], module: &Module) -> Vec<Edit> {
    Results::of(text, tokens, module, true)
}

struct Results<'a> {
    text: &'a str,
    tokens: &'a [Token],
    /// What rules and imports are called: theirs are no builtins.
    globals: BTreeSet<String>,
    negated: bool,
    edits: Vec<Edit>,
}

impl<'a> Results<'a> {
    fn of(text: &'a str, tokens: &'a [Token], module: &Module, negated: bool) -> Vec<Edit> {
        let mut results = Results {
            text,
            tokens,
            globals: globals(module),
            negated,
            edits: Vec::new(),
        };
        module.policy.iter().for_each(|rule| results.rule(rule));
        results.edits
    }

    fn rule(&mut self, rule: &Rule) {
        of_rule(rule).into_iter().for_each(|expr| self.expr(expr));
        if let Rule::Spec { bodies, .. } = rule {
            for body in bodies {
                let begin = offset(body.query.span.start);
                let first = body.query.stmts.first();
                let bare = first.is_some_and(|first| offset(first.span.start) == begin);
                self.query(&body.query, bare);
            }
        }
    }

    fn query(&mut self, query: &Query, bare: bool) {
        query
            .stmts
            .iter()
            .for_each(|statement| self.statement(statement, bare));
    }

    fn expr(&mut self, expr: &Expr) {
        let parts = of_expr(expr);
        parts.exprs.into_iter().for_each(|expr| self.expr(expr));
        parts.query.into_iter().for_each(|query| self.query(query, false));
    }

    fn statement(&mut self, statement: &LiteralStmt, bare: bool) {
        let edits = match &statement.literal {
            Literal::Expr { expr, .. } if !self.negated => {
                self.result(expr).or_else(|| self.walked(statement, expr, bare))
            }
            Literal::NotExpr { expr, .. } if self.negated => {
                self.result(expr).or_else(|| self.not_walked(statement, expr))
            }
            _ => None,
        };
        if let Some(edits) = edits {
            // What stands in it waits for the next time.
            return self.edits.extend(edits);
        }
        let parts = of_statement(statement);
        parts.exprs.into_iter().for_each(|expr| self.expr(expr));
        parts.query.into_iter().for_each(|query| self.query(query, false));
    }

    /// The builtin that is called.
    fn builtin(&self, function: &Expr) -> Option<String> {
        let name = function_name(function)?;
        let root = name.split('.').next()?;
        (!self.globals.contains(root)).then_some(name)
    }

    /// Of a builtin that is given one operand more than it takes.
    fn result(&self, expr: &Expr) -> Option<Vec<Edit>> {
        let Expr::Call {
            span, fcn, params, ..
        } = expr
        else {
            return None;
        };
        let name = self.builtin(fcn).filter(|name| name != WALK)?;
        if builtins::operands_of(&name)? + 1 != params.len() {
            return None;
        }
        let (begin, end) = (offset(span.start), offset(span.end));
        let (separator, result) = self.last_operand(begin, end)?;
        let moved = on_one_line(self.text, self.tokens, result)?;
        let lines = line_ends(self.text, separator.start..end);
        if self.negated {
            return Some(vec![replace(
                separator.start..end,
                format!(") == {moved}{lines}"),
            )]);
        }
        Some(vec![
            self.moved(begin, moved, separator.end),
            replace(begin..begin, " = ".into()),
            replace(separator.start..end, format!("){lines}")),
        ])
    }

    /// Text that was moved from the first token behind an offset.
    fn moved(&self, at: usize, text: String, from: usize) -> Edit {
        let first = within(self.tokens, from..self.text.len()).first();
        Edit {
            replaced: at..at,
            text,
            from: first.map(|token| token.bytes.start),
        }
    }

    /// What stands between the last operand of a call and what is before it, and that operand.
    fn last_operand(&self, begin: usize, end: usize) -> Option<(Range<usize>, Range<usize>)> {
        let mut depth = 0usize;
        // Behind what the last operand stands, and where what ends it stands.
        let (mut separators, close) = (Vec::new(), end.checked_sub(1)?);
        for token in within(self.tokens, begin..end) {
            if token.kind != Kind::Symbol {
                continue;
            }
            match self.text.get(token.bytes.clone())? {
                "(" | "[" | "{" => {
                    if depth == 0 {
                        separators.clear();
                        separators.push(token.bytes.end..token.bytes.end);
                    }
                    depth += 1;
                }
                ")" | "]" | "}" => depth = depth.checked_sub(1)?,
                "," if depth == 1 => separators.push(token.bytes.clone()),
                _ => {}
            }
        }
        let mut until = close;
        let mut separator = separators.pop()?;
        if within(self.tokens, separator.end..close).is_empty() {
            // A comma may stand behind the last operand, too.
            until = separator.start;
            separator = separators.pop()?;
        }
        let operand = separator.end..until;
        Some((separator, operand))
    }

    /// `[path, value] := walk(x)` becomes `some path, value; walk(x, [path, value])`.
    fn walked(&self, statement: &LiteralStmt, expr: &Expr, bare: bool) -> Option<Vec<Edit>> {
        let Expr::AssignExpr { op, lhs, rhs, .. } = expr else {
            return None;
        };
        let Expr::Call {
            span, fcn, params, ..
        } = &**rhs
        else {
            return None;
        };
        if self.builtin(fcn)? != WALK || params.len() != 1 {
            return None;
        }
        let (begin, end) = (offset(statement.span.start), offset(span.end));
        let call = offset(span.start);
        let before = within(self.tokens, begin..call);
        // All but the operator, which is one character or two.
        let operator = if *op == AssignOp::ColEq { 2 } else { 1 };
        let taken = begin..before.get(before.len().checked_sub(operator)?)?.bytes.start;
        let taken = on_one_line(self.text, self.tokens, taken)?;
        let mut names = BTreeSet::new();
        if *op == AssignOp::ColEq {
            pattern(lhs, &mut names);
        }
        let names: Vec<String> = names.into_iter().collect();
        let opening = match names.as_slice() {
            [] => String::new(),
            names => format!("{}some {}; ", if bare { "{ " } else { "" }, names.join(", ")),
        };
        let lines = line_ends(self.text, begin..call);
        let (before, walked) = self.last_operand(call, end)?;
        let behind = line_ends(self.text, walked.end..end);
        debug_assert!(before.is_empty(), "it has one operand");
        let mut edits = vec![
            replace(begin..call, format!("{lines}{opening}")),
            replace(walked.end..end, ", ".into()),
            self.moved(end, taken, begin),
            replace(end..end, format!("{behind})")),
        ];
        if bare && !names.is_empty() {
            let end = offset(statement.span.end);
            edits.push(replace(end..end, " }".into()));
        }
        Some(edits)
    }
}

impl Results<'_> {
    /// `not walk(x, y)` becomes `[1 | walk(x, y)] == []`: the engine looks at no more than the list of all pairs.
    fn not_walked(&self, statement: &LiteralStmt, expr: &Expr) -> Option<Vec<Edit>> {
        let Expr::Call {
            span, fcn, params, ..
        } = expr
        else {
            return None;
        };
        if self.builtin(fcn)? != WALK || params.len() != 2 {
            return None;
        }
        let (not, begin, end) = (offset(statement.span.start), offset(span.start), offset(span.end));
        let lines = line_ends(self.text, not..begin);
        let before = replace(not..begin, format!("[1 | {lines}"));
        if !params.last().is_some_and(|result| has_object(result)) {
            return Some(vec![before, replace(end..end, "] == []".into())]);
        }
        // To the engine a larger object fits, too: it is compared as a whole.
        let (_, result) = self.last_operand(begin, end)?;
        let wanted = on_one_line(self.text, self.tokens, result.clone())?;
        let mut name = String::from("__k");
        while self.text.contains(&name) {
            name.push('_');
        }
        let lines = line_ends(self.text, result.clone());
        Some(vec![
            before,
            replace(result, format!("{lines} {name}")),
            replace(end..end, format!("; {name} == {wanted}] == []")),
        ])
    }
}

fn replace(replaced: Range<usize>, text: String) -> Edit {
    Edit {
        replaced,
        text,
        from: None,
    }
}
