//! A certificate as Go reads it: what it refuses is refused, and what it gives is what a policy gets.

use regorus::Value;

use super::der::{Der, OCTET_STRING, Oid, SEQUENCE, field, group};
use super::extensions::Known;
use super::key::{Algorithm, Key, Signature};
use super::moment::Moment;
use super::name::Name;
use super::value::{bytes, integers, list, object, unsigned};

pub(super) struct Certificate<'a> {
    pub(super) raw: &'a [u8],
    /// What is signed.
    pub(super) signed: &'a [u8],
    pub(super) version: i64,
    serial: &'a [u8],
    pub(super) algorithm: Signature,
    pub(super) issuer: Name<'a>,
    pub(super) not_before: Moment,
    pub(super) not_after: Moment,
    pub(super) subject: Name<'a>,
    /// The public key in its frame.
    pub(super) key_info: &'a [u8],
    pub(super) key: Key<'a>,
    pub(super) extensions: Vec<Extension<'a>>,
    /// What the extensions say.
    pub(super) known: Known<'a>,
    pub(super) signature: Vec<u8>,
}

pub(super) struct Extension<'a> {
    pub(super) id: Oid,
    pub(super) is_critical: bool,
    pub(super) value: &'a [u8],
}

impl<'a> Extension<'a> {
    pub(super) fn read(mut der: Der<'a>) -> Option<Self> {
        Some(Self {
            id: der.oid()?,
            is_critical: der.is_next(super::der::BOOLEAN) && der.boolean()?,
            value: der.take(OCTET_STRING)?.0,
        })
    }

    /// Reads a list of them, in which none may stand twice.
    pub(super) fn read_all(mut der: Der<'a>) -> Option<Vec<Self>> {
        let mut all: Vec<Self> = Vec::new();
        let mut ids = std::collections::BTreeSet::new();
        while !der.is_empty() {
            let extension = Self::read(der.take(SEQUENCE)?)?;
            ids.insert(extension.id.clone()).then_some(())?;
            all.push(extension);
        }
        Some(all)
    }

    pub(super) fn value(&self) -> Value {
        object([
            ("Id", integers(&self.id)),
            ("Critical", Value::from(self.is_critical)),
            ("Value", bytes(self.value)),
        ])
    }
}

impl<'a> Certificate<'a> {
    /// Reads one that others may follow.
    pub(super) fn read(der: &mut Der<'a>) -> Option<Self> {
        let whole = der.element(SEQUENCE)?;
        let mut outer = whole.content;
        let signed = outer.element(SEQUENCE)?;
        let mut inner = signed.content;
        let version = version(&mut inner)?;
        let serial = inner.integer().filter(|serial| serial.first() < Some(&0x80))?;
        let algorithm = inner.take(SEQUENCE)?;
        // Only one of them is signed.
        (outer.take(SEQUENCE)? == algorithm).then_some(())?;
        let algorithm = Signature::of(&Algorithm::read(algorithm)?);
        let issuer = Name::read(&mut inner)?;
        let mut validity = inner.take(SEQUENCE)?;
        let (not_before, not_after) = (Moment::read(&mut validity)?, Moment::read(&mut validity)?);
        let subject = Name::read(&mut inner)?;
        let (key_info, key) = Key::read(&mut inner)?;
        let mut extensions = Vec::new();
        if version > 1 {
            inner.optional(field(1))?;
            inner.optional(field(2))?;
        }
        if version == 3
            && let Some(mut some) = inner.optional(group(3))?
        {
            extensions = Extension::read_all(some.take(SEQUENCE)?)?;
        }
        let signature = outer.bits()?.aligned();
        let known = Known::of(&extensions)?;
        Some(Self {
            raw: whole.whole,
            signed: signed.whole,
            version,
            serial,
            algorithm,
            issuer,
            not_before,
            not_after,
            subject,
            key_info,
            key,
            extensions,
            known,
            signature,
        })
    }

    /// Reads those that stand one after the other, without anything between them.
    pub(super) fn read_all(bytes: &'a [u8]) -> Option<Vec<Self>> {
        let mut der = Der(bytes);
        let mut all = Vec::new();
        while !der.is_empty() {
            all.push(Self::read(&mut der)?);
        }
        Some(all)
    }

    /// The value of the extension with this identifier.
    pub(super) fn extension(&self, id: &[u32]) -> Option<&'a [u8]> {
        let found = self.extensions.iter().find(|extension| extension.id == id);
        found.map(|extension| extension.value)
    }

    /// What a policy reads; `None` for numbers that are too long. One function gives URIs as texts, too.
    pub(super) fn value(&self, with_texts: bool) -> Option<Value> {
        let own = [
            ("Raw", bytes(self.raw)),
            ("RawTBSCertificate", bytes(self.signed)),
            ("RawSubjectPublicKeyInfo", bytes(self.key_info)),
            ("RawSubject", bytes(self.subject.raw)),
            ("RawIssuer", bytes(self.issuer.raw)),
            ("Signature", bytes(&self.signature)),
            ("SignatureAlgorithm", Value::from(self.algorithm as u64)),
            ("PublicKeyAlgorithm", Value::from(self.key.kind())),
            ("PublicKey", self.key.value()?),
            ("Version", Value::from(self.version)),
            ("SerialNumber", unsigned(self.serial)?),
            ("Issuer", self.issuer.value()),
            ("Subject", self.subject.value()),
            ("NotBefore", Value::from(self.not_before.text())),
            ("NotAfter", Value::from(self.not_after.text())),
            ("Extensions", list(self.extensions.iter().map(Extension::value))),
            ("ExtraExtensions", Value::Null),
        ];
        let texts = with_texts.then(|| ("URIStrings", self.known.names.uri_texts()));
        Some(object(own.into_iter().chain(self.known.members()).chain(texts)))
    }
}

/// 1 to 3.
fn version(der: &mut Der<'_>) -> Option<i64> {
    let version = match der.optional(group(0))? {
        Some(mut inside) => inside.small_integer().filter(|_| inside.is_empty())?,
        None => 0,
    };
    (0..3).contains(&version).then_some(version + 1)
}
