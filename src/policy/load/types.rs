//! Rules that can never have the type that their gate reads, and messages with a code that no client understands: at run
//! time each review would be a fault.

use crate::gate::Gate;
use crate::policy::engine::ast::{RuleKind, Source};
use crate::policy::finding::{Finding, Id};
use crate::policy::outcome::MESSAGE_CODES;
use crate::policy::roots;

/// What a gate reads of a rule.
struct Wanted {
    kinds: &'static [RuleKind],
    values: &'static [&'static str],
    members: &'static [&'static str],
    is: &'static str,
    write: &'static str,
}

/// Adds what is wrong with the gate's rules in the files of one policy.
pub(super) fn check(gate: Gate, sources: &[&Source], findings: &mut Vec<Finding>) {
    for source in sources {
        codes(source, findings);
        for rule in &source.rules {
            let read = roots(gate).1.contains(&rule.name.as_str());
            let Some(wanted) = wanted(&rule.name).filter(|_| read && rule.kind != RuleKind::Function) else {
                continue;
            };
            let Wanted { is, write, .. } = wanted;
            let mut wrong = |at, met: &str| {
                let message = format!("`{}` is {is}, and here it is {met}", rule.name);
                let finding = source.problem(Id::GateRuleType, at, message);
                findings.push(finding.hinted(format!("write `{write}`")));
            };
            if !wanted.kinds.contains(&rule.kind) {
                wrong(rule.at, kind(rule.kind));
                continue;
            }
            let (right, has) = match rule.kind {
                RuleKind::Set => (wanted.members, "with a member of type"),
                _ => (wanted.values, "of type"),
            };
            for (literal, at) in rule
                .literals
                .iter()
                .filter(|(literal, _)| !right.contains(literal))
            {
                wrong(*at, &format!("{has} {literal}"));
            }
        }
    }
}

/// Findings for codes that messages cannot have.
fn codes(source: &Source, findings: &mut Vec<Finding>) {
    let fits = |code: &str| code.parse().is_ok_and(|code| MESSAGE_CODES.contains(&code));
    for (code, at) in source.codes.iter().filter(|(code, _)| !fits(code)) {
        let codes = MESSAGE_CODES.map(|code| code.to_string()).join(", ");
        let finding = source.problem(Id::MessageCode, *at, format!("`code` is {code}"));
        findings.push(finding.hinted(format!("clients understand {codes}")));
    }
}

const fn kind(kind: RuleKind) -> &'static str {
    match kind {
        RuleKind::Function => "a function",
        RuleKind::Members => "an object of members",
        RuleKind::Set => "a set",
        RuleKind::Value => "one value",
    }
}

#[rustfmt::skip]
fn wanted(rule: &str) -> Option<Wanted> {
    const MANY: &[RuleKind] = &[RuleKind::Set, RuleKind::Value];
    const OBJECT: &[RuleKind] = &[RuleKind::Members, RuleKind::Value];
    const LISTS: &[&str] = &["array", "set"];
    let new = |kinds, values, members, is, write| Some(Wanted { kinds, values, members, is, write });
    match rule {
        "allow" => new(&[RuleKind::Value], &["boolean"], &[], "a boolean", "allow if { … }"),
        "audiences" => new(MANY, LISTS, &["string"], "a set or an array of strings", "audiences := [\"…\"]"),
        "audit_annotations" => new(OBJECT, &["object"], &[], "an object", "audit_annotations[\"key\"] := \"…\" if { … }"),
        "deny" => new(MANY, LISTS, &["string", "object"], "a set or an array of messages", "deny contains \"…\" if { … }"),
        "mutated" => new(OBJECT, &["object"], &[], "the wanted object", "mutated := object.union(input.request.object, …)"),
        "patch" => new(MANY, LISTS, &["object"], "an array or a set of operations", "patch contains {\"op\": …} if { … }"),
        "reason" => new(&[RuleKind::Value], &["string"], &[], "a string", "reason := \"…\" if { … }"),
        "user" => new(OBJECT, &["object"], &[], "an object", "user := {\"username\": …} if { … }"),
        "warn" => new(MANY, LISTS, &["string", "object"], "a set or an array of messages", "warn contains \"…\" if { … }"),
        _ => None,
    }
}
