//! One case through Regate's loader and engine, and whether it comes to what is wanted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, bail};
use regate::policy::engine::builtins::BuiltinErrors;
use regate::policy::files::{DataFile, Files, Format, RegoFile};
use regate::policy::finding::{Finding, Id};
use regate::policy::load::plain::Rule;
use regate::policy::{Context, Document, Fault, Limits};
use serde_json::{Map, Value};

use super::case::Case;

/// The package of what is generated around a case.
const PACKAGE: &str = "conformance";

/// What a case comes to.
pub(super) enum Came {
    /// To these results, one for each binding of the query's variables.
    Results(Vec<Value>),
    /// To findings when it was loaded.
    Refused(Vec<Finding>),
    /// To a fault when it was evaluated.
    Fault(Fault),
}

/// Nothing where the case comes to what is wanted; what it comes to instead otherwise.
pub(super) fn difference(case: &Case) -> Option<String> {
    let came = match came(case) {
        Ok(came) => came,
        Err(error) => return Some(format!("{error:#}")),
    };
    match (&came, &case.want_result) {
        (Came::Refused(findings), _) if case.wants_error() && findings.iter().all(is_about_values) => None,
        (Came::Refused(findings), _) => {
            let findings = findings.iter().map(|finding| format!("{} {finding}", finding.id));
            Some(format!("refused: {}", findings.collect::<Vec<_>>().join("; ")))
        }
        (Came::Fault(fault), _) if is_wanted(case, fault) => None,
        (Came::Fault(fault), _) => Some(format!("fault ({}): {fault}", fault.reason())),
        (Came::Results(results), Some(wanted)) => {
            let wanted = wanted.iter().map(|row| object(row.clone()));
            let (wanted, results) = (rows(wanted, case), rows(results.iter().cloned(), case));
            (wanted != results).then(|| format!("wanted {wanted:?}, came to {results:?}"))
        }
        (Came::Results(results), None) => Some(format!("wanted an error, came to {results:?}")),
    }
}

/// Whether a finding may be the error that a case wants: one of evaluation, that was found before it.
fn is_about_values(finding: &Finding) -> bool {
    ![
        Id::Limit,
        Id::NotOffered,
        Id::Parse,
        Id::Recursion,
        Id::Rewrite,
        Id::UnknownFunction,
        Id::Unsafe,
    ]
    .contains(&finding.id)
}

/// Whether there is no builtin of this name.
pub(super) fn is_missing(builtin: &str) -> bool {
    let text = format!("package {PACKAGE}\nvalue := {builtin}(1)\n");
    let files = Files {
        modules: vec![module("call.rego", text, false)],
        ..Files::default()
    };
    let findings = Rule::load(&files, &[PACKAGE], "value", BuiltinErrors::Fault).err();
    let mut findings = findings.into_iter().flatten();
    findings.any(|finding| [Id::NotOffered, Id::UnknownFunction].contains(&finding.id))
}

/// Whether a fault is of the kind that the case wants. The words of errors are our own.
fn is_wanted(case: &Case, fault: &Fault) -> bool {
    match case.want_error_code.as_deref() {
        Some("eval_conflict_error") => matches!(fault, Fault::Conflict { .. }),
        Some(_) => matches!(fault, Fault::Builtin { .. }),
        None => case.want_error.is_some(),
    }
}

fn came(case: &Case) -> Result<Came> {
    let input = match (&case.input_term, &case.input) {
        (Some(term), _) => Some(term_value(term)?),
        (None, input) => input.as_ref().map(Document::from_json),
    };
    let errors = if case.strict_error {
        BuiltinErrors::Fault
    } else {
        BuiltinErrors::Undefined
    };
    let rule = match Rule::load(&files(case), &[PACKAGE], "rows", errors) {
        Ok(rule) => rule,
        Err(findings) => return Ok(Came::Refused(findings)),
    };
    match rule.evaluate(input.as_ref(), &limits()) {
        Err(fault) => Ok(Came::Fault(fault)),
        Ok(None) => Ok(Came::Results(Vec::new())),
        Ok(Some(rows)) => {
            let rows = rows.items().unwrap_or_default();
            let rows = rows.iter().filter_map(Document::as_str);
            Ok(Came::Results(
                rows.map(serde_json::from_str).collect::<Result<_, _>>()?,
            ))
        }
    }
}

