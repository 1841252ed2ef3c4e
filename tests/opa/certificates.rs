//! Certificates beside the real OPA: made here with keys of every kind, chains that hold and chains that do not, whole
//! and damaged, read and verified by both.
//!
//! What is read is compared part by part, numbers by their digits. What is an error in OPA has to be one here: both pass
//! errors over, so that only what succeeds is listed.

mod chains;
mod odd;
mod requests;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, CidrSubnet, CrlDistributionPoint,
    CustomExtension, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA512, SanType, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use serde_json::{Value, json};

use crate::builtins::same_lists_leniently;

/// Within the time of all certificates but those that are made to be of another time, in seconds.
const NOW: i64 = 1_700_000_000;

/// The parts of what is read, with their paths.
const PARTS: &str = "leaf(v) := sprintf(\"%d\", [v]) if is_number(v)\n\
                     leaf(v) := sprintf(\"%d\", [count(v)]) if { not is_number(v); not scalar(v) }\n\
                     leaf(v) := v if { not is_number(v); scalar(v) }\n\
                     scalar(v) if is_string(v)\nscalar(v) if is_boolean(v)\nscalar(v) if is_null(v)\n\
                     parts(v) := {[sprintf(\"%v\", [path]), leaf(part)] | walk(v, [path, part])}\n";

type Issuer = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn read() -> Result<()> {
    let mut texts = certificates()?;
    texts.extend(odd::texts()?);
    ensure!(texts.len() > 60, "only {} texts", texts.len());
    for chunk in texts.chunks(24) {
        let input = json!({"texts": chunk}).to_string();
        let rules = format!(
            "{PARTS}answers := [[t, p] | some t, text in input.texts; v := crypto.x509.parse_certificates(text); \
             some p in parts(v)]\n"
        );
        same_lists_leniently(&rules, &input, |at| format!("part {at}"))?;
    }
    Ok(())
}

pub(crate) fn requests() -> Result<()> {
    let texts = requests::texts()?;
    let input = json!({"texts": texts}).to_string();
    let rules = format!(
        "{PARTS}answers := [[t, p] | some t, text in input.texts; \
         v := crypto.x509.parse_certificate_request(text); some p in parts(v)]\n"
    );
    same_lists_leniently(&rules, &input, |at| format!("part {at}"))
}

pub(crate) fn verified() -> Result<()> {
    let (mut chains, options) = (chains()?, options());
    chains.extend(chains::chains()?);
    chains.extend(odd::chains()?);
    ensure!(chains.len() > 40 && options.len() > 25);
    let input = json!({"chains": chains, "options": options}).to_string();
    let rules = "answers := [[c, v[0], [[one.Raw, one.URIStrings] | some one in v[1]]] | some c, chain in input.chains; \
                 v := crypto.x509.parse_and_verify_certificates(chain)]\n";
    same_lists_leniently(rules, &input, |at| format!("chain {at}"))?;
    let rules = "answers := [[c, o, v[0], [one.Raw | some one in v[1]]] | some c, chain in input.chains; \
                 some o, option in input.options; \
                 v := crypto.x509.parse_and_verify_certificates_with_options(chain, option)]\n";
    same_lists_leniently(rules, &input, |at| format!("chain with options {at}"))?;
    let rules = format!(
        "{PARTS}answers := [[c, p] | some c, chain in input.chains; \
         v := crypto.x509.parse_and_verify_certificates_with_options(chain, {{\"CurrentTime\": {NOW}000000000}}); \
         some p in parts(v)]\n"
    );
    let some: Vec<_> = chains.iter().take(4).collect();
    let input = json!({"chains": some}).to_string();
    same_lists_leniently(&rules, &input, |at| format!("part {at} of a chain"))
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2020, 1, 2);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str, length: BasicConstraints) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(length);
    params
}

fn leaf(hosts: &[&str]) -> Result<CertificateParams> {
    let mut params = params("leaf");
    for host in hosts {
        params
            .subject_alt_names
            .push(SanType::DnsName((*host).try_into()?));
    }
    Ok(params)
}

fn root(params: CertificateParams, algorithm: &'static SignatureAlgorithm) -> Result<Issuer> {
    Ok(Issuer::self_signed(params, KeyPair::generate_for(algorithm)?)?)
}

