//! Operands of negated calls are taken out of the negation: `not f(input.x)` becomes `__n0 := input.x; not f(__n0)`.
//!
//! OPA does so before it evaluates, and what is undefined then makes the whole body undefined; the engine would make the
//! negation true, and an `allow if not blocked(input.team)` would open. The operands stay where they stand, what is
//! around them moves behind them. What is taken out is what OPA takes out: operands of calls and of operators, but of
//! `==` and of a reference that stands alone only what is inside of them.

use std::collections::BTreeSet;
use std::ops::Range;

use regorus::unstable::{BoolOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleHead, Span};

use super::tokens::{Kind, Token, line_ends, on_one_line, within};
use super::{Edit, Normalized, results};
use crate::policy::engine::ast::Position;
use crate::policy::engine::ast::parts::{
    declared_in, each_of_rule, function_name, has_query, negates_whole_bodies, of_expr, of_rule,
    of_statement, pattern, variable,
};
use crate::policy::engine::builtins;

const TOO_LONG: &str = "operands of a negated call have to be defined, and these cannot be looked at before it: give \
                        them names above, as in `x := …`, and negate a call of the names";

const MINUS: &str = "a minus stands before numbers only: write `0 - x`";

/// The edits of one file, and the negations that cannot be rewritten.
pub(in crate::policy::engine) struct Rewrites<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: &'a [Token],
    pub(super) edits: Vec<Edit>,
    /// Places, as the engine counts, of what has to be written otherwise, and why.
    pub(in crate::policy::engine) refused: Vec<(Position, &'static str)>,
    /// The variables of the rule's head and of each query around, that cannot be names of rules.
    locals: Vec<BTreeSet<String>>,
    /// What rules and imports of this file are called.
    globals: BTreeSet<String>,
    /// Whether negations stay as they are.
    keeps_negations: bool,
    prefix: String,
    taken_out: usize,
}

/// What is taken out of one negation.
#[derive(Default)]
struct Operands<'a> {
    /// What may be undefined.
    out: Vec<&'a Expr>,
    /// Queries: never undefined, they go with the others so that no query is written twice.
    along: Vec<&'a Expr>,
}

impl<'a> Rewrites<'a> {
    /// All rewrites of a file that its syntax tree shows.
    pub(in crate::policy::engine) fn of(
        normalized: &'a Normalized,
        tokens: &'a [Token],
        module: &Module,
    ) -> Self {
        let mut prefix = String::from("__n");
        while normalized.text.contains(&prefix) {
            prefix.push('_');
        }
        let mut rewrites = Self {
            text: &normalized.text,
            tokens,
            edits: Vec::new(),
            refused: Vec::new(),
            locals: Vec::new(),
            globals: globals(module),
            keeps_negations: negates_whole_bodies(module),
            prefix,
            taken_out: 0,
        };
        module.policy.iter().for_each(|rule| rewrites.rule(rule));
        rewrites
    }

    /// The edits.
    pub(in crate::policy::engine) fn into_edits(self) -> Vec<Edit> {
        self.edits
    }

    fn rule(&mut self, rule: &Rule) {
        let mut names = BTreeSet::new();
        each_of_rule(rule, &mut |expr| bound_by_use(expr, &mut names));
        // A name that is a rule's is that rule wherever it is not declared; one of another file would have to be
        // defined to be used so, too.
        names.retain(|name| !self.globals.contains(name));
        if let Rule::Spec {
            head: RuleHead::Func { args, .. },
            ..
        } = rule
        {
            args.iter().for_each(|argument| pattern(argument, &mut names));
        }
        self.locals.push(names);
        of_rule(rule).into_iter().for_each(|expr| self.expr(expr));
        if let Rule::Spec { bodies, .. } = rule {
            for body in bodies {
                let begin = offset(body.query.span.start);
                // Without braces there is one statement, and no place for another.
                let bare = body
                    .query
                    .stmts
                    .first()
                    .is_some_and(|first| offset(first.span.start) == begin);
                self.query(&body.query, bare);
            }
        }
        self.locals.pop();
    }

    fn query(&mut self, query: &Query, bare: bool) {
        self.locals.push(declared_in(query));
        for statement in &query.stmts {
            self.statement(statement, bare);
        }
        self.locals.pop();
    }

