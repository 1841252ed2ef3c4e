//! `sprintf` as OPA prints it, which is as Go's `fmt` does: all verbs and flags, and what Go writes where a format and
//! its operands do not fit. The engine's own is an error there and would take the message of a denial with it.
//!
//! Only of an integer beyond 64 bits neither the inside is shown, which `%w` asks for, nor the address, as by `%p`.

mod directive;
mod float;
mod verb;

use std::borrow::Cow;

use regorus::Value;

use self::directive::{Cursor, Spec};
use super::bounded::{self, Bounded};
use super::{term, text};

const NAME: &str = "sprintf";

pub(super) fn sprintf(values: &[Value]) -> anyhow::Result<Value> {
    let format = text(values, 0, NAME)?;
    let Some(Value::Array(operands)) = values.get(1) else {
        anyhow::bail!("{NAME}: operand 2 must be an array");
    };
    let mut texts = 0usize;
    let operand = |value| {
        let operand = Operand::of(value)?;
        // One value may stand in the place of many.
        if let Operand::Text(Cow::Owned(text)) = &operand {
            texts = texts.saturating_add(text.len());
            bounded::check(texts, NAME)?;
        }
        Ok(operand)
    };
    let operands: Vec<Operand<'_>> = operands.iter().map(operand).collect::<anyhow::Result<_>>()?;
    let printer = Printer {
        operands: &operands,
        next: 0,
        out_of_order: false,
        out: Bounded::new(NAME),
    };
    Ok(Value::from(printer.print(format)?))
}

/// An operand as OPA hands it on: whatever is neither a number nor a string as its text.
enum Operand<'a> {
    /// Beyond 64 bits.
    Big(Big),
    Float(f64),
    Int(i64),
    Text(Cow<'a, str>),
}

/// An integer beyond 64 bits with a sign.
struct Big {
    negative: bool,
    binary: String,
    octal: String,
    decimal: String,
    hexadecimal: String,
}

impl<'a> Operand<'a> {
    fn of(value: &'a Value) -> anyhow::Result<Self> {
        let number = match value {
            Value::String(text) => return Ok(Operand::Text(Cow::Borrowed(text))),
            Value::Number(number) => number,
            composite => {
                let mut text = Bounded::new(NAME);
                term::write(composite, &mut text)?;
                return Ok(Operand::Text(Cow::Owned(text.into_text())));
            }
        };
        // The engine's own arithmetic makes integers of floats that are whole; what is still a float was written so.
        if let Some(float) = term::float(value) {
            return Ok(Operand::Float(float));
        }
        if let Some(int) = number.as_i64() {
            return Ok(Operand::Int(int));
        }
        let unsigned = |digits: String| digits.trim_start_matches('-').to_owned();
        Ok(Operand::Big(Big {
            negative: !number.is_positive(),
            binary: unsigned(number.format_bin()),
            octal: unsigned(number.format_octal()),
            decimal: unsigned(number.format_decimal()),
            hexadecimal: unsigned(number.format_hex()),
        }))
    }

    /// Go's name of its type.
    const fn type_name(&self) -> &'static str {
        match self {
            Operand::Big(_) => "*big.Int",
            Operand::Float(_) => "float64",
            Operand::Int(_) => "int64",
            Operand::Text(_) => "string",
        }
    }
}

/// One call under way.
struct Printer<'a> {
    operands: &'a [Operand<'a>],
    next: usize,
    /// Whether the format picked operands by number: then those left over are not told.
    out_of_order: bool,
    out: Bounded,
}

impl<'a> Printer<'a> {
    fn print(mut self, format: &str) -> anyhow::Result<String> {
        let mut rest = format;
        while let Some((literal, directive)) = rest.split_once('%') {
            self.out.push(literal)?;
            rest = self.directive(directive)?;
        }
        self.out.push(rest)?;
        self.left_over()?;
        Ok(self.out.into_text())
    }

