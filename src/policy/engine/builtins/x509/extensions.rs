//! What the extensions of certificates say, as far as Go reads them.

use regorus::Value;

use super::certificate::Extension;
use super::constraints::Subtrees;
use super::der::{BOOLEAN, Der, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Oid, SEQUENCE, field, group, oid};
use super::name::lossy;
use super::names::Names;
use super::value::{bytes, integers, list, object, texts};

/// The identifier of the extension with the other names of a subject.
pub(super) const ALTERNATIVE_NAMES: [u32; 4] = [2, 5, 29, 17];

/// The identifier of the extension with the names that an authority may sign.
pub(super) const NAME_CONSTRAINTS: [u32; 4] = [2, 5, 29, 30];

/// How often something may be passed on; both `None` and zero have their own form in Go.
type Count = Option<i64>;

/// Everything that is read of extensions.
#[derive(Default)]
pub(super) struct Known<'a> {
    /// Those that must not be passed over, and are not known.
    pub(super) unhandled: Vec<Oid>,
    /// One bit for each use.
    pub(super) key_usage: u64,
    /// Uses by their numbers in [`USAGES`].
    pub(super) extended_usages: Vec<usize>,
    pub(super) unknown_usages: Vec<Oid>,
    /// Whether it is an authority, and how many may follow below it at most.
    pub(super) basic: Option<(bool, Count)>,
    pub(super) subject_key: Option<&'a [u8]>,
    pub(super) authority_key: Option<&'a [u8]>,
    status_servers: Vec<String>,
    issuers: Vec<String>,
    pub(super) names: Names<'a>,
    constraints_critical: bool,
    pub(super) permitted: Subtrees,
    pub(super) excluded: Subtrees,
    revocation_lists: Vec<String>,
    policies: Option<Vec<&'a [u8]>>,
    pub(super) inhibit_any_policy: Count,
    pub(super) inhibit_mapping: Count,
    pub(super) require_policy: Count,
    pub(super) mappings: Vec<(&'a [u8], &'a [u8])>,
}

/// What a key may be used for, by Go's numbers.
pub(super) const USAGES: [&[u32]; 14] = [
    &[2, 5, 29, 37, 0],
    &[1, 3, 6, 1, 5, 5, 7, 3, 1],
    &[1, 3, 6, 1, 5, 5, 7, 3, 2],
    &[1, 3, 6, 1, 5, 5, 7, 3, 3],
    &[1, 3, 6, 1, 5, 5, 7, 3, 4],
    &[1, 3, 6, 1, 5, 5, 7, 3, 5],
    &[1, 3, 6, 1, 5, 5, 7, 3, 6],
    &[1, 3, 6, 1, 5, 5, 7, 3, 7],
    &[1, 3, 6, 1, 5, 5, 7, 3, 8],
    &[1, 3, 6, 1, 5, 5, 7, 3, 9],
    &[1, 3, 6, 1, 4, 1, 311, 10, 3, 3],
    &[2, 16, 840, 1, 113_730, 4, 1],
    &[1, 3, 6, 1, 4, 1, 311, 2, 1, 22],
    &[1, 3, 6, 1, 4, 1, 311, 61, 1, 1],
];

