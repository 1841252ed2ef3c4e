//! A reference taken apart: `data.a["b"][x].c`. The walk over the tree, and the account of variables, ask it what a
//! reference begins with and how much of it is constant.

use regorus::Value;
use regorus::unstable::Expr;

/// `a.b["c"][x].d` as far as it is constant: the root's name, the constant parts, and what stands in brackets.
pub(super) struct Reference<'a> {
    /// The name that it begins with, if it is one.
    pub(super) root: Option<String>,
    /// The names and strings behind the root, up to the first that is not constant.
    pub(super) constant: Vec<String>,
    /// Whether all of it is constant.
    pub(super) whole: bool,
    /// What stands in brackets and is no string.
    pub(super) indices: Vec<&'a Expr>,
    /// What it begins with.
    pub(super) base: &'a Expr,
}

/// Takes a reference apart; of anything else only the base is there.
pub(super) fn reference(expr: &Expr) -> Reference<'_> {
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
                let constant = literal_text(index);
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

/// The text of an expression that is a string as it stands.
pub(super) fn literal_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => text_of(value),
        _ => None,
    }
}

/// The text of a string.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string()),
        _ => None,
    }
}
