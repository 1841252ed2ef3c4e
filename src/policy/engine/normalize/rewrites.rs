//! The rewrites that need the syntax tree: one walk over a file that finds them, and what puts operands before the
//! statement that they are taken out of.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use regorus::unstable::{Expr, Literal, LiteralStmt, Module, Query, Rule, RuleHead, Span};

use super::negation::Operands;
use super::tokens::{Kind, Token, line_ends, on_one_line, within};
use super::{Edit, Normalized};
use crate::policy::engine::ast::Position;
use crate::policy::engine::ast::parts::{
    declared_in, each_of_rule, function_name, has_query, is_computed, negates_whole_bodies, of_expr, of_rule,
    of_statement, pattern, variable,
};
use crate::policy::engine::builtins;

const TOO_LONG: &str = "operands of a negated call have to be defined, and these cannot be looked at before it: give \
                        them names above, as in `x := …`, and negate a call of the names";

const WITH: &str = "`with` on `some … in` cannot be looked at by itself: give the collection a name above, as in \
                    `xs := … with …`";

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
    /// Its functions, with their numbers of arguments.
    functions: BTreeMap<String, usize>,
    /// The variables of each `every` around.
    every: Vec<String>,
    /// Whether negations stay as they are.
    keeps_negations: bool,
    prefix: String,
    taken_out: usize,
}

impl<'a> Rewrites<'a> {
    /// All rewrites of a file that its syntax tree shows.
    pub(in crate::policy::engine) fn of(
        normalized: &'a Normalized,
        tokens: &'a [Token],
        module: &Module,
    ) -> Self {
        let mut rewrites = Self::new(normalized, tokens, module);
        module.policy.iter().for_each(|rule| rewrites.rule(rule));
        rewrites
    }

    pub(in crate::policy::engine) fn new(
        normalized: &'a Normalized,
        tokens: &'a [Token],
        module: &Module,
    ) -> Self {
        let mut prefix = String::from("__n");
        while normalized.text.contains(&prefix) {
            prefix.push('_');
        }
        Self {
            text: &normalized.text,
            tokens,
            edits: Vec::new(),
            refused: Vec::new(),
            locals: Vec::new(),
            globals: globals(module),
            functions: functions(module),
            every: Vec::new(),
            keeps_negations: negates_whole_bodies(module),
            prefix,
            taken_out: 0,
        }
    }

    /// Whether a name is that of a rule or an import of this file, or of all that is given.
    pub(in crate::policy::engine) fn is_global(&self, name: &str) -> bool {
        ["input", "data"].contains(&name) || self.globals.contains(name)
    }

    /// Whether the last operand of a call takes what the call gives.
    pub(super) fn takes_result(&self, function: &Expr, operands: usize) -> bool {
        let Some(name) = function_name(function) else {
            return false;
        };
        let own = self.functions.get(&name).copied();
        own.or_else(|| builtins::operands_of(&name))
            .is_some_and(|takes| takes + 1 == operands)
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
        self.refuse_statement(statement);
        let taken_apart = self.take_apart(statement, bare);
        match &statement.literal {
            Literal::NotExpr { expr, span } => self.negation(statement, expr, span, bare),
            // What is taken apart has braces by now.
            Literal::SomeIn { collection, .. } => self.iteration(statement, collection, bare && !taken_apart),
            _ => {}
        }
        let parts = of_statement(statement);
        parts.exprs.into_iter().for_each(|expr| self.expr(expr));
        // The engine takes a variable of `every` in the brackets of what is negated for one that is yet to be found.
        if let (Some(query), Literal::Every { key, value, .. }) = (parts.query, &statement.literal) {
            let names = key.iter().chain([value]).map(|name| name.text().to_owned());
            self.every.extend(names);
            self.query(query, false);
            self.every
                .truncate(self.every.len() - 1 - usize::from(key.is_some()));
        }
    }

    fn expr(&mut self, expr: &Expr) {
        self.refuse_expr(expr);
        let parts = of_expr(expr);
        parts.exprs.into_iter().for_each(|expr| self.expr(expr));
        parts.query.into_iter().for_each(|query| self.query(query, false));
    }

