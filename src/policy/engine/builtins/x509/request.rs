//! Requests for certificates, as Go reads them.

use regorus::Value;

use super::certificate::Extension;
use super::der::{BIT_STRING, Der, Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, group};
use super::extensions::ALTERNATIVE_NAMES;
use super::key::{Algorithm, Key, Signature};
use super::name::{Name, text};
use super::names::Names;
use super::value::{bytes, integers, list, object};

/// The attribute that holds the extensions that are asked for.
const EXTENSIONS: [u32; 7] = [1, 2, 840, 113_549, 1, 9, 14];

/// What a policy reads of a request; `None` for what is none.
pub(super) fn value(request: &[u8]) -> Option<Value> {
    let mut der = Der(request);
    let whole = der.element(SEQUENCE)?;
    let mut outer = whole.content;
    let signed = outer.element(SEQUENCE)?;
    let algorithm = Signature::of(&Algorithm::read(outer.take(SEQUENCE)?)?);
    let signature = outer.bits()?.aligned();
    let mut inner = signed.content;
    let version = inner.small_integer()?;
    let subject = Name::read(&mut inner)?;
    let (key_info, key) = Key::read(&mut inner)?;
    let attributes = inner.take(group(0))?;
    let extensions = extensions(attributes)?;
    let names = extensions
        .iter()
        .find(|extension| extension.id == ALTERNATIVE_NAMES);
    let names = match names {
        Some(names) => Names::read(Der(names.value))?,
        None => Names::default(),
    };
    let own = [
        ("Raw", bytes(whole.whole)),
        ("RawTBSCertificateRequest", bytes(signed.whole)),
        ("RawSubjectPublicKeyInfo", bytes(key_info)),
        ("RawSubject", bytes(subject.raw)),
        ("Version", Value::from(version)),
        ("Signature", bytes(&signature)),
        ("SignatureAlgorithm", Value::from(algorithm as u64)),
        ("PublicKeyAlgorithm", Value::from(key.kind())),
        ("PublicKey", key.value()?),
        ("Subject", subject.value()),
        ("Attributes", list(all(attributes)?.filter_map(attribute))),
        ("Extensions", list(extensions.iter().map(Extension::value))),
        ("ExtraExtensions", Value::Null),
    ];
    let value = object(own.into_iter().chain(names.members()));
    der.is_empty().then_some(value)
}

/// All values of a list.
fn all<'a>(mut der: Der<'a>) -> Option<impl Iterator<Item = Element<'a>>> {
    let mut all = Vec::new();
    while !der.is_empty() {
        all.push(der.any()?);
    }
    Some(all.into_iter())
}

/// The extensions of all attributes that hold some. Attributes of another form are passed over.
fn extensions(attributes: Der<'_>) -> Option<Vec<Extension<'_>>> {
    let mut extensions: Vec<Extension<'_>> = Vec::new();
    for attribute in all(attributes)? {
        let mut content = attribute.content;
        let is_one = attribute.tag == SEQUENCE && content.oid().is_some_and(|id| id == EXTENSIONS);
        let first = content.take(SET).and_then(|mut values| values.any());
        if let Some(first) = first.filter(|_| is_one) {
            extensions.extend(Extension::read_all(Der(first.whole).take(SEQUENCE)?)?);
        }
    }
    let mut ids = std::collections::BTreeSet::new();
    let are_distinct = extensions
        .iter()
        .all(|extension| ids.insert(extension.id.clone()));
    are_distinct.then_some(extensions)
}

/// An attribute whose values are lists of types and values; others have no place in what Go gives.
fn attribute(element: Element<'_>) -> Option<Value> {
    let mut content = element.content;
    let id = content.oid().filter(|_| element.tag == SEQUENCE)?;
    let sets = all(content.take(SET)?)?.map(|values| {
        let values = all(values.content).filter(|_| values.tag == SEQUENCE)?;
        let values: Option<Vec<Value>> = values.map(type_and_value).collect();
        values.map(Value::from)
    });
    let values: Vec<Value> = sets.collect::<Option<_>>()?;
    Some(object([("Type", integers(&id)), ("Value", Value::from(values))]))
}

fn type_and_value(element: Element<'_>) -> Option<Value> {
    let mut content = element.content;
    let id = content.oid().filter(|_| element.tag == SEQUENCE)?;
    let value = content.any()?;
    let inside = value.content;
    let mut whole = Der(value.whole);
    let value = match value.tag {
        super::der::BOOLEAN => Value::from(whole.boolean()?),
        INTEGER => Value::from(whole.small_integer()?),
        BIT_STRING => {
            let bits = whole.bits()?;
            object([
                ("Bytes", bytes(bits.bytes())),
                ("BitLength", Value::from(bits.len())),
            ])
        }
        OCTET_STRING => bytes(inside.0),
        OBJECT_IDENTIFIER => integers(&whole.oid()?),
        12 | 18 | 19 | 20 | 22 | 30 => Value::from(text(value.tag, inside.0)?),
        _ => Value::Null,
    };
    Some(object([("Type", integers(&id)), ("Value", value)]))
}
