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
        match &definition.verdict {
            Verdict::Failed(failed) => {
                let place = Place {
                    file: failed.place.file.clone(),
                    line: failed.place.line,
                };
                lines.push(format!("{}: {}", failed.place, failed.text));
                lines.extend(parts(failed));
                first.get_or_insert(place);
            }
            Verdict::Unknown(why) => {
                lines.push(format!(
                    "{}: it cannot be told what does not hold: {why}",
                    definition.place
                ));
            }
            Verdict::Fired { .. } | Verdict::NotReached => {}
        }
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