    fn negation(&mut self, statement: &LiteralStmt, expr: &Expr, span: &Span, bare: bool) {
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
            || self
                .take_out(statement, self.bytes(span), &ranges, bare)
                .is_none()
        {
            self.refused.push((Position::from(&statement.span), TOO_LONG));
        }
    }

    /// The bytes of a statement without what `with` changes.
    pub(super) fn literal(&self, statement: &LiteralStmt) -> Range<usize> {
        let Range { start, end } = self.bytes(&statement.span);
        let with = statement.with_mods.first();
        let end = with.map_or(end, |with| {
            let before = within(self.tokens, start..offset(with.span.start));
            before.last().map_or(end, |token| token.bytes.end)
        });
        start..end
    }

    /// `some x in y.z` of what is no collection finds nothing, as in OPA; the engine makes an error of it. What rules and
    /// data give is their author's matter.
    fn iteration(&mut self, statement: &LiteralStmt, collection: &Expr, bare: bool) {
        let is_given = function_name_root(collection)
            .is_some_and(|root| root != "data" && (root == "input" || !self.globals.contains(&root)))
            && variable(collection).is_none();
        let has_with = !statement.with_mods.is_empty();
        if !is_given && !has_with {
            return;
        }
        let Some(range) = self.range(collection) else {
            return;
        };
        // In the order of all values, arrays, objects and sets come behind everything else. Looking twice costs half of
        // what a variable does. Where it cannot be written it stays an error.
        if has_with || !is_the_same_twice(collection) {
            let done = self.name_before(statement, range, is_given, bare);
            // To the engine it holds for all that follows.
            if has_with && (done.is_none() || !binds_only(statement)) {
                self.refused.push((Position::from(&statement.span), WITH));
            }
        } else {
            self.look_before(statement, range, bare);
        }
    }

    /// Puts the question whether it is a collection before a statement that iterates.
    fn look_before(&mut self, statement: &LiteralStmt, collection: Range<usize>, bare: bool) -> Option<()> {
        let collection = on_one_line(self.text, self.tokens, collection)?;
        let (begin, opening) = (self.literal(statement).start, if bare { "{ " } else { "" });
        self.edits.push(Edit {
            replaced: begin..begin,
            text: format!("{opening}{collection} >= []; "),
            from: None,
        });
        self.close(statement, bare);
        Some(())
    }

    /// Gives a collection a name before the statement that iterates over it, and what `with` changes for it.
    fn name_before(
        &mut self,
        statement: &LiteralStmt,
        collection: Range<usize>,
        is_given: bool,
        bare: bool,
    ) -> Option<()> {
        let Range { start, end } = self.literal(statement);
        let after = self.bytes(&statement.span).end.max(end);
        let with = on_one_line(self.text, self.tokens, end..after)?;
        let text = on_one_line(self.text, self.tokens, collection.clone())?;
        let (name, opening) = (self.new_name(), if bare { "{ " } else { "" });
        let guard = if is_given {
            format!("{name} >= []; ")
        } else {
            String::new()
        };
        self.edits.push(Edit {
            replaced: start..start,
            text: format!(
                "{opening}{name} := {}; {guard}",
                format!("{text} {with}").trim_end()
            ),
            from: Some(collection.start),
        });
        self.edits.push(Edit {
            text: format!("{name}{}", line_ends(self.text, collection.clone())),
            replaced: collection,
            from: None,
        });
        if end < after {
            self.edits.push(Edit {
                replaced: end..after,
                text: line_ends(self.text, end..after),
                from: None,
            });
        }
        self.close(statement, bare);
        Some(())
    }

    /// Closes the braces that a body without them got.
    pub(super) fn close(&mut self, statement: &LiteralStmt, bare: bool) {
        let after = self.bytes(&statement.span).end;
        if bare {
            self.edits.push(Edit {
                replaced: after..after,
                text: " }".into(),
                from: None,
            });
        }
    }

