//! Exact arithmetic on integers of any size, as values: the engine does not name its type of numbers.

use regorus::Value;

/// The integer with these decimal digits.
pub(super) fn of(digits: &str) -> anyhow::Result<Value> {
    Value::from_numeric_string(digits)
}

/// `10` to this power.
pub(super) fn power_of_ten(exponent: usize) -> anyhow::Result<Value> {
    of(&format!("1{}", "0".repeat(exponent)))
}

pub(super) fn times(a: &Value, b: &Value) -> anyhow::Result<Value> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(Value::from(a.mul(b)?)),
        _ => Err(not_a_number()),
    }
}

pub(super) fn plus(a: &Value, b: &Value) -> anyhow::Result<Value> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(Value::from(a.add(b)?)),
        _ => Err(not_a_number()),
    }
}

/// Quotient, rounded towards zero, and remainder.
pub(super) fn divided(a: &Value, b: &Value) -> anyhow::Result<(Value, Value)> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let remainder = a.clone().modulo(b)?;
            let quotient = a.sub(&remainder)?.divide(b)?;
            Ok((Value::from(quotient), Value::from(remainder)))
        }
        _ => Err(not_a_number()),
    }
}

/// `a` times 2 to this power.
pub(super) fn shifted(a: &Value, bits: u64) -> anyhow::Result<Value> {
    match (a, Value::from(bits)) {
        (Value::Number(a), Value::Number(bits)) => a.lsh(&bits).map(Value::from).ok_or_else(not_a_number),
        _ => Err(not_a_number()),
    }
}

/// How many bits the integer has, without its sign.
pub(super) fn bits(a: &Value) -> anyhow::Result<u64> {
    match a {
        Value::Number(a) => a.as_big().map(|big| big.bits()).ok_or_else(not_a_number),
        _ => Err(not_a_number()),
    }
}

/// The decimal digits of an integer.
pub(super) fn digits(a: &Value) -> anyhow::Result<String> {
    match a {
        Value::Number(a) => Ok(a.format_decimal()),
        _ => Err(not_a_number()),
    }
}

fn not_a_number() -> anyhow::Error {
    anyhow::anyhow!("not an integer")
}
