//! One operand under one verb.

use super::directive::Spec;
use super::{Big, Operand, float};
use crate::policy::engine::builtins::bounded::{self, Bounded};
use crate::policy::engine::builtins::term;

/// Prints an operand, or what Go prints where the verb does not fit it.
pub(super) fn print(operand: &Operand<'_>, verb: char, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    match (operand, verb) {
        (_, 'T') => cut_and_padded(operand.type_name(), spec, out),
        (_, 'p' | 'w') => does_not_fit(operand, verb, spec, out),
        (Operand::Big(big), _) => print_big(big, verb, spec, out),
        (Operand::Float(value), _) => match verb {
            'v' | 'b' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'x' | 'X' => {
                float::print(*value, verb, spec, out)
            }
            _ => does_not_fit(operand, verb, spec, out),
        },
        (Operand::Int(value), _) => match verb {
            'v' | 'd' => integer(*value, &value.unsigned_abs().to_string(), verb, spec, out),
            'b' => integer(*value, &format!("{:b}", value.unsigned_abs()), verb, spec, out),
            'o' | 'O' => integer(*value, &format!("{:o}", value.unsigned_abs()), verb, spec, out),
            'x' => integer(*value, &format!("{:x}", value.unsigned_abs()), verb, spec, out),
            'X' => integer(*value, &format!("{:X}", value.unsigned_abs()), verb, spec, out),
            'c' => padded(&character(*value).to_string(), spec, out),
            'q' => padded(&term::quoted_character(character(*value), spec.plus)?, spec, out),
            'U' => unicode(*value, spec, out),
            _ => does_not_fit(operand, verb, spec, out),
        },
        (Operand::Text(text), _) => match verb {
            'v' if spec.sharp_value => quoted(text, spec, out),
            'v' | 's' => cut_and_padded(text, spec, out),
            'q' => quoted(text, spec, out),
            'x' => hexadecimal(text, "0x", spec, out),
            'X' => hexadecimal(text, "0X", spec, out),
            _ => does_not_fit(operand, verb, spec, out),
        },
    }
}

fn does_not_fit(operand: &Operand<'_>, verb: char, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    out.push(&format!("%!{verb}({}=", operand.type_name()))?;
    print(operand, 'v', spec, out)?;
    out.push(")")
}

/// A text in its width, in characters.
pub(super) fn padded(text: &str, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if spec.minus {
        out.push(text)?;
        return out.repeat(' ', missing);
    }
    out.repeat(if spec.zero { '0' } else { ' ' }, missing)?;
    out.push(text)
}

/// The same for what is never filled up with zeros here.
pub(super) fn padded_with_spaces(text: &str, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    let spec = Spec { zero: false, ..*spec };
    padded(text, &spec, out)
}

/// Zeros that a precision or a width asks for.
pub(super) fn zeros(count: usize) -> anyhow::Result<String> {
    bounded::check(count, super::NAME)?;
    Ok("0".repeat(count))
}

