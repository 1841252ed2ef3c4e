//! Builtins that the engine lacks, or has in a form that a server cannot use: one table, one function each.
//!
//! A function gets its operands as values; what it may know of the review is in a [`Context`] that the evaluation
//! enters. Where OPA has the builtin the answer is OPA's. `Err` is a builtin error and so a fault of the policy, unless
//! the evaluation asks for OPA's way ([`BuiltinErrors`]); what would take too much memory or time is a fault in any
//! case. What decodes is the exception, at authn only (see [`Context::lenient_decoding`]).

mod bounded;
pub(crate) mod declared;
mod digest;
mod encoding;
mod external_data;
mod glob;
mod globs;
mod graph;
mod guarded;
mod http;
mod integer;
mod jwks;
mod jwt;
mod kept;
mod members;
mod net;
mod numbers;
mod objects;
mod old;
mod once;
mod original;
mod paths;
mod query;
mod regex;
mod review;
mod schema;
mod search;
mod sprintf;
mod strings;
mod term;
mod time;
mod units;
mod uri;
mod weight;
mod x509;
mod yaml;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use regorus::{Engine, Value};

pub use self::jwks::key_set;
use super::Outside;
pub use kept::Answers;

/// What the functions know of the review under evaluation. One value for all its policies and both runs of a
/// mutation, so that time and random values agree between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// `time.now_ns()`: nanoseconds since 1970.
    pub now_ns: i64,
    /// Where `rand.intn` and `uuid.rfc4122` begin.
    pub seed: u64,
    /// At authn any rubbish reaches the gate: what decodes and verifies is undefined on bad input, not a fault.
    pub lenient_decoding: bool,
}

/// What the error of a builtin is: a policy's `builtinErrors`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuiltinErrors {
    /// A fault of the policy.
    #[default]
    Fault,
    /// No value, as in OPA.
    Undefined,
}

/// The evaluation under way on a thread.
#[derive(Clone, Copy, Default)]
struct Evaluation {
    context: Context,
    errors: BuiltinErrors,
    /// When it must have ended.
    deadline: Option<Instant>,
    /// About how many bytes its builtins have made.
    made: usize,
    too_much: bool,
}

/// The most bytes that the builtins of one evaluation make. A policy that changes the largest object's text as a whole
/// can do so some eighty times.
const MAX_MADE: usize = 256 * 1024 * 1024;

thread_local! {
    static EVALUATION: Cell<Evaluation> = const { Cell::new(Evaluation {
        context: Context { now_ns: 0, seed: 0, lenient_decoding: false },
        errors: BuiltinErrors::Fault,
        deadline: None,
        made: 0,
        too_much: false,
    }) };
}

/// Sets what holds for the evaluation that follows on this thread.
pub(super) fn enter(context: Context, errors: BuiltinErrors) {
    once::enter(context);
    EVALUATION.set(Evaluation {
        context,
        errors,
        deadline: None,
        made: 0,
        too_much: false,
    });
}

/// Sets when the evaluation that follows on this thread must have ended.
pub(super) fn set_deadline(deadline: Instant) {
    EVALUATION.set(Evaluation {
        deadline: Some(deadline),
        ..EVALUATION.get()
    });
}

/// When a function that waits for others must have come back.
fn deadline() -> Instant {
    EVALUATION.get().deadline.unwrap_or_else(Instant::now)
}

/// Whether a builtin of the last evaluation on this thread refused to take too much memory or time. The engine drops
/// some errors when it is not strict, and OPA would have gone on: this one must stay a fault.
pub(super) fn took_too_much() -> bool {
    EVALUATION.get().too_much
}

/// A result would take so much memory or time that it is refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TooMuch(String);

/// Whether a text has something in it that a pattern describes, as `regex.match` has it.
///
/// # Errors
/// What is wrong with the pattern.
pub(crate) fn pattern_matches(pattern: &str, text: &str) -> Result<bool, String> {
    let matched = regex::matches(&[Value::from(pattern), Value::from(text)]);
    match matched {
        Ok(value) => Ok(value == Value::Bool(true)),
        Err(error) => Err(error.to_string()),
    }
}

