//! Why a test is not true: the first expression that does not hold, what its parts are, and where both sides of a
//! comparison differ.

use super::case::Place;
use super::difference;
use crate::policy::Document;
use crate::policy::explain::{Definition, Example, Failed, Verdict};

/// Where the bodies of a test fail, the first place first, and the text of it.
pub(super) fn of(definitions: &[Definition]) -> Option<(Place, String)> {
    let mut first = None;
    let mut lines = Vec::new();
    for definition in definitions {
        let place = match &definition.verdict {
            Verdict::Failed(failed) => {
                lines.push(format!("{}: {}", failed.place, failed.text));
                lines.extend(parts(failed));
                &failed.place
            }
            Verdict::Unknown(why) => {
                let place = &definition.place;
                lines.push(format!("{place}: it cannot be told what does not hold: {why}"));
                place
            }
            Verdict::Fired { .. } | Verdict::NotReached => continue,
        };
        first.get_or_insert_with(|| Place {
            file: place.file.clone(),
            line: place.line,
        });
    }
    first.map(|place| (place, lines.join("\n")))
}

fn parts(failed: &Failed) -> Vec<String> {
    let mut lines: Vec<String> = failed.error.iter().map(|error| format!("  {error}")).collect();
    for example in &failed.examples {
        let differ = example
            .sides
            .as_ref()
            .and_then(|(left, right)| differ(left, right));
        match differ {
            Some(difference) => lines.extend(difference.lines().map(|line| format!("  {line}"))),
            None => lines.extend(example.operands.iter().map(|operand| format!("  {operand}"))),
        }
        lines.extend(variables(example));
    }
    let more = failed.ways.saturating_sub(failed.examples.len());
    if more > 0 {
        lines.push(format!("  … and {more} other ways to get there"));
    }
    lines
}

/// The variables that are not told as parts of the expression.
fn variables(example: &Example) -> Option<String> {
    let told = |name: &str| example.operands.iter().any(|operand| operand.text == name);
    let variables = example.variables.iter().filter(|(name, _)| !told(name));
    let variables: Vec<String> = variables
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    (!variables.is_empty()).then(|| format!("  where {}", variables.join(", ")))
}

/// The difference of two values that have parts: what is left of `==` is taken for what there is, what is right of it
/// for what was expected.
fn differ(left: &Document, right: &Document) -> Option<String> {
    let has_parts = |value: &Document| ["array", "object", "set"].contains(&value.kind());
    (has_parts(left) && has_parts(right)).then(|| {
        let (actual, expected) = (difference::lines_of(left), difference::lines_of(right));
        difference::of("expected, right of ==", &expected, "actual, left of ==", &actual)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::explain;

    fn place(line: u32) -> explain::Place {
        explain::Place {
            file: "a_test.rego".to_owned(),
            line,
            column: 2,
        }
    }

    fn definition(line: u32, verdict: Verdict) -> Definition {
        Definition {
            place: place(line),
            head: "test_a".to_owned(),
            verdict,
        }
    }

    fn failed(line: u32, error: Option<&str>, ways: usize) -> Verdict {
        Verdict::Failed(Box::new(Failed {
            place: place(line),
            text: "x == 1".to_owned(),
            error: error.map(str::to_owned),
            ways,
            examples: Vec::new(),
            because: Vec::new(),
        }))
    }

    #[test]
    fn each_body_says_why_it_did_not_hold_and_the_first_says_where() {
        let unknown = |why: &str| Verdict::Unknown(why.to_owned());
        let definitions = [
            definition(1, unknown("no time")),
            definition(3, failed(4, Some("to_number: bad"), 0)),
            definition(6, failed(8, None, 2)),
        ];
        let (at, text) = of(&definitions).unwrap();
        assert_eq!(at.to_string(), "a_test.rego:1");
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "a_test.rego:1:2: it cannot be told what does not hold: no time",
                "a_test.rego:4:2: x == 1",
                "  to_number: bad",
                "a_test.rego:8:2: x == 1",
                "  … and 2 other ways to get there",
            ]
        );
        let (at, _) = of(&definitions[1..]).unwrap();
        assert_eq!(at.to_string(), "a_test.rego:4");
        assert_eq!(of(&[]), None);
    }
}
