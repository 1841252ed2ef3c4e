//! Texts for a terminal: what reviews, policies and file names hold is shown, and never obeyed.
//!
//! Called by the commands that print what others wrote. Reports for programs have escapes of their own and need none of
//! this.

/// The text with its line ends and tabs, and spaces for all else that a terminal obeys.
pub(super) fn printable(text: &str) -> String {
    let printable = |c: char| {
        if c.is_control() && c != '\n' && c != '\t' {
            ' '
        } else {
            c
        }
    };
    text.chars().map(printable).collect()
}

/// The text on one line, with spaces for what a terminal obeys.
pub(super) fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_a_space() {
        assert_eq!(printable("a\u{1b}[2J\u{9b}\r\n\tä"), "a [2J  \n\tä");
        assert_eq!(one_line("a\u{1b}\nb\tc"), "a  b c");
    }
}