/// The sign that is shown.
pub(super) const fn sign(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.plus, spec.space) {
        (true, _, _) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

fn integer(value: i64, digits: &str, verb: char, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    if value == 0 && spec.precision == Some(0) {
        return padded_with_spaces(
            "",
            &Spec {
                minus: false,
                ..*spec
            },
            out,
        );
    }
    let sign = sign(value < 0, spec);
    let least = match (spec.precision, spec.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if spec.zero && !spec.minus => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let zeros = zeros(least.saturating_sub(digits.len()))?;
    let prefix = match verb {
        'b' if spec.sharp => "0b",
        'o' | 'O' if spec.sharp && zeros.is_empty() && !digits.starts_with('0') => "0",
        'x' if spec.sharp => "0x",
        'X' if spec.sharp => "0X",
        _ => "",
    };
    let octal = if verb == 'O' { "0o" } else { "" };
    padded_with_spaces(&format!("{sign}{octal}{prefix}{zeros}{digits}"), spec, out)
}

fn print_big(big: &Big, verb: char, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    let upper = big.hexadecimal.to_ascii_uppercase();
    let sharp = spec.sharp || spec.sharp_value;
    let (digits, prefix) = match verb {
        'b' => (&big.binary, if sharp { "0b" } else { "" }),
        'o' => (&big.octal, if sharp { "0" } else { "" }),
        'O' => (&big.octal, "0o"),
        'd' | 's' | 'v' => (&big.decimal, ""),
        'x' => (&big.hexadecimal, if sharp { "0x" } else { "" }),
        'X' => (&upper, if sharp { "0X" } else { "" }),
        _ => {
            let sign = if big.negative { "-" } else { "" };
            return out.push(&format!("%!{verb}(big.Int={sign}{})", big.decimal));
        }
    };
    let plus = spec.plus || spec.plus_value;
    let sign = sign(big.negative, &Spec { plus, ..*spec });
    let printed = sign.len() + prefix.len() + digits.len();
    let zeros = match spec.precision {
        Some(precision) => zeros(precision.saturating_sub(digits.len()))?,
        None if spec.zero && !spec.minus => zeros(spec.width.unwrap_or(0).saturating_sub(printed))?,
        None => String::new(),
    };
    padded_with_spaces(&format!("{sign}{prefix}{zeros}{digits}"), spec, out)
}

/// What is no character of Unicode is the replacement character.
fn character(value: i64) -> char {
    let code = u32::try_from(value).ok();
    code.and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn unicode(value: i64, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    let digits = format!("{value:X}");
    let least = spec.precision.unwrap_or(0).max(4);
    let zeros = zeros(least.saturating_sub(digits.len()))?;
    let shown = u32::try_from(value).ok().and_then(char::from_u32);
    let shown = match shown {
        Some(shown) if spec.sharp && term::is_printed(shown)? => format!(" '{shown}'"),
        _ => String::new(),
    };
    padded_with_spaces(&format!("U+{zeros}{digits}{shown}"), spec, out)
}

/// The characters that a precision leaves.
fn cut<'t>(text: &'t str, spec: &Spec) -> &'t str {
    let end = spec.precision.and_then(|most| text.char_indices().nth(most));
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn cut_and_padded(text: &str, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    padded(cut(text, spec), spec, out)
}

fn quoted(text: &str, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    let text = cut(text, spec);
    out.room(text.len())?;
    let fits_raw = |c: char| c == '\t' || !(c.is_ascii_control() || matches!(c, '`' | '\u{feff}'));
    if spec.sharp && text.chars().all(fits_raw) {
        return padded(&format!("`{text}`"), spec, out);
    }
    let quoted = if spec.plus {
        term::quoted_as_ascii(text)
    } else {
        term::quoted(text)?
    };
    padded(&quoted, spec, out)
}

/// The bytes of a text, `prefix` before the first, or before each where they stand apart.
fn hexadecimal(text: &str, prefix: &str, spec: &Spec, out: &mut Bounded) -> anyhow::Result<()> {
    let upper = prefix == "0X";
    let byte = |byte: u8| match upper {
        true => format!("{byte:02X}"),
        false => format!("{byte:02x}"),
    };
    let bytes = text.bytes().take(spec.precision.unwrap_or(usize::MAX));
    bounded::check(bytes.len().saturating_mul(5), super::NAME)?;
    let prefix = if spec.sharp { prefix } else { "" };
    let printed = if spec.space {
        let bytes: Vec<String> = bytes.map(|value| format!("{prefix}{}", byte(value))).collect();
        bytes.join(" ")
    } else {
        let digits: String = bytes.map(byte).collect();
        if digits.is_empty() {
            digits
        } else {
            format!("{prefix}{digits}")
        }
    };
    // Nothing to print is filled up on the left, whatever the flags say.
    let minus = spec.minus && !printed.is_empty();
    let zero = spec.zero && !spec.minus;
    padded(&printed, &Spec { minus, zero, ..*spec }, out)
}