    fn statement(&mut self, statement: &LiteralStmt, bare: bool) {
        match &statement.literal {
            Literal::NotExpr { expr, .. } => self.negation(statement, expr, bare),
            Literal::Expr { expr, .. } => self.edits.extend(results::rewrite(self.text, self.tokens, expr)),
            _ => {}
        }
        let parts = of_statement(statement);
        parts.exprs.into_iter().for_each(|expr| self.expr(expr));
        if let (Some(query), Literal::Every { key, value, .. }) = (parts.query, &statement.literal) {
            let names = key.iter().chain([value]).map(|name| name.text().to_owned());
            self.locals.push(names.collect());
            self.query(query, false);
            self.locals.pop();
        }
    }

    fn expr(&mut self, expr: &Expr) {
        if let Expr::UnaryExpr { span, expr, .. } = expr
            && !matches!(**expr, Expr::Number { .. })
        {
            self.refused.push((Position::from(span), MINUS));
        }
        let parts = of_expr(expr);
        parts.exprs.into_iter().for_each(|expr| self.expr(expr));
        parts.query.into_iter().for_each(|query| self.query(query, false));
    }

    fn negation(&mut self, statement: &LiteralStmt, expr: &Expr, bare: bool) {
        if self.keeps_negations {
            return;
        }
        let mut operands = Operands::default();
        self.negated(expr, &mut operands);
        if operands.out.is_empty() {
            return;
        }
        let all = operands.out.iter().chain(&operands.along);
        let mut ranges: Vec<_> = all.filter_map(|expr| self.range(expr)).collect();
        ranges.sort_by_key(|range| range.start);
        if ranges.len() != operands.out.len() + operands.along.len()
            || self.take_out(statement, &ranges, bare).is_none()
        {
            self.refused.push((Position::from(&statement.span), TOO_LONG));
        }
    }