    /// What stands behind a literal, to be written once more.
    pub(super) fn with_of(&self, statement: &LiteralStmt, literal: usize) -> Option<String> {
        if statement.with_mods.is_empty() {
            return Some(String::new());
        }
        if statement.with_mods.iter().any(|with| has_query(&with.r#as)) {
            return None;
        }
        let after = self.bytes(&statement.span).end;
        let mods = on_one_line(self.text, self.tokens, literal..after)?;
        Some(format!(" {mods}"))
    }

    /// Whether a name is that of a variable here.
    pub(super) fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|names| names.contains(name)) && !self.every.iter().any(|every| every == name)
    }

    /// The name of an operand of the next statement that is rewritten.
    fn name(&self, number: usize) -> String {
        format!("{}{}", self.prefix, self.taken_out + number)
    }

    /// A name that nothing else has.
    pub(super) fn new_name(&mut self) -> String {
        let name = self.name(0);
        self.taken_out += 1;
        name
    }

    /// Puts operands before what stands in `literal`; `None` if that cannot be written on its lines.
    fn take_out(
        &mut self,
        statement: &LiteralStmt,
        literal: Range<usize>,
        operands: &[Range<usize>],
        bare: bool,
    ) -> Option<()> {
        let Range { start: begin, end } = literal;
        let with = self.with_of(statement, end)?;
        let mut edits = Vec::new();
        let mut rest = String::new();
        let mut done = begin;
        for (number, operand) in operands.iter().enumerate() {
            let name = self.name(number);
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
                from: None,
            });
            done = operand.end;
        }
        rest.push_str(&on_one_line(self.text, self.tokens, done..end)?);
        let lines = line_ends(self.text, done..end);
        edits.push(Edit {
            replaced: done..end,
            text: format!("{with}; {}{lines}", rest.trim_end()),
            from: None,
        });
        self.edits.extend(edits);
        self.close(statement, bare);
        self.taken_out += operands.len();
        Some(())
    }

    /// The bytes of a span, which by itself leaves out quotes at its ends.
    pub(in crate::policy::engine) fn bytes(&self, span: &Span) -> Range<usize> {
        let (start, end) = (offset(span.start), offset(span.end));
        let token = |begin: usize| self.tokens.get(begin).map(|token| &token.bytes);
        let first = token(self.tokens.partition_point(|token| token.bytes.end <= start));
        let last = token(self.tokens.partition_point(|token| token.bytes.end < end));
        first.map_or(start, |bytes| bytes.start.min(start))..last.map_or(end, |bytes| bytes.end.max(end))
    }

    /// The bytes of an expression. Of an object of several keys the parser tells another beginning.
    pub(in crate::policy::engine) fn range(&self, expr: &Expr) -> Option<Range<usize>> {
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

/// The functions of a file, with their numbers of arguments.
fn functions(module: &Module) -> BTreeMap<String, usize> {
    let rules = module.policy.iter();
    rules
        .filter_map(|rule| match &**rule {
            Rule::Spec {
                head: RuleHead::Func { refr, args, .. },
                ..
            } => Some((function_name(refr)?, args.len())),
            _ => None,
        })
        .collect()
}

/// What rules and imports of a file are called.
pub(super) fn globals(module: &Module) -> BTreeSet<String> {
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

/// Whether nothing is evaluated in what `some` looks for.
fn binds_only(statement: &LiteralStmt) -> bool {
    let Literal::SomeIn { key, value, .. } = &statement.literal else {
        return true;
    };
    let mut parts = key.iter().chain([value]);
    parts.all(|part| !has_reference(part))
}

/// Whether a reference or a call stands in a pattern.
fn has_reference(expr: &Expr) -> bool {
    let parts = of_expr(expr);
    is_computed(expr) || parts.query.is_some() || parts.exprs.into_iter().any(has_reference)
}

/// Whether a reference means one value however often it is asked: no wildcard and no call is in it.
fn is_the_same_twice(expr: &Expr) -> bool {
    match expr {
        Expr::Var { .. } => variable(expr) != Some("_"),
        Expr::RefDot { refr, .. } => is_the_same_twice(refr),
        Expr::RefBrack { refr, index, .. } => is_the_same_twice(refr) && is_the_same_twice(index),
        Expr::String { .. } | Expr::RawString { .. } | Expr::Number { .. } => true,
        _ => false,
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