    /// Prints what stands behind a `%`; gives what follows it.
    fn directive<'f>(&mut self, text: &'f str) -> anyhow::Result<&'f str> {
        let mut cursor = Cursor::new(text);
        let mut spec = Spec::default();
        cursor.flags(&mut spec);
        self.index(&mut cursor);
        self.width(&mut cursor, &mut spec)?;
        self.precision(&mut cursor, &mut spec)?;
        if !cursor.after_index {
            self.index(&mut cursor);
        }
        let Some(verb) = cursor.next() else {
            self.out.push("%!(NOVERB)")?;
            return Ok("");
        };
        if verb == '%' {
            self.out.push("%")?;
        } else if cursor.bad_index {
            self.out.push(&format!("%!{verb}(BADINDEX)"))?;
        } else if let Some(operand) = self.operands.get(self.next) {
            if matches!(verb, 'v' | 'w') {
                spec.of_value();
            }
            verb::print(operand, verb, &spec, &mut self.out)?;
            self.next += 1;
        } else {
            self.out.push(&format!("%!{verb}(MISSING)"))?;
        }
        Ok(cursor.rest)
    }

    /// `[n]` picks the operand that comes next.
    fn index(&mut self, cursor: &mut Cursor<'_>) {
        let Some(index) = cursor.index() else {
            cursor.after_index = false;
            return;
        };
        self.out_of_order = true;
        cursor.after_index = index.is_whole;
        match index.number.and_then(|number| number.checked_sub(1)) {
            Some(number) if number < self.operands.len() => self.next = number,
            _ => cursor.bad_index = true,
        }
    }

    fn width(&mut self, cursor: &mut Cursor<'_>, spec: &mut Spec) -> anyhow::Result<()> {
        if cursor.take('*') {
            let width = self.size();
            if width.is_none() {
                self.out.push("%!(BADWIDTH)")?;
            }
            if width.is_some_and(i64::is_negative) {
                spec.minus = true;
                spec.zero = false;
            }
            spec.width = width
                .map(|width| usize::try_from(width.unsigned_abs()))
                .transpose()?;
            cursor.after_index = false;
        } else {
            spec.width = cursor.number();
            cursor.bad_index |= cursor.after_index && spec.width.is_some();
        }
        Ok(())
    }

    fn precision(&mut self, cursor: &mut Cursor<'_>, spec: &mut Spec) -> anyhow::Result<()> {
        // A point at the very end is taken for the verb.
        if cursor.rest == "." || !cursor.take('.') {
            return Ok(());
        }
        cursor.bad_index |= cursor.after_index;
        self.index(cursor);
        if cursor.take('*') {
            spec.precision = self.size().and_then(|precision| usize::try_from(precision).ok());
            if spec.precision.is_none() {
                self.out.push("%!(BADPREC)")?;
            }
            cursor.after_index = false;
        } else {
            spec.precision = Some(cursor.number().unwrap_or(0));
        }
        Ok(())
    }

    /// The operand that `*` takes for a width or a precision.
    fn size(&mut self) -> Option<i64> {
        let operand = self.operands.get(self.next)?;
        self.next += 1;
        match operand {
            Operand::Int(size) if size.unsigned_abs() <= directive::LARGEST as u64 => Some(*size),
            _ => None,
        }
    }

    fn left_over(&mut self) -> anyhow::Result<()> {
        let Some(left_over @ [_, ..]) = self.operands.get(self.next..).filter(|_| !self.out_of_order) else {
            return Ok(());
        };
        self.out.push("%!(EXTRA ")?;
        for (number, operand) in left_over.iter().enumerate() {
            self.out.push(if number > 0 { ", " } else { "" })?;
            self.out.push(operand.type_name())?;
            self.out.push("=")?;
            verb::print(operand, 'v', &Spec::default(), &mut self.out)?;
        }
        self.out.push(")")
    }
}
