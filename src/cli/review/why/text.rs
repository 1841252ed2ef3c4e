//! The explanation for people: below a decision, what each policy said, and which expression kept it from saying more.

use std::io::{self, Write};

use super::{Asked, Why};
use crate::policy::explain::{Definition, Example, Failed, MAX_TEXT, Verdict};

/// How many definitions of one rule that did not fire are told.
const MAX_FAILED: usize = 20;

/// Writes it all, indented below the decision.
pub(in crate::cli::review) fn write(out: &mut impl Write, why: &Why) -> io::Result<()> {
    for asked in &why.asked {
        policy(out, asked)?;
    }
    for excepted in &why.excepted {
        writeln!(
            out,
            "  not asked: {}, by an exception: {}",
            excepted.policy, excepted.reason
        )?;
    }
    for (policy, misfit) in &why.not_asked {
        writeln!(
            out,
            "  not asked: {policy}: its match.{} is {}, the review has {}",
            misfit.key, misfit.wanted, misfit.found
        )?;
    }
    for line in why.diff.iter().flat_map(|diff| diff.lines()) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn policy(out: &mut impl Write, asked: &Asked) -> io::Result<()> {
    let micros = asked.took.as_micros();
    writeln!(
        out,
        "  asked: {} ({}) in {micros} µs",
        asked.policy,
        asked.enforcement.as_str()
    )?;
    if let Some(fault) = &asked.fault {
        writeln!(out, "    fault: {fault}")?;
    }
    for (rule, definitions) in &asked.rules {
        let (mut failed, mut left_out) = (0, 0);
        for definition in definitions {
            failed += usize::from(matches!(definition.verdict, Verdict::Failed(_)));
            if failed > MAX_FAILED && matches!(definition.verdict, Verdict::Failed(_)) {
                left_out += 1;
                continue;
            }
            self::definition(out, rule, definition)?;
        }
        if left_out > 0 {
            writeln!(out, "    … {left_out} more of {rule} that did not fire")?;
        }
    }
    for print in &asked.prints {
        writeln!(out, "    print {print}")?;
    }
    Ok(())
}

fn definition(out: &mut impl Write, rule: &str, definition: &Definition) -> io::Result<()> {
    let Definition { place, head, verdict } = definition;
    let sign = match verdict {
        Verdict::Fired { .. } => "✓",
        Verdict::Failed(_) => "✗",
        Verdict::NotReached => "-",
        Verdict::Unknown(_) => "?",
    };
    // An `else` does not say whose it is.
    let of = if head.starts_with("else") {
        format!(" of {rule}")
    } else {
        String::new()
    };
    writeln!(out, "    {sign} {}:{}  {head}{of}", place.file, place.line)?;
    match verdict {
        Verdict::Fired { values, count } => {
            for value in values {
                writeln!(out, "        {}", value.notation(MAX_TEXT))?;
            }
            if *count > values.len() {
                writeln!(out, "        … {} more", count - values.len())?;
            }
            Ok(())
        }
        Verdict::Failed(failed) => self::failed(out, failed),
        Verdict::NotReached => writeln!(out, "        not reached: what stands before it held"),
        Verdict::Unknown(why) => writeln!(out, "        cannot be told: {why}"),
    }
}

/// The expression that kept a definition from firing, and its values.
fn failed(out: &mut impl Write, failed: &Failed) -> io::Result<()> {
    let Failed {
        place,
        text,
        error,
        ways,
        examples,
    } = failed;
    let error = error
        .as_ref()
        .map(|error| format!("  fails: {error}"))
        .unwrap_or_default();
    writeln!(out, "        line {}: {text}{error}", place.line)?;
    for example in examples {
        self::example(out, example)?;
    }
    if *ways > examples.len() {
        writeln!(
            out,
            "          … and {} other ways to get there",
            ways - examples.len()
        )?;
    }
    Ok(())
}

fn example(out: &mut impl Write, example: &Example) -> io::Result<()> {
    for operand in &example.operands {
        writeln!(out, "          {operand}")?;
    }
    // What was told as an operand need not be told twice.
    let told = |name: &str| example.operands.iter().any(|operand| operand.text == name);
    let variables = example.variables.iter().filter(|(name, _)| !told(name));
    let variables: Vec<String> = variables
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    if !variables.is_empty() {
        writeln!(out, "          where {}", variables.join(", "))?;
    }
    Ok(())
}