/// What is outside cannot be had: a fault whatever the policy says of errors of builtins, since nobody knows what the
/// answer would have been.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unavailable(String);

type Function = fn(&[Value]) -> anyhow::Result<Value>;

/// Name, number of operands, function. A name that the engine has too is overridden.
const FUNCTIONS: &[(&str, u8, Function)] = &[
    ("all", 1, old::all),
    ("any", 1, old::any),
    ("array.flatten", 1, objects::flatten),
    ("base64.decode", 1, encoding::base64_decode),
    ("base64.is_valid", 1, encoding::base64_is_valid),
    ("base64url.decode", 1, encoding::base64url_decode),
    ("bits.lsh", 2, numbers::shift_left),
    ("bits.rsh", 2, numbers::shift_right),
    ("cast_array", 1, old::cast_array),
    ("cast_boolean", 1, old::cast_boolean),
    ("cast_null", 1, old::cast_null),
    ("cast_object", 1, old::cast_object),
    ("cast_set", 1, old::cast_set),
    ("cast_string", 1, old::cast_string),
    ("concat", 2, strings::concat),
    ("count", 1, strings::items),
    ("crypto.hmac.equal", 2, digest::hmac_equal),
    ("crypto.hmac.md5", 2, digest::hmac_md5),
    ("crypto.hmac.sha1", 2, digest::hmac_sha1),
    ("crypto.hmac.sha256", 2, digest::hmac_sha256),
    ("crypto.hmac.sha512", 2, digest::hmac_sha512),
    ("crypto.md5", 1, digest::md5),
    ("crypto.sha1", 1, digest::sha1),
    ("crypto.sha256", 1, digest::sha256),
    (
        "crypto.x509.parse_and_verify_certificates",
        1,
        x509::parse_and_verify,
    ),
    (
        "crypto.x509.parse_and_verify_certificates_with_options",
        2,
        x509::parse_and_verify_with_options,
    ),
    (
        "crypto.x509.parse_certificate_request",
        1,
        x509::parse_certificate_request,
    ),
    ("crypto.x509.parse_certificates", 1, x509::parse_certificates),
    ("glob.match", 3, glob::matches),
    ("glob.quote_meta", 1, glob::quote_meta),
    ("graph.reachable_paths", 2, graph::reachable_paths),
    ("indexof", 2, strings::indexof),
    ("indexof_n", 2, strings::indexof_n),
    ("io.jwt.decode", 1, jwt::decode),
    ("io.jwt.decode_verify", 2, jwt::decode_verify),
    ("io.jwt.encode_sign", 3, jwt::encode_sign),
    ("io.jwt.encode_sign_raw", 3, jwt::encode_sign_raw),
    ("io.jwt.verify_eddsa", 2, jwt::verify_eddsa),
    ("io.jwt.verify_es256", 2, jwt::verify_es256),
    ("io.jwt.verify_es384", 2, jwt::verify_es384),
    ("io.jwt.verify_es512", 2, jwt::verify_es512),
    ("io.jwt.verify_hs256", 2, jwt::verify_hs256),
    ("io.jwt.verify_hs384", 2, jwt::verify_hs384),
    ("io.jwt.verify_hs512", 2, jwt::verify_hs512),
    ("io.jwt.verify_ps256", 2, jwt::verify_ps256),
    ("io.jwt.verify_ps384", 2, jwt::verify_ps384),
    ("io.jwt.verify_ps512", 2, jwt::verify_ps512),
    ("io.jwt.verify_rs256", 2, jwt::verify_rs256),
    ("io.jwt.verify_rs384", 2, jwt::verify_rs384),
    ("io.jwt.verify_rs512", 2, jwt::verify_rs512),
    ("json.filter", 2, paths::filter),
    ("json.is_valid", 1, encoding::json_is_valid),
    ("json.marshal", 1, encoding::json_marshal),
    (
        "json.marshal_with_options",
        2,
        encoding::json_marshal_with_options,
    ),
    ("json.match_schema", 2, schema::matches),
    ("json.remove", 2, paths::remove),
    ("json.unmarshal", 1, encoding::json_unmarshal),
    ("lower", 1, strings::lower),
    ("net.cidr_contains", 2, net::cidr_contains),
    ("net.cidr_contains_matches", 2, net::cidr_contains_matches),
    ("net.cidr_expand", 1, net::cidr_expand),
    ("net.cidr_intersects", 2, net::cidr_intersects),
    ("net.cidr_is_valid", 1, net::cidr_is_valid),
    ("net.cidr_merge", 1, net::cidr_merge),
    ("net.cidr_overlap", 2, net::cidr_overlap),
    ("numbers.range", 2, numbers::range),
    ("numbers.range_step", 3, numbers::range_step),
    ("object.subset", 2, objects::subset),
    ("object.union_n", 1, objects::union_n),
    ("rand.intn", 2, review::rand_intn),
    ("re_match", 2, regex::matches),
    (
        "regex.find_all_string_submatch_n",
        3,
        regex::find_all_string_submatch_n,
    ),
    ("regex.find_n", 3, regex::find_n),
    ("regex.globs_match", 2, globs::globs_match),
    ("regex.is_valid", 1, regex::is_valid),
    ("regex.match", 2, regex::matches),
    ("regex.replace", 3, regex::replace),
    ("regex.split", 2, regex::split),
    ("regex.template_match", 4, regex::template_match),
    ("replace", 3, strings::replace),
    ("semver.compare", 2, strings::semver_compare),
    ("semver.is_valid", 1, strings::semver_is_valid),
    ("set_diff", 2, old::set_diff),
    ("sprintf", 2, sprintf::sprintf),
    ("strings.count", 2, strings::count),
    ("strings.replace_n", 2, strings::replace_n),
    ("strings.split_n", 3, strings::split_n),
    ("time.add_date", 4, time::add_date),
    ("time.format", 1, time::format),
    ("time.now_ns", 0, review::now_ns),
    ("time.parse_duration_ns", 1, time::parse_duration_ns),
    ("time.parse_ns", 2, time::parse_ns),
    ("time.parse_rfc3339_ns", 1, time::parse_rfc3339_ns),
    ("to_number", 1, numbers::to_number),
    ("trim", 2, strings::trim),
    ("trim_left", 2, strings::trim_left),
    ("trim_right", 2, strings::trim_right),
    ("units.parse", 1, units::parse),
    ("units.parse_bytes", 1, units::parse_bytes),
    ("upper", 1, strings::upper),
    ("uri.is_valid", 1, uri::is_valid),
    ("uri.parse", 1, uri::parse),
    ("urlquery.decode", 1, query::decode),
    ("urlquery.decode_object", 1, query::decode_object),
    ("urlquery.encode", 1, query::encode),
    ("urlquery.encode_object", 1, query::encode_object),
    ("uuid.parse", 1, review::uuid_parse),
    ("uuid.rfc4122", 1, review::uuid),
    ("yaml.is_valid", 1, yaml::is_valid),
    ("yaml.unmarshal", 1, yaml::unmarshal),
];

