//! What the syntax tree of one policy file says: its package, its rules, what it reads and what it calls.
//!
//! Loading asks these facts to group packages, to generate entry rules and to refuse what the engine would accept and
//! should not. The engine's tree is walked once per file and not kept.

use std::collections::BTreeSet;

use regorus::unstable::{
    AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleAssign, RuleHead, Span,
};
use regorus::{Engine, Value};

use crate::policy::files::RegoFile;
use crate::policy::finding::Finding;

/// One parsed file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The file as the author named it.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// `package a.b` is `["a", "b"]`.
    pub(crate) package: Vec<String>,
    /// Where the package clause stands.
    pub(crate) package_at: Position,
    /// Its rules, in order.
    pub(crate) rules: Vec<RuleFacts>,
    /// Paths below `data` that it reads, as far as they are constant: `data.a[x].b` is `["a"]`.
    pub(crate) reads: BTreeSet<Vec<String>>,
}

/// A place in a file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One rule of a file.
#[derive(Clone, Debug)]
pub(crate) struct RuleFacts {
    /// The head's first name: `audit_annotations["a"] := 1` is `audit_annotations`.
    pub(crate) name: String,
    /// The constant part of the head below the name.
    pub(crate) below: Vec<String>,
    /// Whether it takes arguments.
    pub(crate) arguments: Option<usize>,
    /// Where it stands.
    pub(crate) at: Position,
    /// What it calls.
    pub(crate) calls: Vec<Call>,
}

/// One call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The function as resolved through the file's imports: `["data", …]` for a rule of a policy file, the name's
    /// parts for a builtin.
    pub(crate) function: Vec<String>,
    /// How many operands it was given.
    pub(crate) operands: usize,
    /// Where it stands.
    pub(crate) at: Position,
}

/// Brackets that may be open at one time: the parser's cost doubles with each nested literal.
const MAX_LITERAL_DEPTH: usize = 14;

impl Source {
    /// Parses a file.
    ///
    /// # Errors
    /// The first syntax error: the parser stops there.
    pub(crate) fn parse(file: &RegoFile) -> Result<Self, Finding> {
        if let Some(at) = too_deep(&file.text) {
            return Err(Finding {
                file: Some(file.path.clone()),
                line: Some(at.line),
                column: Some(at.column),
                message: format!(
                    "brackets nested more than {MAX_LITERAL_DEPTH} deep: name a part of it in a rule"
                ),
            });
        }
        let mut engine = Engine::new();
        engine
            .add_policy(file.path.clone(), file.text.clone())
            .map_err(|error| syntax_finding(&file.path, &error.to_string()))?;
        let modules = engine.get_modules();
        let Some(module) = modules.first() else {
            return Err(Finding {
                file: Some(file.path.clone()),
                message: "no package".into(),
                ..Finding::default()
            });
        };
        Ok(Walk::of(module).source(file, module))
    }
}

/// The engine's errors begin with `--> file:line:column`, and say what is wrong behind `error:`.
pub(super) fn syntax_finding(path: &str, text: &str) -> Finding {
    let (line, column) = position_in(text).map_or((None, None), |at| (Some(at.line), Some(at.column)));
    Finding {
        file: Some(path.to_owned()),
        line,
        column,
        message: message_in(text),
    }
}

pub(super) fn position_in(text: &str) -> Option<Position> {
    let head = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("--> "))?;
    let mut parts = head.trim().rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Position { line, column })
}

pub(super) fn message_in(text: &str) -> String {
    let message = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("error: "));
    message
        .or_else(|| text.lines().find(|line| !line.trim().is_empty()))
        .unwrap_or("unreadable")
        .trim()
        .to_owned()
}

/// The first place where more than [`MAX_LITERAL_DEPTH`] square or curly brackets are open, outside of strings and
/// comments.
fn too_deep(text: &str) -> Option<Position> {
    let mut depth = 0usize;
    for (number, line) in (1u32..).zip(text.lines()) {
        let mut chars = (1u32..).zip(line.chars());
        // A raw string may span lines; what looks like brackets in one counts, which only errs towards refusal.
        while let Some((column, c)) = chars.next() {
            match c {
                '#' => break,
                '"' => skip_string(&mut chars),
                '[' | '{' => {
                    depth += 1;
                    if depth > MAX_LITERAL_DEPTH {
                        return Some(Position { line: number, column });
                    }
                }
                ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    None
}

fn skip_string(chars: &mut impl Iterator<Item = (u32, char)>) {
    while let Some((_, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '"' => return,
            _ => {}
        }
    }
}

impl From<&Span> for Position {
    fn from(span: &Span) -> Self {
        Position {
            line: span.line,
            column: span.col,
        }
    }
}

/// `a.b["c"][x].d` as far as it is constant: the root's name, the constant parts, and what stands in brackets.
struct Reference<'a> {
    root: Option<String>,
    constant: Vec<String>,
    whole: bool,
    indices: Vec<&'a Expr>,
    base: &'a Expr,
}

fn reference(expr: &Expr) -> Reference<'_> {
    let mut parts: Vec<Option<String>> = Vec::new();
    let mut indices = Vec::new();
    let mut at = expr;
    loop {
        match at {
            Expr::RefDot { refr, field, .. } => {
                parts.push(text_of(&field.1));
                at = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                let constant = match index.as_ref() {
                    Expr::String { value, .. } | Expr::RawString { value, .. } => text_of(value),
                    _ => None,
                };
                if constant.is_none() {
                    indices.push(index.as_ref());
                }
                parts.push(constant);
                at = refr;
            }
            _ => break,
        }
    }
    parts.reverse();
    let root = match at {
        Expr::Var { value, .. } => text_of(value),
        _ => None,
    };
    let whole = parts.iter().all(Option::is_some);
    let constant = parts.into_iter().map_while(|part| part).collect();
    Reference {
        root,
        constant,
        whole,
        indices,
        base: at,
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string()),
        _ => None,
    }
}

