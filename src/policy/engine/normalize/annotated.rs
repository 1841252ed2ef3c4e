//! `rego.metadata.rule()` and `rego.metadata.chain()` are given what they say: OPA, too, writes it in when it compiles.
//!
//! `policy::metadata::annotations` knows what that is and calls [`edits`] once all modules are parsed. The call stays a
//! call, so that it may stand wherever one may; what it is given is written between its brackets, and the builtin
//! gives that back.

use std::collections::BTreeMap;

use regorus::unstable::{Expr, Module, Rule};

use super::rewrites::offset;
use super::{Edit, Normalized};
use crate::policy::engine::ast::parts::{each_in, each_of_query, each_of_rule};
use crate::policy::engine::ast::walk::Walk;
use crate::policy::engine::builtins::WRITTEN_IN;

/// What the calls in one rule give, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Annotated {
    /// In the rule itself.
    pub(crate) own: Given,
    /// In its `else` and in bodies that are chained to it: to OPA those are rules of their own, which nothing annotates.
    pub(crate) others: Given,
}

/// What the calls give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// `rego.metadata.chain()`.
    pub(crate) chain: String,
    /// `rego.metadata.rule()`.
    pub(crate) rule: String,
}

impl Given {
    fn to(&self, function: &str) -> &str {
        match function {
            "rego.metadata.chain" => &self.chain,
            _ => &self.rule,
        }
    }
}

/// The edits that write into the calls of a file what they give; `annotated` are its rules, in their order.
pub(in crate::policy::engine) fn edits(
    normalized: &Normalized,
    module: &Module,
    annotated: &[Annotated],
) -> Vec<Edit> {
    let walk = Walk::of(module, normalized);
    let mut calls: BTreeMap<usize, &str> = BTreeMap::new();
    for (rule, annotated) in module.policy.iter().zip(annotated) {
        if let Rule::Spec { bodies, .. } = &**rule {
            for body in bodies.iter().skip(1) {
                let mut see = |expr: &Expr| note(expr, &walk, &annotated.others, &mut calls);
                body.assign
                    .iter()
                    .for_each(|assign| each_in(&assign.value, &mut see));
                each_of_query(&body.query, &mut see);
            }
        }
        each_of_rule(rule, &mut |expr| note(expr, &walk, &annotated.own, &mut calls));
    }
    calls
        .into_iter()
        .map(|(at, given)| Edit {
            replaced: at..at,
            text: given.to_owned(),
            from: None,
        })
        .collect()
}

/// Notes what a call gives that nothing was noted of, before the bracket that closes it.
fn note<'a>(expr: &Expr, walk: &Walk<'_>, given: &'a Given, calls: &mut BTreeMap<usize, &'a str>) {
    let Expr::Call {
        span, fcn, params, ..
    } = expr
    else {
        return;
    };
    let name = walk.name(fcn).map(|name| name.join("."));
    if let Some(name) = name.filter(|name| params.is_empty() && WRITTEN_IN.contains(&name.as_str())) {
        let bracket = offset(span.end).saturating_sub(1);
        calls.entry(bracket).or_insert(given.to(&name));
    }
}