impl<'a> Known<'a> {
    pub(super) fn of(extensions: &[Extension<'a>]) -> Option<Self> {
        let mut known = Self::default();
        for extension in extensions {
            if !known.add(extension)? && extension.is_critical {
                known.unhandled.push(extension.id.clone());
            }
        }
        Some(known)
    }

    /// Reads one extension; whether all of it is known.
    fn add(&mut self, extension: &Extension<'a>) -> Option<bool> {
        let mut der = Der(extension.value);
        match *extension.id {
            // These must not be critical.
            [2, 5, 29, 14 | 35] | [1, 3, 6, 1, 5, 5, 7, 1, 1] if extension.is_critical => return None,
            [2, 5, 29, 14] => self.subject_key = Some(der.take(OCTET_STRING)?.0),
            [2, 5, 29, 15] => {
                let bits = der.bits()?;
                self.key_usage = (0..9).map(|bit| u64::from(bits.has(bit)) << bit).sum();
            }
            [2, 5, 29, 17] => {
                self.names = Names::read(der)?;
                return Some(!self.names.is_empty());
            }
            [2, 5, 29, 19] => self.basic = Some(basic(der)?),
            [2, 5, 29, 30] => {
                self.constraints_critical = extension.is_critical;
                let is_known;
                (self.permitted, self.excluded, is_known) = Subtrees::read(der)?;
                return Some(is_known);
            }
            [2, 5, 29, 31] => self.revocation_lists = revocation_lists(der)?,
            [2, 5, 29, 32] => self.policies = Some(policies(der)?),
            [2, 5, 29, 33] => self.mappings = mappings(der)?,
            [2, 5, 29, 35] => {
                let mut key = der.take(SEQUENCE)?;
                self.authority_key = key.optional(field(0))?.map(|key| key.0);
            }
            [2, 5, 29, 36] => {
                let mut counts = der.take(SEQUENCE)?;
                self.require_policy = count(&mut counts, field(0))?;
                self.inhibit_mapping = count(&mut counts, field(1))?;
            }
            [2, 5, 29, 37] => self.add_usages(der.take(SEQUENCE)?)?,
            [2, 5, 29, 54] => self.inhibit_any_policy = Some(der.small_integer()?),
            [1, 3, 6, 1, 5, 5, 7, 1, 1] => self.add_access(der.take(SEQUENCE)?)?,
            _ => return Some(false),
        }
        Some(true)
    }

    fn add_usages(&mut self, mut der: Der<'a>) -> Option<()> {
        while !der.is_empty() {
            let id = der.oid()?;
            match USAGES.iter().position(|usage| *usage == id) {
                Some(usage) => self.extended_usages.push(usage),
                None => self.unknown_usages.push(id),
            }
        }
        Some(())
    }

    fn add_access(&mut self, mut der: Der<'a>) -> Option<()> {
        while !der.is_empty() {
            let mut access = der.take(SEQUENCE)?;
            let method = access.oid()?;
            if !access.is_next(field(6)) {
                continue;
            }
            let location = lossy(access.take(field(6))?.0);
            match *method {
                [1, 3, 6, 1, 5, 5, 7, 48, 1] => self.status_servers.push(location),
                [1, 3, 6, 1, 5, 5, 7, 48, 2] => self.issuers.push(location),
                _ => {}
            }
        }
        Some(())
    }

    /// The members of a certificate that they make.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let usages = self.extended_usages.iter().map(|usage| Value::from(*usage));
        let unknown = |ids: &[Oid]| list(ids.iter().map(|id| integers(id)));
        let (is_authority, length) = self.basic.unwrap_or((false, Some(0)));
        let key = |key: Option<&[u8]>| key.map_or(Value::Null, bytes);
        let mappings = self.mappings.iter().map(|(issuer, subject)| {
            object([
                ("IssuerDomainPolicy", dotted(issuer)),
                ("SubjectDomainPolicy", dotted(subject)),
            ])
        });
        let is_zero = |count: Count| Value::from(count == Some(0));
        let number = |count: Count| Value::from(count.unwrap_or(0));
        let policies = self.policies.iter().flatten();
        let short = policies.clone().filter_map(|policy| oid(policy));
        let short: Vec<Value> = short.map(|id| integers(&id)).collect();
        let short = self.policies.as_ref().map_or(Value::Null, |_| Value::from(short));
        [
            ("UnhandledCriticalExtensions", unknown(&self.unhandled)),
            ("KeyUsage", Value::from(self.key_usage)),
            ("ExtKeyUsage", list(usages)),
            ("UnknownExtKeyUsage", unknown(&self.unknown_usages)),
            ("BasicConstraintsValid", Value::from(self.basic.is_some())),
            ("IsCA", Value::from(is_authority)),
            ("MaxPathLen", Value::from(length.unwrap_or(-1))),
            (
                "MaxPathLenZero",
                Value::from(self.basic.is_some() && length == Some(0)),
            ),
            ("SubjectKeyId", key(self.subject_key)),
            ("AuthorityKeyId", key(self.authority_key)),
            ("OCSPServer", texts(&self.status_servers)),
            ("IssuingCertificateURL", texts(&self.issuers)),
            (
                "PermittedDNSDomainsCritical",
                Value::from(self.constraints_critical),
            ),
            ("CRLDistributionPoints", texts(&self.revocation_lists)),
            ("PolicyIdentifiers", short),
            ("Policies", list(policies.map(|policy| dotted(policy)))),
            ("InhibitAnyPolicy", number(self.inhibit_any_policy)),
            ("InhibitAnyPolicyZero", is_zero(self.inhibit_any_policy)),
            ("InhibitPolicyMapping", number(self.inhibit_mapping)),
            ("InhibitPolicyMappingZero", is_zero(self.inhibit_mapping)),
            ("RequireExplicitPolicy", number(self.require_policy)),
            ("RequireExplicitPolicyZero", is_zero(self.require_policy)),
            ("PolicyMappings", list(mappings)),
        ]
        .into_iter()
        .chain(self.names.members())
        .chain(self.permitted.members(true))
        .chain(self.excluded.members(false))
    }
}

