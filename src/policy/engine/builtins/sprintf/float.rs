//! Floats in the forms of Go: decimal, with exponent, the shorter of both, and by their bits.

use super::directive::Spec;
use super::verb::{padded, padded_with_spaces, sign, zeros};
use crate::policy::engine::builtins::bounded::Bounded;

/// More digits than any float has behind its point.
const MOST_DIGITS: usize = 1100;

pub(super) fn print(value: f64, verb: char, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    let verb = match verb {
        'v' => 'g',
        'F' => 'f',
        verb => verb,
    };
    let sign = sign(value.is_sign_negative(), spec);
    if !value.is_finite() {
        return padded_with_spaces(&format!("{sign}{value}"), spec, out);
    }
    let value = value.abs();
    let mut digits = match verb {
        'b' => bits(value),
        'x' | 'X' => hexadecimal(value, spec.precision)?,
        'e' | 'E' => with_exponent(&Decimal::rounded(value, places(spec) + 1), places(spec))?,
        'f' => fixed(value, places(spec))?,
        _ => shorter(value, spec.precision)?,
    };
    if spec.sharp && verb != 'b' {
        digits = with_point(&digits, verb, spec.precision)?;
    }
    if verb.is_ascii_uppercase() {
        digits.make_ascii_uppercase();
    }
    let printed = sign.len() + digits.len();
    // Zeros stand behind the sign.
    if !sign.is_empty() && spec.zero && !spec.minus && spec.width.is_some_and(|width| width > printed) {
        let zeros = zeros(spec.width.unwrap_or(0).saturating_sub(printed))?;
        return out.push(&format!("{sign}{zeros}{digits}"));
    }
    padded(&format!("{sign}{digits}"), spec, out)
}

/// Digits behind the point where none are asked for.
fn places(spec: &Spec) -> usize {
    spec.precision.unwrap_or(6)
}

/// `0.digits` times ten to the power of `point`; no digits for zero, none of them a zero at the end.
struct Decimal {
    digits: String,
    point: i32,
}

impl Decimal {
    /// As few digits as tell the float from its neighbours.
    fn shortest(value: f64) -> Self {
        Self::read(&format!("{value:e}"))
    }

    /// The nearest with this many digits.
    fn rounded(value: f64, digits: usize) -> Self {
        let places = digits.saturating_sub(1).min(MOST_DIGITS);
        Self::read(&format!("{value:.places$e}"))
    }

    fn read(text: &str) -> Self {
        let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let digits = digits.replace('.', "");
        let digits = digits.trim_end_matches('0').to_owned();
        let point = match digits.as_str() {
            "" => 0,
            _ => exponent.parse::<i32>().unwrap_or_default() + 1,
        };
        Decimal { digits, point }
    }
}

fn with_exponent(decimal: &Decimal, places: usize) -> anyhow::Result<String> {
    let mut digits = decimal.digits.chars();
    let first = digits.next().unwrap_or('0');
    let exponent = if decimal.digits.is_empty() {
        0
    } else {
        decimal.point - 1
    };
    let rest = digits.as_str();
    let zeros = zeros(places.saturating_sub(rest.len()))?;
    let point = if places > 0 { "." } else { "" };
    let sign = if exponent < 0 { '-' } else { '+' };
    let exponent = exponent.unsigned_abs();
    Ok(format!("{first}{point}{rest}{zeros}e{sign}{exponent:02}"))
}

fn fixed(value: f64, places: usize) -> anyhow::Result<String> {
    let exact = places.min(MOST_DIGITS);
    let zeros = zeros(places - exact)?;
    Ok(format!("{value:.exact$}{zeros}"))
}

