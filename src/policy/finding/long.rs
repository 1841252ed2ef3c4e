//! A finding as people read it at a terminal.

use std::fmt;

use super::Finding;

/// So much of a line is shown, with what is meant inside of it.
const WIDTH: usize = 120;

/// A finding with the line of its file, a caret, its hint and its page; without a line end behind it.
pub struct Long<'a>(pub(super) &'a Finding);

impl fmt::Display for Long<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            line,
            column,
            id,
            message,
            hint,
            source,
            ..
        } = self.0;
        if let Some(place) = self.0.place() {
            write!(f, "{place} ")?;
        }
        write!(f, "{}[{id}]: {message}", id.severity().as_str())?;
        if let (Some(line), Some(source)) = (line, source) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            let (shown, caret) = excerpt(source, column.unwrap_or(1));
            write!(f, "\n{margin} |\n{number} | {shown}")?;
            if column.is_some() {
                write!(f, "\n{margin} | {}^", " ".repeat(caret))?;
            }
        }
        if let Some(hint) = hint {
            write!(f, "\n  help: {hint}")?;
        }
        write!(f, "\n  see {}", id.page())
    }
}

/// What is shown of a line, and how far into it the caret stands. A tab is one space; so is what a terminal obeys.
fn excerpt(line: &str, column: u32) -> (String, usize) {
    let at = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let length = line.chars().count();
    let start = match length > WIDTH {
        true => at.saturating_sub(WIDTH / 2).min(length - WIDTH),
        false => 0,
    };
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = line.chars().skip(start).take(WIDTH).map(printable).collect();
    (shown.trim_end().to_owned(), at.min(length).saturating_sub(start))
}

#[cfg(test)]
mod tests {
    use super::super::Id;
    use super::*;

    fn finding() -> Finding {
        Finding {
            file: Some("policies/a.rego".into()),
            line: Some(4),
            column: Some(3),
            source: Some("  startwith(x, \"a\")".into()),
            ..Finding::new(Id::UnknownFunction, "there is no function `startwith`")
                .hinted("did you mean `startswith`?".to_owned())
        }
    }

    #[test]
    fn the_long_form_shows_the_line_a_caret_the_hint_and_the_page() {
        assert_eq!(
            finding().long().to_string(),
            "policies/a.rego:4:3: error[unknown-function]: there is no function `startwith`\n  \
             |\n4 |   startwith(x, \"a\")\n  |   ^\n  help: did you mean `startswith`?\n  \
             see docs/checks/unknown-function.md"
        );
    }

    #[test]
    fn the_short_form_is_one_line() {
        assert_eq!(
            finding().to_string(),
            "policies/a.rego:4:3: there is no function `startwith`: did you mean `startswith`?"
        );
        assert_eq!(Finding::new(Id::NoPolicies, "none").to_string(), "none");
    }

    #[test]
    fn a_finding_without_a_place_or_a_line_has_no_excerpt() {
        assert_eq!(
            Finding::new(Id::NoPolicies, "none").long().to_string(),
            "error[no-policies]: none\n  see docs/checks/no-policies.md"
        );
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let line = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let (shown, caret) = excerpt(&line, 501);
        assert_eq!(
            (shown.chars().count(), shown.chars().nth(caret)),
            (120, Some('x'))
        );
        let (shown, caret) = excerpt(&line, 1001);
        assert_eq!((shown.len(), caret), (120, 119));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown() {
        assert_eq!(excerpt("\tx\u{1b}[2J\r", 2), (" x [2J".to_owned(), 1));
    }
}