fn below(params: CertificateParams, issuer: &Issuer) -> Result<Issuer> {
    Ok(Issuer::signed_by(params, KeyPair::generate()?, issuer)?)
}

fn signed(params: &CertificateParams, issuer: &Issuer) -> Result<Certificate> {
    Ok(params.signed_by(&KeyPair::generate()?, issuer)?)
}

fn pem(certificates: &[&Certificate]) -> String {
    certificates
        .iter()
        .map(|one| one.pem().replace("\r\n", "\n"))
        .collect()
}

const KINDS: [&SignatureAlgorithm; 6] = [
    &PKCS_RSA_SHA256,
    &PKCS_RSA_SHA512,
    &PKCS_ECDSA_P256_SHA256,
    &PKCS_ECDSA_P384_SHA384,
    &PKCS_ECDSA_P521_SHA512,
    &PKCS_ED25519,
];

/// A certificate that says everything that can be said.
fn full() -> Result<CertificateParams> {
    let mut params = leaf(&["a.example.com", "*.example.com"])?;
    params.serial_number = Some(SerialNumber::from_slice(&[0x7f; 20]));
    for (kind, value) in [
        (DnType::CountryName, DnValue::PrintableString("DE".try_into()?)),
        (
            DnType::OrganizationName,
            DnValue::Utf8String("\u{e9}\u{65e5} <&>".into()),
        ),
        (DnType::OrganizationName, DnValue::Utf8String("second".into())),
        (
            DnType::OrganizationalUnitName,
            DnValue::BmpString("\u{65e5}".try_into()?),
        ),
        (DnType::LocalityName, DnValue::TeletexString("town".try_into()?)),
        (
            DnType::StateOrProvinceName,
            DnValue::Ia5String("state".try_into()?),
        ),
        (
            DnType::CustomDnType(vec![2, 5, 4, 5]),
            DnValue::PrintableString("42".try_into()?),
        ),
        (
            DnType::CustomDnType(vec![2, 5, 4, 17]),
            DnValue::Utf8String("12345".into()),
        ),
        (
            DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 99_999, 1]),
            DnValue::Utf8String("own".into()),
        ),
    ] {
        params.distinguished_name.push(kind, value);
    }
    params.subject_alt_names.extend([
        SanType::Rfc822Name("jane@example.com".try_into()?),
        SanType::IpAddress([10, 0, 0, 1].into()),
        SanType::IpAddress("2001:db8::1".parse()?),
        SanType::IpAddress("::ffff:10.0.0.1".parse()?),
        SanType::IpAddress("::".parse()?),
    ]);
    params
        .subject_alt_names
        .push(SanType::URI("spiffe://a/b".try_into()?));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::DecipherOnly];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::OcspSigning,
        ExtendedKeyUsagePurpose::Other(vec![1, 2, 3, 4]),
    ];
    params.use_authority_key_identifier_extension = true;
    params.crl_distribution_points = vec![CrlDistributionPoint {
        uris: vec![
            "http://crl.example.com/a".into(),
            "http://crl.example.com/b".into(),
        ],
    }];
    params.custom_extensions = vec![
        extension(&[2, 5, 29, 32], POLICIES, false),
        extension(&[1, 3, 6, 1, 5, 5, 7, 1, 1], ACCESS, false),
        extension(&[1, 2, 3], &[5, 0], false),
    ];
    Ok(params)
}

const URIS: [&str; 16] = [
    "spiffe://cluster.local/ns/shop/sa/web",
    "https://user:p%40ss@example.com:8443/a%2Fb/c?q=1&r=<>#frag%20ment!",
    "mailto:jane@example.com",
    "urn:uuid:1?",
    "file:///etc/hosts",
    "file:/etc/hosts",
    "http://[2001:db8::1]:80/x",
    "http://10.0.0.1/",
    "//host/path",
    "a/b:c",
    "*",
    "http://example.com/a b",
    "HTTP://Example.COM?x#",
    "x://h/%41%zz",
    "http://a..b/",
    "http://.a/",
];

/// Any policy, and one whose number is long.
const POLICIES: &[u8] = &[
    0x30, 0x16, 0x30, 0x06, 0x06, 0x04, 0x55, 0x1d, 0x20, 0x00, 0x30, 0x0c, 0x06, 0x0a, 0x2a, 0x8f, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
];