    /// Writes the edits of one negation; `None` if it cannot be written on its lines.
    fn take_out(&mut self, statement: &LiteralStmt, operands: &[Range<usize>], bare: bool) -> Option<()> {
        let Literal::NotExpr { span, .. } = &statement.literal else {
            return None;
        };
        let Range { start: begin, end } = self.bytes(span);
        let after = self.bytes(&statement.span).end;
        let with = if statement.with_mods.is_empty() {
            String::new()
        } else {
            if statement.with_mods.iter().any(|with| has_query(&with.r#as)) {
                return None;
            }
            let mods = on_one_line(self.text, self.tokens, end..after)?;
            format!(" {mods}")
        };
        let mut edits = Vec::new();
        let mut rest = String::new();
        let mut done = begin;
        for (number, operand) in operands.iter().enumerate() {
            let name = format!("{}{}", self.prefix, self.taken_out + number);
            let before = done..operand.start;
            rest.push_str(&on_one_line(self.text, self.tokens, before.clone())?);
            // A name stands as close to what is around it as the operand did: `f(x)[0]` has no space.
            let space = |at: Option<usize>| {
                let next = at.and_then(|at| self.text.as_bytes().get(at));
                next.filter(|byte| byte.is_ascii_whitespace() || **byte == b'#')
                    .map_or("", |_| " ")
            };
            let (left, right) = (space(operand.start.checked_sub(1)), space(Some(operand.end)));
            rest.push_str(&format!("{left}{name}{right}"));
            let lines = line_ends(self.text, before.clone());
            let opening = match number {
                0 if bare => "{ ",
                0 => "",
                _ => &format!("{with}; "),
            };
            edits.push(Edit {
                replaced: before,
                text: format!("{opening}{lines}{name} := "),
            });
            done = operand.end;
        }
        rest.push_str(&on_one_line(self.text, self.tokens, done..end)?);
        let lines = line_ends(self.text, done..end);
        edits.push(Edit {
            replaced: done..end,
            text: format!("{with}; {rest}{lines}"),
        });
        if bare {
            edits.push(Edit {
                replaced: after..after,
                text: " }".into(),
            });
        }
        self.edits.extend(edits);
        self.taken_out += operands.len();
        Some(())
    }

    /// What is taken out of what is negated.
    fn negated<'e>(&self, expr: &'e Expr, operands: &mut Operands<'e>) {
        match expr {
            Expr::Call { params, .. } => params.iter().for_each(|param| self.operand(param, operands)),
            Expr::BoolExpr {
                op: BoolOp::Eq,
                lhs,
                rhs,
                ..
            }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.side(lhs, operands);
                self.side(rhs, operands);
            }
            Expr::BoolExpr { .. }
            | Expr::BinExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::UnaryExpr { .. }
            | Expr::Membership { .. } => of_expr(expr)
                .exprs
                .into_iter()
                .for_each(|expr| self.operand(expr, operands)),
            _ => self.side(expr, operands),
        }
    }

    /// A side of `==`, or what stands alone: a reference stays, what is inside of it does not.
    fn side<'e>(&self, expr: &'e Expr, operands: &mut Operands<'e>) {
        let mut at = expr;
        loop {
            match at {
                Expr::RefDot { refr, .. } => at = refr,
                Expr::RefBrack { refr, index, .. } => {
                    self.operand(index, operands);
                    at = refr;
                }
                Expr::Var { .. } => return,
                at if std::ptr::eq(at, expr) => return self.operand(at, operands),
                at if has_query(at) && of_expr(at).query.is_some() => return operands.along.push(at),
                // What is literal and referred into is made first.
                at => return operands.out.push(at),
            }
        }
    }

    /// An operand of a call.
    fn operand<'e>(&self, expr: &'e Expr, operands: &mut Operands<'e>) {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Var { .. } => {
                let name = variable(expr).unwrap_or_default();
                if !self.locals.iter().any(|names| names.contains(name)) {
                    operands.out.push(expr);
                }
            }
            Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => of_expr(expr)
                .exprs
                .into_iter()
                .for_each(|expr| self.operand(expr, operands)),
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {
                operands.along.push(expr);
            }
            Expr::RefDot { .. }
            | Expr::RefBrack { .. }
            | Expr::Call { .. }
            | Expr::UnaryExpr { .. }
            | Expr::BinExpr { .. }
            | Expr::BoolExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::AssignExpr { .. }
            | Expr::Membership { .. } => operands.out.push(expr),
        }
    }

    /// The bytes of a span, which by itself leaves out quotes at its ends.
    fn bytes(&self, span: &Span) -> Range<usize> {
        let (start, end) = (offset(span.start), offset(span.end));
        let token = |begin: usize| self.tokens.get(begin).map(|token| &token.bytes);
        let first = token(self.tokens.partition_point(|token| token.bytes.end <= start));
        let last = token(self.tokens.partition_point(|token| token.bytes.end < end));
        first.map_or(start, |bytes| bytes.start.min(start))..last.map_or(end, |bytes| bytes.end.max(end))
    }

    /// The bytes of an expression. Of an object of several keys the parser tells another beginning.
    fn range(&self, expr: &Expr) -> Option<Range<usize>> {
        let Range { start, end } = self.bytes(expr.span());
        match expr {
            Expr::Object { .. } => {
                let last = within(self.tokens, 0..end).len().checked_sub(1)?;
                Some(self.opening(last)?..end)
            }
            // `set()` ends where the next token does.
            Expr::Set { items, .. } if items.is_empty() => {
                let after = within(self.tokens, start..self.text.len());
                Some(start..after.get(2)?.bytes.end)
            }
            _ => Some(start..end),
        }
    }

    /// Where the bracket stands that a token closes.
    fn opening(&self, closing: usize) -> Option<usize> {
        let mut depth = 0usize;
        for token in self.tokens.get(..=closing)?.iter().rev() {
            if token.kind != Kind::Symbol {
                continue;
            }
            match self.text.get(token.bytes.clone())? {
                "}" | "]" | ")" => depth += 1,
                "{" | "[" | "(" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(token.bytes.start);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// What rules and imports of a file are called.
fn globals(module: &Module) -> BTreeSet<String> {
    let rules = module.policy.iter().filter_map(|rule| {
        let (Rule::Default { refr, .. }
        | Rule::Spec {
            head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. },
            ..
        }) = &**rule;
        function_name_root(refr)
    });
    let imports = module.imports.iter().filter_map(|import| {
        let alias = import.r#as.as_ref().map(|name| name.text().to_owned());
        alias.or_else(|| function_name(&import.refr)?.rsplit('.').next().map(str::to_owned))
    });
    rules.chain(imports).collect()
}

/// The first name of a rule's head.
fn function_name_root(head: &Expr) -> Option<String> {
    match head {
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => function_name_root(refr),
        head => variable(head).map(str::to_owned),
    }
}

/// Variables that are bound where they are used, without being declared.
fn bound_by_use(expr: &Expr, names: &mut BTreeSet<String>) {
    match expr {
        Expr::RefBrack { index, .. } => pattern(index, names),
        Expr::AssignExpr { lhs, rhs, .. } => {
            pattern(lhs, names);
            pattern(rhs, names);
        }
        Expr::Call { fcn, params, .. } => {
            let operands = function_name(fcn).and_then(|name| builtins::operands_of(&name));
            if let Some(result) = params
                .last()
                .filter(|_| operands.is_some_and(|n| n + 1 == params.len()))
            {
                pattern(result, names);
            }
        }
        _ => {}
    }
}

pub(super) fn offset(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