fn basic(mut der: Der<'_>) -> Option<(bool, Count)> {
    let mut content = der.take(SEQUENCE)?;
    let is_authority = content.is_next(BOOLEAN) && content.boolean()?;
    let length = match content.is_next(INTEGER) {
        true => Some(content.small_integer().filter(|length| *length >= 0)?),
        false => None,
    };
    Some((is_authority, length))
}

fn count(der: &mut Der<'_>, tag: u8) -> Option<Count> {
    match der.is_next(tag) {
        true => Some(Some(der.integer_as(tag)?)),
        false => Some(None),
    }
}

/// The addresses of lists that tell what is revoked.
fn revocation_lists(mut der: Der<'_>) -> Option<Vec<String>> {
    let mut points = der.take(SEQUENCE)?;
    let mut all = Vec::new();
    while !points.is_empty() {
        let mut point = points.take(SEQUENCE)?;
        let Some(mut name) = point.optional(group(0))? else {
            continue;
        };
        let mut names = name.take(group(0))?;
        while names.is_next(field(6)) {
            all.push(lossy(names.take(field(6))?.0));
        }
    }
    Some(all)
}

fn policies<'a>(mut der: Der<'a>) -> Option<Vec<&'a [u8]>> {
    let mut list = der.take(SEQUENCE)?;
    let mut all = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    while !list.is_empty() {
        let policy = list.take(SEQUENCE)?.take(OBJECT_IDENTIFIER)?.0;
        (seen.insert(policy) && is_identifier(policy)).then_some(())?;
        all.push(policy);
    }
    Some(all)
}

/// Whether each part is in its shortest form, and the last one is whole.
fn is_identifier(bytes: &[u8]) -> bool {
    let begins = std::iter::once(&0).chain(bytes).zip(bytes);
    let shortest = begins
        .into_iter()
        .all(|(before, byte)| before & 0x80 != 0 || *byte != 0x80);
    shortest && bytes.last().is_some_and(|last| last & 0x80 == 0)
}

fn mappings<'a>(mut der: Der<'a>) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let mut list = der.take(SEQUENCE)?;
    let mut all = Vec::new();
    while !list.is_empty() {
        let mut mapping = list.take(SEQUENCE)?;
        let mut next = || Some(mapping.take(OBJECT_IDENTIFIER)?.0);
        all.push((next()?, next()?));
    }
    Some(all)
}

/// An identifier with dots, whose parts may be long.
fn dotted(bytes: &[u8]) -> Value {
    let mut text = String::new();
    let mut part = 0u128;
    for byte in bytes {
        part = part.saturating_mul(128).saturating_add(u128::from(byte & 0x7f));
        if byte & 0x80 == 0 {
            if text.is_empty() {
                let first = (part / 40).min(2);
                text = format!("{first}.{}", part - first * 40);
            } else {
                text.push_str(&format!(".{part}"));
            }
            part = 0;
        }
    }
    Value::from(text)
}
