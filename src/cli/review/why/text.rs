//! The explanation for people: below a decision, what each policy said, and which expression kept it from saying more.

use std::io::{self, Write};

use super::{Asked, Why};
use crate::policy::explain::{Definition, Example, Failed, MAX_TEXT, Verdict};

/// How many definitions of one rule that did not fire are told.
const MAX_FAILED: usize = 20;
/// The same of a rule that another one names.
const MAX_NAMED_FAILED: usize = 5;

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
        self::definitions(out, rule, definitions, MAX_FAILED, 4)?;
    }
    for print in &asked.prints {
        writeln!(out, "    print {}", print.replace('\n', "\n      "))?;
    }
    Ok(())
}

/// Writes the definitions of a rule; of those that did not fire at most so many.
fn definitions(
    out: &mut impl Write,
    rule: &str,
    definitions: &[Definition],
    most: usize,
    indent: usize,
) -> io::Result<()> {
    let failed = |definition: &&Definition| matches!(definition.verdict, Verdict::Failed(_));
    let mut left = most;
    for definition in definitions {
        if failed(&definition) {
            if left == 0 {
                continue;
            }
            left -= 1;
        }
        self::definition(out, rule, definition, indent)?;
    }
    let left_out = definitions.iter().filter(failed).count().saturating_sub(most);
    if left_out > 0 {
        writeln!(out, "{:indent$}… {left_out} more of {rule} that did not fire", "")?;
    }
    Ok(())
}

fn definition(out: &mut impl Write, rule: &str, definition: &Definition, indent: usize) -> io::Result<()> {
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
    writeln!(
        out,
        "{:indent$}{sign} {}:{}  {head}{of}",
        "", place.file, place.line
    )?;
    let indent = indent + 4;
    match verdict {
        Verdict::Fired { values, count } => {
            for value in values {
                writeln!(out, "{:indent$}{}", "", value.notation(MAX_TEXT))?;
            }
            if *count > values.len() {
                writeln!(out, "{:indent$}… {} more", "", count - values.len())?;
            }
            Ok(())
        }
        Verdict::Failed(failed) => self::failed(out, failed, indent),
        Verdict::NotReached => writeln!(out, "{:indent$}not reached: what stands before it held", ""),
        Verdict::Unknown(why) => writeln!(out, "{:indent$}cannot be told: {why}", ""),
    }
}

/// The expression that kept a definition from firing, and its values.
fn failed(out: &mut impl Write, failed: &Failed, indent: usize) -> io::Result<()> {
    let Failed {
        place,
        text,
        error,
        ways,
        examples,
        because,
    } = failed;
    let error = error
        .as_ref()
        .map(|error| format!("  fails: {error}"))
        .unwrap_or_default();
    writeln!(out, "{:indent$}line {}: {text}{error}", "", place.line)?;
    let indent = indent + 2;
    for example in examples {
        self::example(out, example, indent)?;
    }
    if *ways > examples.len() {
        writeln!(
            out,
            "{:indent$}… and {} other ways to get there",
            "",
            ways - examples.len()
        )?;
    }
    for named in because {
        definitions(out, &named.rule, &named.definitions, MAX_NAMED_FAILED, indent)?;
    }
    Ok(())
}

