//! Builtins that the engine lacks, or has in a form that a server cannot use: one table, one function each.
//!
//! A function gets its operands as values and the review's [`Context`]. `Err` is a builtin error and so a fault of the
//! policy; what decodes is the exception, at authn only (see [`Context::lenient_decoding`]).

use std::cell::Cell;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use regorus::unstable::BUILTINS;
use regorus::{Engine, Value};
use sha2::{Digest, Sha256};

use super::json::Document;

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

thread_local! {
    static CONTEXT: Cell<Context> = const { Cell::new(Context { now_ns: 0, seed: 0, lenient_decoding: false }) };
}

/// Sets the context for the evaluations that follow on this thread.
pub(super) fn enter(context: Context) {
    CONTEXT.set(context);
}

type Function = fn(&[Value]) -> anyhow::Result<Value>;

/// Name, number of operands, function. A name that the engine has too is overridden.
const FUNCTIONS: [(&str, u8, Function); 7] = [
    ("base64.decode", 1, base64_decode),
    ("base64url.decode", 1, base64url_decode),
    ("crypto.sha256", 1, sha256),
    ("json.unmarshal", 1, json_unmarshal),
    ("rand.intn", 2, rand_intn),
    ("time.now_ns", 0, now_ns),
    ("uuid.rfc4122", 1, uuid),
];

/// Makes the functions known to an engine.
pub(super) fn add_to(engine: &mut Engine) -> anyhow::Result<()> {
    for (name, operands, function) in FUNCTIONS {
        engine.add_extension(
            name.to_owned(),
            operands,
            Box::new(move |values: Vec<Value>| function(&values)),
        )?;
    }
    Ok(())
}

/// How many operands a builtin takes, ours and the engine's; `None` for a name that is no builtin.
pub(crate) fn operands_of(name: &str) -> Option<usize> {
    let ours = FUNCTIONS
        .into_iter()
        .find(|(ours, _, _)| *ours == name)
        .map(|(_, operands, _)| operands);
    let operands = ours.or_else(|| BUILTINS.get(name).map(|(_, operands)| *operands))?;
    Some(usize::from(operands))
}

/// Whether a builtin is of our table.
pub(crate) fn is_ours(name: &str) -> bool {
    FUNCTIONS.into_iter().any(|(ours, _, _)| ours == name)
}

/// The builtin whose name is most like this one, if any is much like it.
pub(crate) fn nearest(name: &str) -> Option<String> {
    let all = FUNCTIONS
        .into_iter()
        .map(|(ours, _, _)| ours)
        .chain(BUILTINS.keys().copied());
    let best = all.map(|have| (strsim::levenshtein(have, name), have)).min()?;
    (best.0 <= 2).then(|| best.1.to_owned())
}

fn text<'a>(values: &'a [Value], at: usize, function: &str) -> anyhow::Result<&'a str> {
    match values.get(at) {
        Some(Value::String(text)) => Ok(text),
        _ => anyhow::bail!("{function}: operand {} must be a string", at + 1),
    }
}

fn undefined_at_authn(result: anyhow::Result<Value>) -> anyhow::Result<Value> {
    match result {
        Err(_) if CONTEXT.get().lenient_decoding => Ok(Value::Undefined),
        result => result,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(values: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(hex(&Sha256::digest(text(
        values,
        0,
        "crypto.sha256",
    )?))))
}

/// As OPA's: the URL alphabet, with or without padding.
const URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn base64_decode(values: &[Value]) -> anyhow::Result<Value> {
    undefined_at_authn(decode(&STANDARD, values, "base64.decode"))
}

fn base64url_decode(values: &[Value]) -> anyhow::Result<Value> {
    undefined_at_authn(decode(&URL, values, "base64url.decode"))
}

fn decode(alphabet: &GeneralPurpose, values: &[Value], function: &str) -> anyhow::Result<Value> {
    // The operand may be a secret: no part of it goes into the message.
    let bytes = alphabet
        .decode(text(values, 0, function)?)
        .map_err(|_| anyhow::anyhow!("{function}: not base64"))?;
    let text =
        String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{function}: the bytes are not UTF-8"))?;
    Ok(Value::from(text))
}

fn json_unmarshal(values: &[Value]) -> anyhow::Result<Value> {
    let read = || {
        let text = text(values, 0, "json.unmarshal")?;
        let document =
            Document::parse(text.as_bytes()).map_err(|error| anyhow::anyhow!("json.unmarshal: {error}"))?;
        Ok(document.0)
    };
    undefined_at_authn(read())
}

fn now_ns(_: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::from(CONTEXT.get().now_ns))
}