/// Where the state and the issuer of a certificate are told.
const ACCESS: &[u8] = &[
    0x30, 0x22, 0x30, 0x0f, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x86, 0x03, b'o',
    b':', b'a', 0x30, 0x0f, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02, 0x86, 0x03, b'i',
    b':', 0xff,
];

fn extension(id: &[u64], content: &[u8], is_critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(id, content.to_vec());
    extension.set_criticality(is_critical);
    extension
}

/// Certificates of every kind as texts in every form, and what is none.
fn certificates() -> Result<Vec<String>> {
    let mut all = Vec::new();
    for kind in KINDS {
        let issuer = root(authority("root", BasicConstraints::Constrained(1)), kind)?;
        all.push(pem(&[issuer.as_ref()]));
    }
    let root = root(constrained(), &PKCS_ECDSA_P256_SHA256)?;
    all.push(pem(&[root.as_ref()]));
    for uri in URIS {
        let mut params = leaf(&[])?;
        params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        all.push(pem(&[&signed(&params, &root)?]));
    }
    let whole = full()?;
    for year in [1950, 1969, 2049, 2050, 2068, 9999] {
        let mut params = leaf(&["a.example.com"])?;
        (params.not_before, params.not_after) = (date_time_ymd(1950, 2, 28), date_time_ymd(year, 12, 31));
        all.push(pem(&[&signed(&params, &root)?]));
    }
    for (id, content) in [
        (&[2, 5, 29, 36][..], &[0x30, 6, 0x80, 1, 0, 0x81, 1, 3][..]),
        (&[2, 5, 29, 54], &[2, 1, 0]),
        (
            &[2, 5, 29, 33],
            &[0x30, 10, 0x30, 8, 6, 2, 0x2a, 3, 6, 2, 0x2a, 4],
        ),
        (&[2, 5, 29, 32], &[0x30, 0]),
        (&[2, 5, 29, 31], &[0x30, 2, 0x30, 0]),
        (&[2, 5, 29, 37], &[0x30, 0]),
        (&[2, 5, 29, 99], &[5, 0]),
    ] {
        for is_critical in [true, false] {
            let mut params = leaf(&["a.example.com"])?;
            params.custom_extensions = vec![extension(id, content, is_critical)];
            all.push(pem(&[&signed(&params, &root)?]));
        }
    }
    let whole = signed(&whole, &root)?;
    let (one, two) = (pem(&[&whole]), pem(&[&whole, root.as_ref()]));
    let der = [&whole.der()[..], &root.der()[..]].concat();
    all.extend([
        STANDARD.encode(&one),
        STANDARD.encode(&der),
        STANDARD.encode([&der[..], b"x"].concat()),
        format!("{two}trailing"),
        format!(" {one}"),
        one.replace('\n', "\r\n"),
        one.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        one.replace("-----END", "----END"),
        one.replacen("-----\n", "-----\nComment: x\n\n", 1),
        format!("{one}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        format!("-----BEGIN nothing-----\n{one}"),
        format!("-----BEGIN nothing{one}"),
        "-----BEGIN".to_owned(),
        String::new(),
        "%".to_owned(),
        "YQ==".to_owned(),
        one,
        two,
    ]);
    // Every byte of what stands around the names matters to somebody.
    let der = signed(&leaf(&["a.example.com"])?, &root)?.der().to_vec();
    for at in 0..der.len().min(220) {
        let mut damaged = der.clone();
        if let Some(byte) = damaged.get_mut(at) {
            *byte ^= if at % 2 == 0 { 1 } else { 0x80 };
        }
        all.push(STANDARD.encode(&damaged));
    }
    Ok(all)
}

fn constrained() -> CertificateParams {
    let mut params = authority("constrained", BasicConstraints::Unconstrained);
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("example.com".into()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([10, 0, 0, 0], [255, 0, 0, 0])),
            GeneralSubtree::Rfc822Name("example.com".into()),
        ],
        excluded_subtrees: vec![
            GeneralSubtree::DnsName("bad.example.com".into()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([10, 1, 0, 0], [255, 255, 0, 0])),
            GeneralSubtree::Rfc822Name("root@example.com".into()),
        ],
    });
    params
}

