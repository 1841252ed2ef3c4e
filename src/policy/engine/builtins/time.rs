//! Times and durations in the forms that OPA reads and the engine does not, or panics on.

use std::collections::BTreeMap;

use regorus::Value;

use super::{original, text};

/// Layouts as the engine can read them. It takes them byte by byte and panics where that splits a character; since
/// what is not ASCII only stands for itself, such characters are put as control characters, and back.
struct Layouts {
    free: Vec<char>,
    stand_ins: BTreeMap<char, char>,
}

impl Layouts {
    fn new() -> Self {
        Layouts {
            free: ('\u{1}'..='\u{8}').chain('\u{e}'..='\u{1f}').collect(),
            stand_ins: BTreeMap::new(),
        }
    }

    fn ascii(&mut self, text: &str, function: &str) -> anyhow::Result<Value> {
        let ascii: Option<String> = text.chars().map(|c| self.stand_in(c)).collect();
        let problem = || anyhow::anyhow!("{function}: control characters, or too many that are not ASCII");
        ascii.map(Value::from).ok_or_else(problem)
    }

    fn stand_in(&mut self, character: char) -> Option<char> {
        if character.is_ascii() {
            return (!character.is_ascii_control()).then_some(character);
        }
        if let Some(stand_in) = self.stand_ins.get(&character) {
            return Some(*stand_in);
        }
        let stand_in = self.free.pop()?;
        self.stand_ins.insert(character, stand_in);
        Some(stand_in)
    }

    fn restored(&self, text: &str) -> String {
        let original = |c: char| self.stand_ins.iter().find(|(_, stand_in)| **stand_in == c);
        text.chars()
            .map(|c| original(c).map_or(c, |(original, _)| *original))
            .collect()
    }
}

/// `time.parse_ns(layout, value)`
pub(super) fn parse_ns(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "time.parse_ns";
    let (layout, value) = (text(values, 0, NAME)?, text(values, 1, NAME)?);
    if layout.is_ascii() && value.is_ascii() {
        return original::call(NAME, values);
    }
    let mut layouts = Layouts::new();
    let operands = [layouts.ascii(layout, NAME)?, layouts.ascii(value, NAME)?];
    original::call(NAME, &operands)
}

/// `time.parse_rfc3339_ns(text)`, as strict as OPA's: capital letters between date, time and zone, no leap seconds.
pub(super) fn parse_rfc3339_ns(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "time.parse_rfc3339_ns";
    let text = text(values, 0, NAME)?;
    let separated = text.get(10..11) == Some("T") && !text.contains('z');
    if !separated || text.get(17..19) == Some("60") {
        anyhow::bail!("{NAME}: not a time of RFC 3339");
    }
    original::call(NAME, values)
}

/// `time.format(ns)`, `time.format([ns, zone])`, `time.format([ns, zone, layout])`
pub(super) fn format(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "time.format";
    let parts = match values.first() {
        Some(Value::Array(parts)) => parts,
        _ => return original::call(NAME, values),
    };
    let Some(Value::String(layout)) = parts.get(2).filter(|layout| !is_ascii(layout)) else {
        return original::call(NAME, values);
    };
    let mut layouts = Layouts::new();
    let layout = layouts.ascii(layout, NAME)?;
    let parts: Vec<Value> = parts.iter().take(2).cloned().chain([layout]).collect();
    match original::call(NAME, &[Value::from(parts)])? {
        Value::String(formatted) => Ok(Value::from(layouts.restored(&formatted))),
        formatted => Ok(formatted),
    }
}

fn is_ascii(value: &Value) -> bool {
    matches!(value, Value::String(text) if text.is_ascii())
}

const NS_PER_SECOND: i128 = 1_000_000_000;
const NS_PER_DAY: i128 = 86_400 * NS_PER_SECOND;

/// `time.add_date(ns, years, months, days)`: a date that a month does not have runs over into the next, so that a year
/// after a 29th of February is a 1st of March; there the engine has no value.
pub(super) fn add_date(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "time.add_date";
    let number = |at: usize| match values.get(at) {
        Some(Value::Number(number)) => number.as_i64().map(i128::from),
        _ => None,
    };
    let (Some(years), Some(months), Some(days)) = (number(1), number(2), number(3)) else {
        anyhow::bail!("{NAME}: operands 2 to 4 must be integers");
    };
    let (ns, zone) = match values.first() {
        Some(Value::Array(parts)) => (parts.get(0), parts.get(1)),
        ns => (ns, None),
    };
    let Some(Value::Number(ns)) = ns else {
        anyhow::bail!("{NAME}: operand 1 must be a number, or an array of a number and a time zone");
    };
    let Some(ns) = ns.as_i64().map(i128::from) else {
        anyhow::bail!("{NAME}: operand 1 is out of range");
    };
    let ([year, month, day], clock) = local(ns, zone)?;
    let months = month - 1 + months;
    let first = days_before(year + years + months.div_euclid(12), months.rem_euclid(12) + 1);
    let wanted = (first + day - 1 + days) * NS_PER_DAY + clock;
    // The zone may be another hour away from UTC on the other date.
    let mut moved = wanted;
    for _ in 0..2 {
        moved = wanted - offset(moved, zone)?;
    }
    match i64::try_from(moved) {
        Ok(moved) => Ok(Value::from(moved)),
        Err(_) => anyhow::bail!("{NAME}: time outside of valid range"),
    }
}