/// What `x in xs` calls where it is a value.
pub(super) const MEMBER: &str = "__in";

/// The same of `key, x in xs`.
pub(super) const MEMBER_AT: &str = "__in_at";

/// Functions that no author calls.
const INNER: [(&str, u8, Function); 2] = [(MEMBER, 2, members::member), (MEMBER_AT, 3, members::member_at)];

/// What gives back its one operand, which loading writes into each call: what OPA's annotations say. To its author it
/// takes none.
pub(crate) const WRITTEN_IN: [&str; 2] = ["rego.metadata.chain", "rego.metadata.rule"];

type Outgoing = fn(&[Value], &Outside) -> anyhow::Result<Value>;

/// The same of functions that reach outside of the process.
const OUTGOING: &[(&str, u8, Outgoing)] = &[
    ("external_data", 1, external_data::external_data),
    ("http.send", 1, http::send),
    ("regate.jwks", 2, jwks::jwks),
];

/// Makes those functions, and the guarded ones of the engine, known to an engine that its policies call: each evaluation
/// copies the list of them, and all of them would cost more than a small policy.
pub(super) fn add_to(engine: &mut Engine, is_called: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let functions = FUNCTIONS.iter().chain(&INNER).copied();
    for (name, operands, function) in functions.filter(|(name, _, _)| is_called(name)) {
        engine.add_extension(
            name.to_owned(),
            operands,
            Box::new(move |values: Vec<Value>| answer(name, &values, function)),
        )?;
    }
    for (name, operands, check) in guarded::all().filter(|(name, _, _)| is_called(name)) {
        engine.add_extension(
            name.to_owned(),
            operands,
            Box::new(move |values: Vec<Value>| {
                answer(name, &values, |values| guarded::call(name, check, values))
            }),
        )?;
    }
    for name in WRITTEN_IN.into_iter().filter(|name| is_called(name)) {
        let given = |values: Vec<Value>| Ok(values.into_iter().next().unwrap_or(Value::Undefined));
        engine.add_extension(name.to_owned(), 1, Box::new(given))?;
    }
    Ok(())
}