/// Certificates one after the other: the trusted one first.
fn chains() -> Result<Vec<String>> {
    let mut chains = Vec::new();
    let unbounded = BasicConstraints::Unconstrained;
    for kind in KINDS {
        let root = root(authority("root", unbounded), kind)?;
        let between = below(authority("between", unbounded), &root)?;
        let leaf = signed(&leaf(&["a.example.com"])?, &between)?;
        chains.push(pem(&[root.as_ref(), between.as_ref(), &leaf]));
    }
    let own = root(authority("root", unbounded), &PKCS_ECDSA_P256_SHA256)?;
    let other = root(authority("root", unbounded), &PKCS_ECDSA_P256_SHA256)?;
    let between = below(authority("between", unbounded), &own)?;
    let deeper = below(authority("deeper", unbounded), &between)?;
    let whole = signed(&leaf(&["a.example.com", "*.wild.example.com"])?, &between)?;
    let deep = signed(&leaf(&["a.example.com"])?, &deeper)?;
    let direct = signed(&leaf(&["a.example.com"])?, &own)?;
    for list in [
        vec![&whole],
        vec![own.as_ref(), &whole],
        vec![own.as_ref(), &direct],
        vec![own.as_ref(), own.as_ref()],
        vec![own.as_ref(), own.as_ref(), &direct],
        vec![other.as_ref(), between.as_ref(), &whole],
        vec![other.as_ref(), own.as_ref(), between.as_ref(), &whole],
        vec![&whole, between.as_ref(), own.as_ref()],
        vec![between.as_ref(), own.as_ref(), &whole],
        vec![between.as_ref(), &whole],
        vec![own.as_ref(), deeper.as_ref(), between.as_ref(), &deep],
        vec![own.as_ref(), between.as_ref(), deeper.as_ref(), &deep],
        vec![
            own.as_ref(),
            between.as_ref(),
            between.as_ref(),
            deeper.as_ref(),
            &deep,
        ],
        vec![own.as_ref(), between.as_ref(), &deep],
        vec![own.as_ref(), other.as_ref(), between.as_ref(), &whole],
        vec![&direct, &direct],
        vec![own.as_ref(), between.as_ref(), between.as_ref()],
    ] {
        chains.push(pem(&list));
    }
    let mut add = |top: CertificateParams, middle: CertificateParams, end: CertificateParams| -> Result<()> {
        let root = root(top, &PKCS_ECDSA_P256_SHA256)?;
        let between = below(middle, &root)?;
        let leaf = signed(&end, &between)?;
        chains.push(pem(&[root.as_ref(), between.as_ref(), &leaf]));
        Ok(())
    };
    let top = || authority("root", unbounded);
    let middle = || authority("between", unbounded);
    let end = || leaf(&["a.example.com"]);
    let old = |mut params: CertificateParams| {
        params.not_after = date_time_ymd(2021, 1, 1);
        params
    };
    let new = |mut params: CertificateParams| {
        params.not_before = date_time_ymd(2040, 1, 1);
        params
    };
    add(old(top()), middle(), end()?)?;
    add(top(), old(middle()), end()?)?;
    add(top(), middle(), old(end()?))?;
    add(top(), new(middle()), end()?)?;
    add(top(), middle(), new(end()?))?;
    add(
        authority("root", BasicConstraints::Constrained(0)),
        middle(),
        end()?,
    )?;
    add(
        authority("root", BasicConstraints::Constrained(1)),
        middle(),
        end()?,
    )?;
    add(
        top(),
        authority("between", BasicConstraints::Constrained(0)),
        end()?,
    )?;
    add(top(), params("between"), end()?)?;
    let mut denied = middle();
    denied.is_ca = IsCa::ExplicitNoCa;
    add(top(), denied, end()?)?;
    for usages in [
        vec![KeyUsagePurpose::KeyCertSign],
        vec![KeyUsagePurpose::CrlSign],
        vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign],
    ] {
        let mut between = middle();
        between.key_usages = usages;
        add(top(), between, end()?)?;
    }
    let client = || vec![ExtendedKeyUsagePurpose::ClientAuth];
    let both = || {
        vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ]
    };
    let none = Vec::new;
    let any = || vec![ExtendedKeyUsagePurpose::Any];
    let own = || vec![ExtendedKeyUsagePurpose::Other(vec![1, 2, 3])];
    for (middle_usages, end_usages) in [
        (none(), client()),
        (client(), both()),
        (both(), client()),
        (both(), both()),
        (any(), client()),
        (client(), any()),
        (own(), both()),
        (none(), own()),
    ] {
        let (mut between, mut leaf) = (middle(), end()?);
        (between.extended_key_usages, leaf.extended_key_usages) = (middle_usages, end_usages);
        add(top(), between, leaf)?;
    }
    for is_critical in [true, false] {
        let mut leaf = end()?;
        leaf.custom_extensions = vec![extension(&[1, 2, 3], &[5, 0], is_critical)];
        add(top(), middle(), leaf)?;
    }
    for name in names()? {
        let mut leaf = params("leaf");
        leaf.subject_alt_names = vec![name];
        add(constrained(), middle(), leaf.clone())?;
        let mut between = constrained();
        between.distinguished_name = middle().distinguished_name;
        add(top(), between, leaf)?;
    }
    chains.extend(["", "%", "YQ==", "-----BEGIN"].map(str::to_owned));
    Ok(chains)
}