fn random(label: &str, key: &str) -> [u8; 32] {
    let seed = CONTEXT.get().seed.to_le_bytes();
    Sha256::new()
        .chain_update(seed)
        .chain_update(label)
        .chain_update([0])
        .chain_update(key)
        .finalize()
        .into()
}

fn rand_intn(values: &[Value]) -> anyhow::Result<Value> {
    let key = text(values, 0, "rand.intn")?;
    let Some(Value::Number(limit)) = values.get(1) else {
        anyhow::bail!("rand.intn: operand 2 must be a number")
    };
    let Some(limit) = limit.as_i64() else {
        anyhow::bail!("rand.intn: operand 2 must be an integer")
    };
    let [a, b, c, d, e, f, g, h, ..] = random("rand.intn", &format!("{limit}\0{key}"));
    let drawn = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    Ok(Value::from(drawn.checked_rem(limit.unsigned_abs()).unwrap_or(0)))
}

fn uuid(values: &[Value]) -> anyhow::Result<Value> {
    let mut bytes = random("uuid.rfc4122", text(values, 0, "uuid.rfc4122")?);
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    let hex = hex(&bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let uuid = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
    Ok(Value::from(uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(context: Context, expression: &str) -> anyhow::Result<Value> {
        let mut engine = Engine::new();
        add_to(&mut engine)?;
        engine.add_policy("t.rego".into(), format!("package t\nx := {expression}\n"))?;
        enter(context);
        engine.eval_rule("data.t.x".into())
    }

    fn error(expression: &str) -> String {
        eval(Context::default(), expression).unwrap_err().to_string()
    }

    #[test]
    fn sha256_is_lower_case_hex_of_the_text() {
        assert_eq!(
            eval(Context::default(), "crypto.sha256(\"abc\")").unwrap(),
            Value::from("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
        assert!(error("crypto.sha256(1)").contains("crypto.sha256: operand 1 must be a string"));
    }

    #[test]
    fn decoding_rubbish_is_an_error_and_undefined_at_authn() {
        let authn = Context {
            lenient_decoding: true,
            ..Context::default()
        };
        for (expression, message) in [
            ("base64.decode(\"%\")", "base64.decode: not base64"),
            (
                "base64url.decode(\"_w\")",
                "base64url.decode: the bytes are not UTF-8",
            ),
            ("json.unmarshal(\"{\")", "json.unmarshal: not valid JSON"),
        ] {
            assert!(error(expression).contains(message), "{expression}");
            assert_eq!(eval(authn, expression).unwrap(), Value::Undefined, "{expression}");
        }
        assert_eq!(
            eval(authn, "base64url.decode(\"YWI\")").unwrap(),
            Value::from("ab")
        );
        assert_eq!(eval(authn, "base64.decode(\"YWI=\")").unwrap(), Value::from("ab"));
    }

    #[test]
    fn unmarshalled_objects_keep_every_key() {
        let expression = r#"object.keys(json.unmarshal("{\"$serde_json::private::Number\":\"1\"}"))"#;
        let keys = eval(Context::default(), expression).unwrap();
        assert!(
            keys.as_set()
                .unwrap()
                .contains(&Value::from("$serde_json::private::Number"))
        );
    }

    #[test]
    fn time_and_random_values_are_those_of_the_review() {
        let context = Context {
            now_ns: 1_700_000_000_000_000_000,
            seed: 7,
            lenient_decoding: false,
        };
        let other = Context { seed: 8, ..context };
        assert_eq!(
            eval(context, "time.now_ns()").unwrap(),
            Value::from(1_700_000_000_000_000_000_i64)
        );
        for expression in ["uuid.rfc4122(\"a\")", "rand.intn(\"a\", 1000000)"] {
            assert_eq!(
                eval(context, expression).unwrap(),
                eval(context, expression).unwrap()
            );
            assert_ne!(
                eval(context, expression).unwrap(),
                eval(other, expression).unwrap()
            );
        }
        let uuid = eval(context, "uuid.rfc4122(\"a\")").unwrap();
        let uuid = uuid.as_string().unwrap();
        assert_eq!((uuid.len(), uuid.as_bytes()[14]), (36, b'4'));
        assert_eq!(eval(context, "rand.intn(\"a\", 0)").unwrap(), Value::from(0u64));
    }
}