/// The value of an input that is written in Rego.
fn term_value(term: &str) -> Result<Document> {
    let module = module(
        "term.rego",
        format!("package {PACKAGE}\nvalue := {term}\n"),
        false,
    );
    let files = Files {
        modules: vec![module],
        ..Files::default()
    };
    let rule = Rule::load(&files, &[PACKAGE], "value", BuiltinErrors::Fault)
        .map_err(|findings| anyhow!("the input is refused: {findings:?}"))?;
    match rule.evaluate(None, &limits())? {
        Some(value) => Ok(value),
        None => bail!("the input has no value"),
    }
}

fn files(case: &Case) -> Files {
    let modules = case.modules.iter().enumerate();
    let modules = modules.map(|(at, text)| module(&format!("test-{at}.rego"), text.clone(), case.v0()));
    let data = case.data.iter().map(|data| DataFile {
        path: "data.json".into(),
        at: Vec::new(),
        format: Format::Json,
        bytes: data.to_string().into_bytes(),
    });
    Files {
        modules: modules
            .chain([module("query.rego", query(case), false)])
            .collect(),
        data: data.collect(),
        ..Files::default()
    }
}

/// A module that gives each binding of the query's variables as JSON, which has OPA's order of sets and its form of keys.
fn query(case: &Case) -> String {
    let wanted = case.want_result.iter().flatten();
    let names: BTreeSet<&str> = wanted.flat_map(|row| row.keys().map(String::as_str)).collect();
    let members: Vec<_> = names.iter().map(|name| format!("{name:?}: {name}")).collect();
    let query = match case.query.as_str() {
        // The rule that asks is part of `data`, too: it asks for all the rest.
        "data = x" => format!("{} = x", all_data(case)),
        query => query.to_owned(),
    };
    format!(
        "package {PACKAGE}\nrows contains json.marshal({{{}}}) if {{ {query} }}\n",
        members.join(", "),
    )
}

/// An object of everything below `data` that a case has.
fn all_data(case: &Case) -> String {
    let packages = case.modules.iter().filter_map(|text| {
        let package = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("package "))?;
        package.split(['.', '[']).next()
    });
    let data = case.data.iter().filter_map(Value::as_object).flatten();
    let roots: BTreeSet<&str> = packages.chain(data.map(|(key, _)| key.as_str())).collect();
    let members: Vec<_> = roots
        .iter()
        .map(|root| format!("{root:?}: data[{root:?}]"))
        .collect();
    format!("{{{}}}", members.join(", "))
}

fn module(path: &str, text: String, v0: bool) -> RegoFile {
    RegoFile {
        path: path.to_owned(),
        text,
        is_test: false,
        v0,
    }
}

fn limits() -> Limits {
    Limits {
        deadline: Instant::now() + Duration::from_secs(60),
        context: Context {
            now_ns: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|since| i64::try_from(since.as_nanos()).ok())
                .unwrap_or_default(),
            ..Context::default()
        },
    }
}

/// Results as a set, in a form in which equal ones are the same text.
fn rows(rows: impl Iterator<Item = Value>, case: &Case) -> BTreeSet<String> {
    let row = |row: Value| {
        let mut row = plain(row);
        if let (true, Some(members)) = (case.sort_bindings, row.as_object_mut()) {
            for list in members.values_mut().filter_map(Value::as_array_mut) {
                list.sort_by_cached_key(Value::to_string);
            }
        }
        row.to_string()
    };
    rows.map(row).collect()
}

/// The same value with whole numbers written as integers: 1.0 is 1 in Rego.
fn plain(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(members) => object(members.into_iter().map(|(key, member)| (key, plain(member)))),
        Value::Number(number) => {
            let whole = number
                .as_f64()
                .filter(|float| number.is_f64() && float.fract() == 0.0);
            match whole.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
                Some(whole) => whole.into(),
                None => Value::Number(number),
            }
        }
        value => value,
    }
}

fn object(members: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(members.into_iter().collect::<Map<_, _>>())
}