/// Names that constraints permit, exclude, or do not speak of.
fn names() -> Result<Vec<SanType>> {
    let mut names = Vec::new();
    for host in [
        "example.com",
        "a.example.com",
        "A.EXAMPLE.com",
        "aexample.com",
        "bad.example.com",
        "x.bad.example.com",
        "*.example.com",
        "*.bad.example.com",
        "a.*.example.com",
        "example.org",
        "example.com.",
        ".example.com",
    ] {
        names.push(SanType::DnsName(host.try_into()?));
    }
    for address in ["10.0.0.1", "10.1.0.1", "11.0.0.1", "2001:db8::1"] {
        names.push(SanType::IpAddress(address.parse()?));
    }
    for mailbox in [
        "jane@example.com",
        "jane@EXAMPLE.com",
        "jane@a.example.com",
        "root@example.com",
        "Root@example.com",
        "root@EXAMPLE.COM",
        "\"root\"@example.com",
        "jane@example.org",
        "jane",
        "a..b@example.com",
    ] {
        names.push(SanType::Rfc822Name(mailbox.try_into()?));
    }
    for uri in [
        "https://example.org/",
        "spiffe://x",
        "urn:a:b",
        "https://10.0.0.1/",
        "https://h:80/",
    ] {
        names.push(SanType::URI(uri.try_into()?));
    }
    Ok(names)
}

fn options() -> Vec<Value> {
    let now = NOW * 1_000_000_000;
    let mut all = vec![json!({}), json!({"CurrentTime": now})];
    for host in [
        "a.example.com",
        "A.example.COM",
        "a.example.com.",
        "\"a.example.com\"",
        "b.example.com",
        "x.wild.example.com",
        "x.y.wild.example.com",
        "*.wild.example.com",
        "wild.example.com",
        "10.0.0.1",
        "[10.0.0.1]",
        "::ffff:10.0.0.1",
        "",
        ".",
        "leaf",
    ] {
        all.push(json!({"CurrentTime": now, "DNSName": host}));
    }
    for usages in [
        json!([]),
        json!(["KeyUsageAny"]),
        json!(["KeyUsageServerAuth"]),
        json!(["KeyUsageClientAuth"]),
        json!(["\"KeyUsageClientAuth\"", "KeyUsageCodeSigning", 1]),
        json!(["KeyUsageCodeSigning"]),
        json!(["ClientAuth"]),
        json!("KeyUsageAny"),
    ] {
        all.push(json!({"CurrentTime": now, "KeyUsages": usages}));
    }
    all.extend([
        json!({"CurrentTime": 0}),
        json!({"CurrentTime": -1}),
        // The first and the last second of most.
        json!({"CurrentTime": 1_577_923_199_999_999_999i64}),
        json!({"CurrentTime": 1_577_923_200_000_000_000i64}),
        json!({"CurrentTime": 2_524_521_600_000_000_000i64}),
        json!({"CurrentTime": 2_524_521_600_000_000_001i64}),
        json!({"CurrentTime": 1.5}),
        json!({"CurrentTime": 1e30}),
        json!({"CurrentTime": "now"}),
        json!({"DNSName": 1}),
        json!({"MaxConstraintComparisons": 1}),
        json!({"MaxConstraintComparisons": "1"}),
        json!({"Roots": []}),
    ]);
    all
}