/// Makes the functions known that reach outside, as far as they may.
pub(super) fn add_outgoing_to(
    engine: &mut Engine,
    is_called: impl Fn(&str) -> bool,
    outside: &Arc<Outside>,
) -> anyhow::Result<()> {
    for (name, operands, function) in OUTGOING.iter().copied().filter(|(name, _, _)| is_called(name)) {
        let outside = Arc::clone(outside);
        engine.add_extension(
            name.to_owned(),
            operands,
            Box::new(move |values: Vec<Value>| answer(name, &values, |values| function(values, &outside))),
        )?;
    }
    Ok(())
}

/// What the engine is told: it takes every error of these functions for the end of the evaluation.
fn answer(
    name: &str,
    values: &[Value],
    function: impl Fn(&[Value]) -> anyhow::Result<Value>,
) -> anyhow::Result<Value> {
    let result = bounded::check_operands(values, name)
        .and_then(|()| function(values))
        .and_then(|value| counted(name, value));
    let evaluation = EVALUATION.get();
    match result {
        Err(error) if error.is::<TooMuch>() || error.is::<Unavailable>() => {
            EVALUATION.set(Evaluation {
                too_much: true,
                ..evaluation
            });
            Err(error)
        }
        Err(_) if evaluation.errors == BuiltinErrors::Undefined => Ok(Value::Undefined),
        result => result,
    }
}

/// Adds what a builtin has made to what the evaluation's builtins have made before.
fn counted(name: &str, value: Value) -> anyhow::Result<Value> {
    // What is read from a text shares nothing with it.
    let depth = if name.ends_with(".unmarshal") || name.starts_with("crypto.x509.") {
        usize::MAX
    } else {
        3
    };
    let evaluation = EVALUATION.get();
    let made = evaluation.made.saturating_add(weight::size(&value, depth));
    if made > MAX_MADE {
        let message = format!("{name}: with it the builtins of this evaluation would make more than 256 MiB");
        return Err(TooMuch(message).into());
    }
    EVALUATION.set(Evaluation { made, ..evaluation });
    Ok(value)
}

/// How many operands a builtin takes, ours and the engine's; `None` for a name that is no builtin here.
pub(crate) fn operands_of(name: &str) -> Option<usize> {
    declared::callable(name).map(|builtin| builtin.operands.len())
}

/// Whether a builtin is of our tables.
pub(crate) fn is_ours(name: &str) -> bool {
    let function = FUNCTIONS.binary_search_by(|(ours, _, _)| (*ours).cmp(name));
    function.is_ok() || OUTGOING.iter().any(|(ours, _, _)| *ours == name) || WRITTEN_IN.contains(&name)
}

/// The builtin whose name is most like this one, if any is much like it.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let all = declared::all_callable().map(|builtin| builtin.name);
    let best = all.map(|have| (strsim::levenshtein(have, name), have)).min()?;
    (best.0 <= 2).then_some(best.1)
}

/// The operand at this place, from 0, of a function that wants a string there.
fn text<'a>(values: &'a [Value], at: usize, function: &str) -> anyhow::Result<&'a str> {
    match values.get(at) {
        Some(Value::String(text)) => Ok(text),
        _ => anyhow::bail!("{function}: operand {} must be a string", at + 1),
    }
}

#[cfg(test)]
mod tests;
