//! `units.parse` and `units.parse_bytes`: quantities like `1.5Gi`, exactly as OPA reads them.
//!
//! What OPA keeps as a decimal with ten digits is a float here, as all decimals are.

use regorus::Value;

use super::numbers::check_size;
use super::{integer, text};

/// What a suffix multiplies by.
#[derive(Clone, Copy)]
struct Unit {
    factor: u64,
    /// Times 2 to the power of minus this.
    halvings: u64,
}

const fn unit(factor: u64) -> Option<Unit> {
    Some(Unit { factor, halvings: 0 })
}

/// OPA's milli is the float 0.001, which is this fraction: 1000m is not quite the integer 1.
const MILLI: Unit = Unit {
    factor: 0x0010_624d_d2f1_a9fc,
    halvings: 62,
};

fn power(letter: &str, of_two: bool) -> Option<Unit> {
    let power = match letter {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    unit(if of_two {
        1 << (10 * power)
    } else {
        1000u64.pow(power)
    })
}

/// `units.parse(amount)`: of resources, where `m` is milli and `M` is mega.
pub(super) fn parse(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "units.parse";
    let amount = Amount::read(&text(values, 0, NAME)?.replace('"', ""), NAME)?;
    let mut letters = amount.unit.chars();
    let first: String = letters.by_ref().take(1).collect();
    let rest = letters.as_str().to_lowercase();
    let unit = match (first.as_str(), rest.as_str()) {
        ("", _) => unit(1),
        ("m", "") => Some(MILLI),
        (_, "") => power(&first.to_ascii_lowercase(), false),
        (_, "i") => power(&first.to_ascii_lowercase(), true),
        _ => None,
    };
    let Some(unit) = unit else {
        anyhow::bail!("{NAME}: unit {first}{rest} not recognized");
    };
    let (numerator, denominator) = amount.fraction(unit)?;
    match integer::divided(&numerator, &denominator)? {
        (whole, rest) if rest == Value::from(0) => amount.signed(&integer::digits(&whole)?),
        _ => {
            // Ten decimals, halves away from zero.
            let scaled = integer::times(&numerator, &integer::power_of_ten(10)?)?;
            let doubled = integer::plus(&integer::times(&scaled, &Value::from(2))?, &denominator)?;
            let (rounded, _) = integer::divided(&doubled, &integer::times(&denominator, &Value::from(2))?)?;
            amount.signed(&format!("{}e-10", integer::digits(&rounded)?))
        }
    }
}

/// `units.parse_bytes(amount)`: of bytes, in any case of letters; fractions of a byte are cut off.
pub(super) fn parse_bytes(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "units.parse_bytes";
    let text = text(values, 0, NAME)?.to_lowercase().replace('"', "");
    let amount = Amount::read(&text, NAME)?;
    let short = amount.unit.strip_suffix('b').filter(|letter| !letter.is_empty());
    let short = short.unwrap_or(&amount.unit);
    let factor = match short.strip_suffix('i') {
        _ if short.is_empty() => unit(1),
        Some(letter) => power(letter, true),
        None => power(short, false),
    };
    let Some(Unit { factor, .. }) = factor else {
        anyhow::bail!("{NAME}: byte unit {} not recognized", amount.unit);
    };
    let (numerator, denominator) = amount.fraction(Unit {
        factor: 1,
        halvings: 0,
    })?;
    let (mantissa, exponent) = rounded(&numerator, &denominator)?;
    let (mantissa, more) = rounded(
        &Value::from(u128::from(mantissa) * u128::from(factor)),
        &Value::from(1),
    )?;
    let exponent = exponent + more;
    let bytes = match (u64::try_from(exponent), u32::try_from(exponent.unsigned_abs())) {
        (Ok(bits), _) => integer::shifted(&Value::from(mantissa), bits)?,
        (Err(_), Ok(bits)) => Value::from(mantissa.checked_shr(bits).unwrap_or(0)),
        (Err(_), Err(_)) => Value::from(0),
    };
    amount.signed(&integer::digits(&bytes)?)
}

/// The fraction as a number of 64 bits times a power of two, as OPA's floats are: nearest, ties to even.
fn rounded(numerator: &Value, denominator: &Value) -> anyhow::Result<(u64, i64)> {
    if *numerator == Value::from(0) {
        return Ok((0, 0));
    }
    // Two or three bits more than are kept.
    let shift = 66 + i64::try_from(integer::bits(denominator)?)? - i64::try_from(integer::bits(numerator)?)?;
    let (up, down) = (
        u64::try_from(shift).unwrap_or(0),
        u64::try_from(-shift).unwrap_or(0),
    );
    let numerator = integer::shifted(numerator, up)?;
    let (quotient, rest) = integer::divided(&numerator, &integer::shifted(denominator, down)?)?;
    let quotient = match quotient {
        Value::Number(number) => number.as_u128(),
        _ => None,
    };
    let quotient = quotient.ok_or_else(|| anyhow::anyhow!("not a number"))?;
    let dropped = (u128::BITS - quotient.leading_zeros()).saturating_sub(u64::BITS);
    let (kept, half) = (quotient >> dropped, (1u128 << dropped) >> 1);
    let low = quotient & ((1u128 << dropped) - 1);
    let up = low > half || (low == half && dropped > 0 && (rest != Value::from(0) || kept & 1 == 1));
    let exponent = i64::from(dropped) - shift;
    let kept = kept + u128::from(up);
    Ok(match u64::try_from(kept) {
        Ok(kept) => (kept, exponent),
        Err(_) => (1 << 63, exponent + 1),
    })
}

/// An amount taken apart.
struct Amount {
    negative: bool,
    /// Without the point.
    digits: String,
    /// The power of ten that the digits are multiplied by.
    exponent: i64,
    unit: String,
}

impl Amount {
    fn read(text: &str, function: &str) -> anyhow::Result<Self> {
        if text.contains(' ') {
            anyhow::bail!("{function}: spaces not allowed in resource strings");
        }
        let (number, unit) = number_and_unit(text);
        if number.is_empty() {
            anyhow::bail!("{function}: no amount provided");
        }
        check_size(number, function)?;
        let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()),
            None => (unsigned, Some(0)),
        };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{decimals}");
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let Some(exponent) = exponent.filter(|_: &i64| is_number) else {
            anyhow::bail!("{function}: could not parse amount to a number");
        };
        Ok(Amount {
            negative: number.starts_with('-'),
            digits,
            exponent: exponent - i64::try_from(decimals.len())?,
            unit: unit.to_owned(),
        })
    }

    /// Its absolute value in these units, as a fraction of integers.
    fn fraction(&self, unit: Unit) -> anyhow::Result<(Value, Value)> {
        let digits = integer::times(&integer::of(&self.digits)?, &Value::from(unit.factor))?;
        let one = integer::shifted(&Value::from(1), unit.halvings)?;
        let power = integer::power_of_ten(usize::try_from(self.exponent.unsigned_abs())?)?;
        Ok(if self.exponent < 0 {
            (digits, integer::times(&one, &power)?)
        } else {
            (integer::times(&digits, &power)?, one)
        })
    }

    /// The number of these digits with the sign of the amount.
    fn signed(&self, digits: &str) -> anyhow::Result<Value> {
        let sign = if self.negative { "-" } else { "" };
        integer::of(&format!("{sign}{digits}"))
    }
}

/// Where the number ends: at the first character that is of none, an `e` without an exponent included.
fn number_and_unit(text: &str) -> (&str, &str) {
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let exponent = |next: char| next.is_ascii_digit() || matches!(next, '+' | '-');
        let goes_on = match c {
            'e' | 'E' => characters.peek().is_some_and(|(_, next)| exponent(*next)),
            _ => c.is_ascii_digit() || matches!(c, '.' | '+' | '-'),
        };
        if !goes_on {
            return text.split_at(at);
        }
    }
    (text, "")
}
