//! Values as OPA writes them into texts: Rego's own notation, strings quoted as Go quotes them.

use regorus::Value;

use super::bounded::Bounded;
use super::original;

/// Writes a value: sets and objects in the order of their members.
pub(super) fn write(value: &Value, out: &mut Bounded) -> anyhow::Result<()> {
    match value {
        Value::Null => out.push("null"),
        Value::Bool(value) => out.push(if *value { "true" } else { "false" }),
        Value::Number(number) => match float(value) {
            Some(float) => out.push(&decimal(float)),
            None => out.push(&number.format_decimal()),
        },
        Value::String(text) => {
            out.room(text.len())?;
            out.push(&quoted(text)?)
        }
        Value::Array(items) => listed(items.iter(), ("[", "]"), out),
        Value::Set(items) if items.is_empty() => out.push("set()"),
        Value::Set(items) => listed(items.iter_sorted(), ("{", "}"), out),
        Value::Object(members) => {
            out.push("{")?;
            for (number, (key, member)) in members.iter_sorted().enumerate() {
                out.push(if number > 0 { ", " } else { "" })?;
                write(key, out)?;
                out.push(": ")?;
                write(member, out)?;
            }
            out.push("}")
        }
        Value::Undefined => out.push("undefined"),
    }
}

fn listed<'a>(
    items: impl Iterator<Item = &'a Value>,
    (open, close): (&str, &str),
    out: &mut Bounded,
) -> anyhow::Result<()> {
    out.push(open)?;
    for (number, item) in items.enumerate() {
        out.push(if number > 0 { ", " } else { "" })?;
        write(item, out)?;
    }
    out.push(close)
}

/// A number that the engine holds as a float, whole or not: its arithmetic makes integers of whole floats, so that what
/// is still one was written with a point.
pub(super) fn float(value: &Value) -> Option<f64> {
    let Value::Number(number) = value else {
        return None;
    };
    // Of whole numbers only floats are given places here, and only those beyond 2^53 are no integers of any size.
    let is_float = !number.is_integer()
        || number.format_decimal_with_width(1).contains('.')
        || number.as_big().is_none();
    number.as_f64().filter(|_| is_float)
}

/// A float as it most likely stood in the document: OPA keeps the digits that it read.
fn decimal(float: f64) -> String {
    match float.abs() {
        0.0 => "0.0".into(),
        size if !(1e-6..1e21).contains(&size) => format!("{float:e}"),
        _ if float.fract() == 0.0 => format!("{float:.1}"),
        _ => format!("{float}"),
    }
}

/// A string in double quotes, with what cannot be printed escaped.
pub(super) fn quoted(text: &str) -> anyhow::Result<String> {
    if text.is_ascii() {
        return Ok(quoted_as_ascii(text));
    }
    // The engine knows which characters Go prints.
    let operands = [Value::from("%q"), Value::from(vec![Value::from(text)])];
    match original::call("sprintf", &operands)? {
        Value::String(quoted) => Ok(quoted.to_string()),
        _ => anyhow::bail!("sprintf: not a string"),
    }
}

/// The same with everything escaped that is not ASCII.
pub(super) fn quoted_as_ascii(text: &str) -> String {
    let inner = text.chars().map(|c| escaped(c, '"'));
    std::iter::once("\"".to_owned())
        .chain(inner)
        .chain(["\"".to_owned()])
        .collect()
}

/// A character in single quotes.
pub(super) fn quoted_character(character: char, as_ascii: bool) -> anyhow::Result<String> {
    if !as_ascii && !character.is_ascii() && is_printed(character)? {
        return Ok(format!("'{character}'"));
    }
    Ok(format!("'{}'", escaped(character, '\'')))
}

/// Whether Go prints the character as it is.
pub(super) fn is_printed(character: char) -> anyhow::Result<bool> {
    match character {
        ' '..='~' => Ok(true),
        _ if character.is_ascii() => Ok(false),
        _ => Ok(quoted(&character.to_string())? == format!("\"{character}\"")),
    }
}

/// The character in a text between these quotes; printable ASCII as it is.
fn escaped(character: char, quote: char) -> String {
    match character {
        '\u{7}' => "\\a".into(),
        '\u{8}' => "\\b".into(),
        '\u{c}' => "\\f".into(),
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        '\u{b}' => "\\v".into(),
        '\\' => "\\\\".into(),
        _ if character == quote => format!("\\{quote}"),
        ' '..='~' => character.into(),
        _ if character.is_ascii() => format!("\\x{:02x}", u32::from(character)),
        _ if u32::from(character) < 0x1_0000 => format!("\\u{:04x}", u32::from(character)),
        _ => format!("\\U{:08x}", u32::from(character)),
    }
}
