//! Ranges, shifts and conversions that small operands cannot make endless.

use regorus::Value;

use super::{TooMuch, integer, original};

/// The longest range.
const MAX_ITEMS: u128 = 100_000;

/// The most bits of a number that still has a JSON form.
pub(super) const MAX_BITS: u64 = 1023;

/// The most digits, and the greatest exponent, of a text that becomes a number: converting is not linear.
const MAX_DIGITS: usize = 1000;

fn whole(values: &[Value], at: usize, function: &str) -> anyhow::Result<i128> {
    match values.get(at) {
        Some(Value::Number(number)) if number.is_integer() => number
            .as_i128()
            .ok_or_else(|| TooMuch(format!("{function}: operand {} is beyond 128 bits", at + 1)).into()),
        Some(Value::Number(_)) => anyhow::bail!("{function}: operand {} must be an integer", at + 1),
        _ => anyhow::bail!("{function}: operand {} must be a number", at + 1),
    }
}

/// `numbers.range(a, b)`: from a to b, both included, upwards or downwards.
pub(super) fn range(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "numbers.range";
    counted(whole(values, 0, NAME)?, whole(values, 1, NAME)?, 1, NAME)
}

/// `numbers.range_step(a, b, step)`.
pub(super) fn range_step(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "numbers.range_step";
    let (from, to) = (whole(values, 0, NAME)?, whole(values, 1, NAME)?);
    let step = whole(values, 2, NAME)?;
    if step <= 0 {
        anyhow::bail!("{NAME}: step must be a positive integer");
    }
    counted(from, to, step, NAME)
}

fn counted(from: i128, to: i128, step: i128, function: &str) -> anyhow::Result<Value> {
    let steps = from.abs_diff(to) / step.unsigned_abs();
    if steps >= MAX_ITEMS {
        let message = format!("{function}: the range has more than {MAX_ITEMS} items");
        return Err(TooMuch(message).into());
    }
    let step = if from <= to { step } else { -step };
    let next = |at: &i128| at.checked_add(step);
    let items = std::iter::successors(Some(from), next);
    let count = usize::try_from(steps)?.saturating_add(1);
    Ok(Value::from(
        items.take(count).map(Value::from).collect::<Vec<_>>(),
    ))
}

/// `bits.lsh(a, n)`.
pub(super) fn shift_left(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "bits.lsh";
    let Some(value @ Value::Number(number)) = values.first() else {
        anyhow::bail!("{NAME}: operand 1 must be a number");
    };
    if !number.is_integer() {
        anyhow::bail!("{NAME}: operand 1 must be an integer");
    }
    let shift = whole(values, 1, NAME)?;
    if shift < 0 {
        anyhow::bail!("{NAME}: operand 2 must not be negative");
    }
    let shift = u64::try_from(shift).unwrap_or(u64::MAX);
    match integer::bits(value)? {
        0 => Ok(Value::from(0)),
        bits if bits.saturating_add(shift) > MAX_BITS => Err(too_many_bits(NAME)),
        _ => integer::shifted(value, shift),
    }
}

pub(super) fn too_many_bits(function: &str) -> anyhow::Error {
    TooMuch(format!("{function}: the result has more than {MAX_BITS} bits")).into()
}

/// `bits.rsh(a, n)`; the engine has no value for shifts beyond 32 bits.
pub(super) fn shift_right(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "bits.rsh";
    let shift = whole(values, 1, NAME)?.min(i128::from(u32::MAX));
    let operands: Vec<Value> = values
        .iter()
        .take(1)
        .cloned()
        .chain([Value::from(shift)])
        .collect();
    original::call(NAME, &operands)
}

/// `to_number(a)`. The engine reads a text as a whole JSON document, and a text like `1e1000000000` for ever.
pub(super) fn to_number(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "to_number";
    match values.first() {
        Some(Value::Null) => Ok(Value::from(0)),
        Some(Value::Bool(value)) => Ok(Value::from(u64::from(*value))),
        Some(number @ Value::Number(_)) => Ok(number.clone()),
        Some(Value::String(text)) => {
            number(text)?.ok_or_else(|| anyhow::anyhow!("{NAME}: the text is not a number"))
        }
        _ => anyhow::bail!("{NAME}: operand 1 must be null, a boolean, a number or a string"),
    }
}

/// The number that a text is: an integer exactly, anything else as a float.
fn number(text: &str) -> anyhow::Result<Option<Value>> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        check_size(text, "to_number")?;
        return integer::of(text).map(Some);
    }
    // Words like `inf` and `nan` are floats for the parser, but no numbers.
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Ok(None);
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    Ok(number.map(Value::from))
}

/// Refuses a number's text that would become a huge number.
pub(super) fn check_size(text: &str, function: &str) -> anyhow::Result<()> {
    let exponent = text.split_once(['e', 'E']).map(|(_, exponent)| exponent);
    let huge = exponent
        .and_then(|exponent| exponent.parse::<i128>().ok())
        .is_some_and(|exponent| exponent.unsigned_abs() > MAX_DIGITS as u128);
    if text.len() > MAX_DIGITS || huge {
        let message = format!("{function}: the number has more than {MAX_DIGITS} digits");
        return Err(TooMuch(message).into());
    }
    Ok(())
}
