//! A reader of DER that takes and refuses what Go's does.
//!
//! What is a certificate to one reader and none to another is how checks are passed by, so the parsers of certificates
//! read through this one and not through a more or less tolerant one. Each step gives nothing where the bytes are wrong.

pub(super) const BOOLEAN: u8 = 1;
pub(super) const INTEGER: u8 = 2;
pub(super) const BIT_STRING: u8 = 3;
pub(super) const OCTET_STRING: u8 = 4;
pub(super) const OBJECT_IDENTIFIER: u8 = 6;
pub(super) const UTC_TIME: u8 = 23;
pub(super) const GENERALIZED_TIME: u8 = 24;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The tag of a field with this number.
pub(super) const fn field(number: u8) -> u8 {
    0x80 | number
}

/// The same of one that holds others.
pub(super) const fn group(number: u8) -> u8 {
    0xa0 | number
}

/// The parts of an object identifier.
pub(super) type Oid = Vec<u32>;

/// What is left to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Der<'a>(pub(super) &'a [u8]);

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    /// With its tag and length.
    pub(super) whole: &'a [u8],
    pub(super) content: Der<'a>,
}

/// A string of bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// How many bits at the end of the last byte are none of the string.
    unused: u32,
}

impl<'a> Der<'a> {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_next(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The next value, whatever it is.
    pub(super) fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, after) = self.0.split_first()?;
        let (&first, after) = after.split_first()?;
        // Tags of several bytes do not occur.
        (tag & 0x1f != 0x1f).then_some(())?;
        let (length, header) = match first {
            ..=0x7f => (usize::from(first), 2),
            0x81..=0x84 => {
                let count = usize::from(first & 0x7f);
                let bytes = after.get(..count)?;
                let length = bytes
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                // Only the shortest form is DER.
                (length >= 0x80 && bytes.first() != Some(&0)).then_some(())?;
                (length, 2 + count)
            }
            _ => return None,
        };
        let (whole, rest) = self.0.split_at_checked(header.checked_add(length)?)?;
        let content = Der(whole.get(header..)?);
        self.0 = rest;
        Some(Element { tag, whole, content })
    }

    /// The next value, which must have this tag.
    pub(super) fn element(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// What is in the next value, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<Der<'a>> {
        Some(self.element(tag)?.content)
    }

    /// The same of a value that may be missing.
    pub(super) fn optional(&mut self, tag: u8) -> Option<Option<Der<'a>>> {
        match self.is_next(tag) {
            true => self.take(tag).map(Some),
            false => Some(None),
        }
    }

    pub(super) fn boolean(&mut self) -> Option<bool> {
        match self.take(BOOLEAN)?.0 {
            [0] => Some(false),
            [0xff] => Some(true),
            _ => None,
        }
    }

    /// The bytes of an integer of any size, in two's complement.
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        shortest(self.take(INTEGER)?)
    }

    pub(super) fn small_integer(&mut self) -> Option<i64> {
        small(self.integer()?)
    }

    /// An integer that stands under another tag.
    pub(super) fn integer_as(&mut self, tag: u8) -> Option<i64> {
        small(shortest(self.take(tag)?)?)
    }

    pub(super) fn bits(&mut self) -> Option<Bits<'a>> {
        let (&unused, bytes) = self.take(BIT_STRING)?.0.split_first()?;
        let unused = u32::from(unused);
        let of_last = match bytes.last() {
            Some(last) => u32::from(*last).trailing_zeros() >= unused,
            None => unused == 0,
        };
        (unused <= 7 && of_last).then_some(Bits { bytes, unused })
    }

    pub(super) fn oid(&mut self) -> Option<Oid> {
        oid(self.take(OBJECT_IDENTIFIER)?.0)
    }
}

/// An integer in its shortest form.
fn shortest(content: Der<'_>) -> Option<&[u8]> {
    match content.0 {
        [] | [0, 0..0x80, ..] | [0xff, 0x80..=0xff, ..] => None,
        bytes => Some(bytes),
    }
}

fn small(bytes: &[u8]) -> Option<i64> {
    let is_negative = bytes.first()? & 0x80 != 0;
    let start = if is_negative { -1 } else { 0 };
    (bytes.len() <= 8).then(|| {
        bytes
            .iter()
            .fold(start, |value, byte| value << 8 | i64::from(*byte))
    })
}

/// The parts of an identifier, each within 31 bits.
pub(super) fn oid(bytes: &[u8]) -> Option<Oid> {
    let mut parts = Vec::new();
    let mut bytes = bytes.iter();
    while let Some(mut byte) = bytes.next() {
        let mut part = 0u32;
        (*byte != 0x80).then_some(())?;
        while byte & 0x80 != 0 {
            part = part << 7 | u32::from(byte & 0x7f);
            (part < 1 << 24).then_some(())?;
            byte = bytes.next()?;
        }
        part = part << 7 | u32::from(*byte);
        if parts.is_empty() {
            let first = (part / 40).min(2);
            parts.push(first);
            part -= first * 40;
        }
        parts.push(part);
    }
    (!parts.is_empty()).then_some(parts)
}

impl<'a> Bits<'a> {
    /// The bytes of a string that ends with a byte.
    pub(super) fn whole_bytes(&self) -> Option<&'a [u8]> {
        (self.unused == 0).then_some(self.bytes)
    }

    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many bits there are.
    pub(super) fn len(&self) -> u64 {
        let bytes = u64::try_from(self.bytes.len()).unwrap_or_default();
        (8 * bytes).saturating_sub(self.unused.into())
    }

    /// Whether the bit at this place, from 0, is set.
    pub(super) fn has(&self, at: usize) -> bool {
        let byte = self.bytes.get(at / 8).copied().unwrap_or_default();
        byte << (at % 8) & 0x80 != 0
    }

    /// The bytes with what is no part of the string at their front.
    pub(super) fn aligned(&self) -> Vec<u8> {
        let mut before = 0u8;
        let one = |byte: &u8| {
            let aligned = byte.unbounded_shr(self.unused) | before.unbounded_shl(8 - self.unused);
            before = *byte;
            aligned
        };
        self.bytes.iter().map(one).collect()
    }
}