fn example(out: &mut impl Write, example: &Example, indent: usize) -> io::Result<()> {
    for operand in &example.operands {
        writeln!(out, "{:indent$}{operand}", "")?;
    }
    // What was told as an operand need not be told twice.
    let told = |name: &str| example.operands.iter().any(|operand| operand.text == name);
    let variables = example.variables.iter().filter(|(name, _)| !told(name));
    let variables: Vec<String> = variables
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    if !variables.is_empty() {
        writeln!(out, "{:indent$}where {}", "", variables.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Document;
    use crate::policy::explain::{Named, Place};

    fn place(line: u32) -> Place {
        Place {
            file: "a.rego".to_owned(),
            line,
            column: 1,
        }
    }

    fn definition(line: u32, head: &str, verdict: Verdict) -> Definition {
        Definition {
            place: place(line),
            head: head.to_owned(),
            verdict,
        }
    }

    fn failed() -> Failed {
        Failed {
            place: place(9),
            text: "input.a".to_owned(),
            error: None,
            ways: 0,
            examples: Vec::new(),
            because: Vec::new(),
        }
    }

    /// This many definitions that did not fire.
    fn failing(count: usize) -> Vec<Definition> {
        vec![definition(1, "deny contains 1", Verdict::Failed(Box::new(failed()))); count]
    }

    fn written(definitions: &[Definition]) -> String {
        let mut out = Vec::new();
        super::definitions(&mut out, "deny", definitions, MAX_FAILED, 0).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_came_of_a_definition_is_told_below_its_head() {
        let fired = |count| Verdict::Fired {
            values: vec![Document::text("x"), Document::text("y")],
            count,
        };
        let with_ways = |ways| {
            let mut failed = failed();
            let variables = vec![("c".to_owned(), "1".to_owned())];
            failed.ways = ways;
            failed.examples = vec![Example {
                variables,
                ..Example::default()
            }];
            Verdict::Failed(Box::new(failed))
        };
        for (head, verdict, told) in [
            (
                "deny contains x",
                fired(2),
                "✓ a.rego:3  deny contains x\n    \"x\"\n    \"y\"\n",
            ),
            (
                "deny contains x",
                fired(7),
                "✓ a.rego:3  deny contains x\n    \"x\"\n    \"y\"\n    … 5 more\n",
            ),
            (
                "else := 2",
                Verdict::NotReached,
                "- a.rego:3  else := 2 of deny\n    not reached: what stands before it held\n",
            ),
            (
                "deny contains x",
                Verdict::Unknown("no time".to_owned()),
                "? a.rego:3  deny contains x\n    cannot be told: no time\n",
            ),
            (
                "deny contains x",
                with_ways(1),
                "✗ a.rego:3  deny contains x\n    line 9: input.a\n      where c = 1\n",
            ),
            (
                "deny contains x",
                with_ways(4),
                "✗ a.rego:3  deny contains x\n    line 9: input.a\n      where c = 1\n      \
                 … and 3 other ways to get there\n",
            ),
        ] {
            assert_eq!(written(&[definition(3, head, verdict)]), told);
        }
    }

    #[test]
    fn of_many_definitions_that_did_not_fire_the_first_are_told_and_how_many_there_are_more() {
        let all = failing(MAX_FAILED);
        let text = written(&all);
        assert_eq!(text.matches("✗ ").count(), MAX_FAILED);
        assert!(!text.contains('…'), "{text}");

        let fired = Verdict::Fired {
            values: Vec::new(),
            count: 0,
        };
        let more = [
            failing(MAX_FAILED + 3),
            vec![definition(2, "deny contains 2", fired)],
        ]
        .concat();
        let text = written(&more);
        assert_eq!(text.matches("✗ ").count(), MAX_FAILED);
        // What did fire is told wherever it stands.
        assert!(
            text.ends_with("\n✓ a.rego:2  deny contains 2\n… 3 more of deny that did not fire\n"),
            "{text}"
        );
    }

    #[test]
    fn of_a_rule_that_another_one_names_fewer_are_told() {
        let mut failed = failed();
        failed.because = vec![Named {
            rule: "wanted".to_owned(),
            definitions: failing(MAX_NAMED_FAILED + 1),
        }];
        let text = written(&[definition(
            3,
            "deny contains x",
            Verdict::Failed(Box::new(failed)),
        )]);
        assert_eq!(text.matches("\n      ✗ ").count(), MAX_NAMED_FAILED, "{text}");
        assert!(
            text.ends_with("\n      … 1 more of wanted that did not fire\n"),
            "{text}"
        );
    }
}