/// The walk over one file: its imports, and what was met so far.
struct Walk {
    package: Vec<String>,
    imports: Vec<(String, Vec<String>)>,
    reads: BTreeSet<Vec<String>>,
    calls: Vec<Call>,
}

impl Walk {
    fn of(module: &Module) -> Self {
        let package = reference(&module.package.refr);
        let package = package.root.into_iter().chain(package.constant).collect();
        let mut walk = Walk {
            package,
            imports: Vec::new(),
            reads: BTreeSet::new(),
            calls: Vec::new(),
        };
        for import in &module.imports {
            let target = reference(&import.refr);
            if target.root.as_deref() == Some("data") {
                let alias = import.r#as.as_ref().map(|span| span.text().to_owned());
                let alias = alias.or_else(|| target.constant.last().cloned());
                walk.reads.insert(target.constant.clone());
                walk.imports.extend(alias.map(|alias| (alias, target.constant)));
            }
        }
        walk
    }

    fn source(mut self, file: &RegoFile, module: &Module) -> Source {
        let rules = module.policy.iter().filter_map(|rule| self.rule(rule)).collect();
        Source {
            path: file.path.clone(),
            text: file.text.clone(),
            package: self.package,
            package_at: Position::from(&module.package.span),
            rules,
            reads: self.reads,
        }
    }

    fn rule(&mut self, rule: &Rule) -> Option<RuleFacts> {
        let (head, arguments, at) = match rule {
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
        };
        let head = reference(head);
        head.indices.into_iter().for_each(|index| self.expr(index));
        let calls = std::mem::take(&mut self.calls);
        Some(RuleFacts {
            name: head.root?,
            below: head.constant,
            arguments,
            at: Position::from(at),
            calls,
        })
    }

    fn assign(&mut self, assign: Option<&RuleAssign>) {
        if let Some(assign) = assign {
            debug_assert!(matches!(assign.op, AssignOp::Eq | AssignOp::ColEq));
            self.expr(&assign.value);
        }
    }

    fn query(&mut self, query: &Query) {
        query.stmts.iter().for_each(|statement| self.statement(statement));
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
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr),
            Literal::Every { domain, query, .. } => {
                self.expr(domain);
                self.query(query);
            }
        }
        for with in &statement.with_mods {
            self.expr(&with.refr);
            self.expr(&with.r#as);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().for_each(|item| self.expr(item))
            }
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.expr(key);
                    self.expr(value);
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expr(term);
                self.query(query);
            }
            Expr::ObjectCompr {
                key, value, query, ..
            } => {
                self.expr(key);
                self.expr(value);
                self.query(query);
            }
            Expr::Call { fcn, params, .. } => self.call(fcn, params.iter().map(|param| &**param)),
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

    fn reference(&mut self, expr: &Expr) {
        let target = reference(expr);
        if target.root.as_deref() == Some("data") {
            self.reads.insert(target.constant);
        } else if target.root.is_none() {
            self.expr(target.base);
        }
        target.indices.into_iter().for_each(|index| self.expr(index));
    }

    fn call<'a>(&mut self, function: &Expr, operands: impl ExactSizeIterator<Item = &'a Expr>) {
        let target = reference(function);
        let count = operands.len();
        let function_at = target.base.span();
        if let (Some(root), true) = (target.root, target.whole) {
            let imported = self
                .imports
                .iter()
                .find(|(alias, _)| *alias == root)
                .map(|(_, path)| path.clone());
            let function: Vec<String> = match imported {
                Some(path) => std::iter::once("data".to_owned())
                    .chain(path)
                    .chain(target.constant)
                    .collect(),
                None => std::iter::once(root).chain(target.constant).collect(),
            };
            if let Some(("data", path)) = function.split_first().map(|(root, path)| (root.as_str(), path)) {
                self.reads.insert(path.to_vec());
            }
            self.calls.push(Call {
                function,
                operands: count,
                at: Position::from(function_at),
            });
        }
        target.indices.into_iter().for_each(|index| self.expr(index));
        operands.for_each(|operand| self.expr(operand));
    }
}

#[cfg(test)]
mod tests;
