//! PEM blocks as Go finds them in a text.

use crate::policy::engine::builtins::encoding::from_base64;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "\n-----END ";
const DASHES: &str = "-----";

pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    pub(super) bytes: Vec<u8>,
}

/// The first block of a text, and the lines behind it.
pub(super) fn next(text: &str) -> Option<(Block<'_>, &str)> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let end = from + rest.find(END)?;
        let after_end = end + END.len();
        let before = text.get(from..end)?;
        // The last one before the end: those that nothing ends are passed over.
        let begin = before.rfind(BEGIN);
        let at_line_start =
            begin.filter(|at| *at == 0 || before.get(..*at).is_some_and(|b| b.ends_with('\n')));
        if let Some(begin) = at_line_start
            && let Some(block) = block(text, from + begin + BEGIN.len(), end, after_end)
        {
            let (_, rest) = line(text.get(after_end..)?);
            return Some((block, rest));
        }
        from = after_end;
    }
}

/// The block whose label begins at one place and whose end at another.
fn block(text: &str, label: usize, end: usize, after_end: usize) -> Option<Block<'_>> {
    let whole = text.get(label..)?;
    let (first, mut rest) = line(whole);
    let label = first.strip_suffix(DASHES)?;
    let start = |rest: &str| text.len() - rest.len();
    let mut has_headers = false;
    // One that ends where its label does has its line end in common with it.
    while start(rest) <= end {
        let (header, after) = line(rest);
        if !header.contains(':') {
            break;
        }
        has_headers = true;
        rest = after;
    }
    if has_headers && start(rest) > end {
        return None;
    }
    let closing = text.get(after_end..)?.strip_prefix(label)?.strip_prefix(DASHES)?;
    line(closing).0.is_empty().then_some(())?;
    let inside = text.get(start(rest)..end).unwrap_or_default();
    let bytes = from_base64(&inside.replace([' ', '\t'], "")).ok()?;
    Some(Block { label, bytes })
}

/// The first line, without blanks at its end, and the others.
fn line(text: &str) -> (&str, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.strip_suffix('\r').unwrap_or(line);
    (line.trim_end_matches([' ', '\t']), rest)
}