/// The date in a time zone, and the nanoseconds since its midnight.
fn local(ns: i128, zone: Option<&Value>) -> anyhow::Result<([i128; 3], i128)> {
    let Ok(at) = i64::try_from(ns) else {
        anyhow::bail!("time.add_date: time outside of valid range");
    };
    let at: Vec<Value> = std::iter::once(Value::from(at)).chain(zone.cloned()).collect();
    let operands = [Value::from(at)];
    let date = three(&original::call("time.date", &operands)?)?;
    let [hours, minutes, seconds] = three(&original::call("time.clock", &operands)?)?;
    let seconds = (hours * 60 + minutes) * 60 + seconds;
    Ok((date, seconds * NS_PER_SECOND + ns.rem_euclid(NS_PER_SECOND)))
}

/// How far the zone is ahead of UTC.
fn offset(ns: i128, zone: Option<&Value>) -> anyhow::Result<i128> {
    let ([year, month, day], clock) = local(ns, zone)?;
    Ok((days_before(year, month) + day - 1) * NS_PER_DAY + clock - ns)
}

fn three(numbers: &Value) -> anyhow::Result<[i128; 3]> {
    let numbers: Vec<i128> = match numbers {
        Value::Array(items) => items
            .iter()
            .filter_map(|item| match item {
                Value::Number(number) => number.as_i128(),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    <[i128; 3]>::try_from(numbers).map_err(|_| anyhow::anyhow!("time.add_date: not a date"))
}

/// Days from the first of January 1970 to the first of a month. Years are counted from March, so that the leap day is
/// the last of its year.
fn days_before(year: i128, month: i128) -> i128 {
    let (year, months) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // Five months from March on have 153 days, whichever they are.
    year * 365 + leap_days + (153 * months + 2).div_euclid(5) - 719_468
}

/// `time.parse_duration_ns(duration)`, with days, weeks and years of 365 days. The engine panics on some texts.
pub(super) fn parse_duration_ns(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "time.parse_duration_ns";
    let duration = text(values, 0, NAME)?;
    let unsigned = duration.strip_prefix(['+', '-']).unwrap_or(duration);
    let total = match unsigned {
        "0" => Some(0),
        _ => nanoseconds(unsigned),
    };
    // One more fits below zero.
    let total = total.and_then(|total| match duration.starts_with('-') {
        true => 0i64.checked_sub_unsigned(total),
        false => i64::try_from(total).ok(),
    });
    match total {
        Some(total) => Ok(Value::from(total)),
        None => anyhow::bail!("{NAME}: not a duration, or one of more than 292 years"),
    }
}

/// The sum of amounts like `1.5h`; at least one.
fn nanoseconds(duration: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut rest = duration;
    loop {
        let unit_begins = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (amount, behind) = rest.split_at_checked(unit_begins)?;
        let unit_ends = behind.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, behind) = behind.split_at_checked(unit_ends.unwrap_or(behind.len()))?;
        let amount = match unit {
            // OPA turns the long units into hours by way of a float.
            "d" => part(&in_hours(amount, 24.0)?, HOUR)?,
            "w" => part(&in_hours(amount, 7.0 * 24.0)?, HOUR)?,
            "y" => part(&in_hours(amount, 365.0 * 24.0)?, HOUR)?,
            "h" => part(amount, HOUR)?,
            "m" => part(amount, HOUR / 60)?,
            "s" => part(amount, 1_000_000_000)?,
            "ms" => part(amount, 1_000_000)?,
            "us" | "µs" | "μs" => part(amount, 1000)?,
            "ns" => part(amount, 1)?,
            _ => return None,
        };
        total = total.checked_add(amount)?;
        if behind.is_empty() {
            return Some(total);
        }
        rest = behind;
    }
}

/// In nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

fn in_hours(amount: &str, hours: f64) -> Option<String> {
    let hours = amount.parse::<f64>().ok()? * hours;
    Some(format!("{hours}"))
}

/// Whole and fraction of an amount of one unit; what is below a nanosecond is cut off. OPA takes the fraction as a
/// float, of as many digits as fit in 63 bits.
fn part(amount: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.is_empty() && fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = match whole {
        "" => 0,
        whole => whole.parse().ok()?,
    };
    let (mut digits, mut scale) = (0u64, 1.0f64);
    for digit in fraction.bytes().map(|byte| u64::from(byte - b'0')) {
        let longer = digits
            .checked_mul(10)
            .and_then(|digits| digits.checked_add(digit));
        match longer.filter(|longer| *longer <= 1 << 63) {
            Some(longer) => (digits, scale) = (longer, scale * 10.0),
            None => break,
        }
    }
    let below = digits as f64 * (unit as f64 / scale);
    whole.checked_mul(unit)?.checked_add(below as u64)
}