/// `%g`: with an exponent where that is very small or not less than the number of digits.
fn shorter(value: f64, precision: Option<usize>) -> anyhow::Result<String> {
    let wanted = precision.map(|precision| precision.max(1));
    let decimal = match wanted {
        Some(wanted) => Decimal::rounded(value, wanted),
        None => Decimal::shortest(value),
    };
    let count = decimal.digits.len();
    let before_point = usize::try_from(decimal.point).unwrap_or(0);
    let limit = match wanted {
        Some(wanted) if wanted > count && count >= before_point => count,
        Some(wanted) => wanted,
        None => 6,
    };
    let exponent = decimal.point - 1;
    if exponent < -4 || i64::from(exponent) >= i64::try_from(limit)? {
        return with_exponent(&decimal, count.saturating_sub(1));
    }
    let places = i64::try_from(count)? - i64::from(decimal.point);
    fixed_of(&decimal, usize::try_from(places).unwrap_or(0))
}

/// The decimal's digits with this many places, without an exponent.
fn fixed_of(decimal: &Decimal, places: usize) -> anyhow::Result<String> {
    let before = usize::try_from(decimal.point).unwrap_or(0);
    let leading = usize::try_from(-decimal.point).unwrap_or(0).min(places);
    let (whole, fraction) = decimal
        .digits
        .split_at_checked(before)
        .unwrap_or((&decimal.digits, ""));
    let whole = format!("{whole}{}", zeros(before.saturating_sub(whole.len()))?);
    let whole = if whole.is_empty() { "0" } else { &whole };
    let fraction = format!("{}{fraction}", zeros(leading)?);
    Ok(if places > 0 {
        format!("{whole}.{fraction}")
    } else {
        whole.to_owned()
    })
}

/// Mantissa and exponent of the bits, the mantissa as an integer.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match i32::try_from(bits >> 52 & 0x7ff).unwrap_or_default() {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent - 1075),
    }
}

fn bits(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    format!("{mantissa}p{exponent:+}")
}

/// `%x`: one digit before the point; rounded to nearest, ties to even.
fn hexadecimal(value: f64, precision: Option<usize>) -> anyhow::Result<String> {
    let (mut mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = -52;
    } else {
        // A subnormal float has no leading one yet.
        let shift = mantissa.leading_zeros().saturating_sub(11);
        mantissa <<= shift;
        exponent -= i32::try_from(shift)?;
    }
    if let Some(dropped) = precision.and_then(|precision| 13usize.checked_sub(precision)) {
        let unit = 1u64 << (4 * dropped);
        let rest = mantissa % unit;
        mantissa -= rest;
        if 2 * rest > unit || (2 * rest == unit && mantissa & unit != 0) {
            mantissa += unit;
        }
        if mantissa >> 53 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let digits = match precision {
        Some(precision) => {
            let zeros = zeros(precision.saturating_sub(digits.len()))?;
            digits.chars().take(precision).collect::<String>() + &zeros
        }
        None => digits.trim_end_matches('0').to_owned(),
    };
    let point = if digits.is_empty() { "" } else { "." };
    let exponent = exponent + 52;
    let sign = if exponent < 0 { '-' } else { '+' };
    let exponent = exponent.unsigned_abs();
    Ok(format!("0x{}{point}{digits}p{sign}{exponent:02}", mantissa >> 52))
}

/// The flag `#`: always a point, and `%g` keeps the zeros behind it.
fn with_point(digits: &str, verb: char, precision: Option<usize>) -> anyhow::Result<String> {
    let exponent = match verb {
        'x' | 'X' => digits.find('p'),
        _ => digits.find('e'),
    };
    let (number, exponent) = digits.split_at(exponent.unwrap_or(digits.len()));
    let wanted = match verb {
        'g' | 'G' | 'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let significant = number
        .chars()
        .filter(|c| *c != '.')
        .skip_while(|c| *c == '0')
        .count();
    let has_point = number.contains('.');
    let counted = significant + usize::from(!has_point && number == "0");
    let point = if has_point { "" } else { "." };
    let zeros = zeros(wanted.saturating_sub(counted))?;
    Ok(format!("{number}{point}{zeros}{exponent}"))
}
