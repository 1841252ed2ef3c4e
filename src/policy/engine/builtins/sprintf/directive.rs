//! What may stand between a `%` and its verb.

/// The greatest width or precision that is taken from an operand.
pub(super) const LARGEST: usize = 1_000_000;

/// Flags, width and precision of a directive.
#[derive(Clone, Copy, Default)]
pub(super) struct Spec {
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`: there the flag is not about signs.
    pub(super) plus_value: bool,
    /// `%#v`: Go's own notation.
    pub(super) sharp_value: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

impl Spec {
    /// The verbs of whole values read `+` and `#` in their own way.
    pub(super) const fn of_value(&mut self) {
        self.plus_value = self.plus;
        self.sharp_value = self.sharp;
        self.plus = false;
        self.sharp = false;
    }
}

/// The part of a format that is not read yet.
pub(super) struct Cursor<'f> {
    pub(super) rest: &'f str,
    /// Whether what was read last was a whole `[n]`.
    pub(super) after_index: bool,
    /// Whether an index was out of range, unreadable or out of place.
    pub(super) bad_index: bool,
}

/// `[n]`
pub(super) struct Index {
    /// The number, if it is one.
    pub(super) number: Option<usize>,
    /// Whether it is a number in closed brackets, in range or not.
    pub(super) is_whole: bool,
}

impl<'f> Cursor<'f> {
    pub(super) const fn new(rest: &'f str) -> Self {
        Cursor {
            rest,
            after_index: false,
            bad_index: false,
        }
    }

    pub(super) fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    pub(super) fn flags(&mut self, spec: &mut Spec) {
        loop {
            let flag = match self.rest.chars().next() {
                Some('-') => &mut spec.minus,
                Some('+') => &mut spec.plus,
                Some('#') => &mut spec.sharp,
                Some(' ') => &mut spec.space,
                Some('0') => &mut spec.zero,
                _ => return,
            };
            *flag = true;
            self.next();
        }
    }

    /// A decimal number. One that is too large swallows the rest of the format, as Go's does.
    pub(super) fn number(&mut self) -> Option<usize> {
        let (number, rest) = leading_number(self.rest);
        self.rest = rest;
        number
    }

    /// The index that comes next, if there is a bracket. Without an end, and of `[]` at the end, only the bracket is
    /// read.
    pub(super) fn index(&mut self) -> Option<Index> {
        let inner = self.rest.strip_prefix('[')?;
        let Some((number, rest)) = inner.split_once(']').filter(|_| inner != "]") else {
            self.rest = inner;
            return Some(Index {
                number: None,
                is_whole: false,
            });
        };
        self.rest = rest;
        let (number, behind) = leading_number(number);
        let number = number.filter(|_| behind.is_empty());
        Some(Index {
            number,
            is_whole: number.is_some(),
        })
    }
}

fn leading_number(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let mut number = None;
    for digit in digits.bytes() {
        let so_far = number.unwrap_or(0);
        if so_far > LARGEST {
            return (None, "");
        }
        number = Some(so_far * 10 + usize::from(digit - b'0'));
    }
    (number, rest)
}
