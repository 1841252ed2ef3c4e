//! Names of subjects and issuers, and the texts in them.

use regorus::Value;

use super::der::{Der, Oid, SEQUENCE, SET};
use super::value::{integers, list, object};

/// A distinguished name.
pub(super) struct Name<'a> {
    /// As it was encoded, by which names are compared.
    pub(super) raw: &'a [u8],
    attributes: Vec<(Oid, String)>,
}

impl<'a> Name<'a> {
    pub(super) fn read(der: &mut Der<'a>) -> Option<Self> {
        let element = der.element(SEQUENCE)?;
        let mut attributes = Vec::new();
        let mut sets = element.content;
        while !sets.is_empty() {
            let mut set = sets.take(SET)?;
            while !set.is_empty() {
                let mut attribute = set.take(SEQUENCE)?;
                let id = attribute.oid()?;
                let value = attribute.any()?;
                attributes.push((id, text(value.tag, value.content.0)?));
            }
        }
        Some(Self {
            raw: element.whole,
            attributes,
        })
    }

    /// What a policy reads of it: the attributes that have a name, and all of them.
    pub(super) fn value(&self) -> Value {
        let named = |last: u32| {
            self.attributes
                .iter()
                .filter(move |(id, _)| *id == [2, 5, 4, last])
        };
        let texts = |last| list(named(last).map(|(_, text)| Value::from(text.as_str())));
        // Of those that stand once, the last one counts.
        let single = |last| Value::from(named(last).next_back().map_or("", |(_, text)| text.as_str()));
        let all = self.attributes.iter().map(|(id, text)| {
            let value = Value::from(text.as_str());
            object([("Type", integers(id)), ("Value", value)])
        });
        object([
            ("Country", texts(6)),
            ("Organization", texts(10)),
            ("OrganizationalUnit", texts(11)),
            ("Locality", texts(7)),
            ("Province", texts(8)),
            ("StreetAddress", texts(9)),
            ("PostalCode", texts(17)),
            ("SerialNumber", single(5)),
            ("CommonName", single(3)),
            ("Names", list(all)),
            ("ExtraNames", Value::Null),
        ])
    }
}

/// The text of a value with this tag, if it is a text.
pub(super) fn text(tag: u8, bytes: &[u8]) -> Option<String> {
    let of = |is_allowed: fn(u8) -> bool| {
        let allowed = bytes.iter().all(|byte| is_allowed(*byte));
        allowed.then(|| bytes.iter().copied().map(char::from).collect())
    };
    match tag {
        12 => String::from_utf8(bytes.to_vec()).ok(),
        18 => of(|byte| byte.is_ascii_digit() || byte == b' '),
        19 => of(|byte| byte.is_ascii_alphanumeric() || b"'()+,-./ :=?*&".contains(&byte)),
        20 => of(|_| true),
        22 => of(|byte| byte.is_ascii()),
        30 => two_bytes_each(bytes),
        _ => None,
    }
}

fn two_bytes_each(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_suffix(&[0, 0]).unwrap_or(bytes);
    let (pairs, []) = bytes.as_chunks::<2>() else {
        return None;
    };
    let one = |pair: &[u8; 2]| match u16::from_be_bytes(*pair) {
        0xfffe.. | 0xfdd0..=0xfdef => None,
        // Halves of a pair are no characters.
        code => char::from_u32(code.into()),
    };
    pairs.iter().map(one).collect()
}

/// A text that may hold bytes that are none, as Go writes it into JSON.
pub(super) fn lossy(bytes: &[u8]) -> String {
    let one = |chunk: std::str::Utf8Chunk<'_>| {
        let bad = "\u{fffd}".repeat(chunk.invalid().len());
        format!("{}{bad}", chunk.valid())
    };
    bytes.utf8_chunks().map(one).collect()
}
