//! Certificates that no library writes: put together from their parts, each odd in one way.
//!
//! [`texts`] are for reading, where signatures do not matter; [`chains`] are signed, and hold or fail by one thing only.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};

/// One value: its tag, its length in the shortest form, and these contents one after the other.
fn der(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let content = contents.concat();
    let length = content.len().to_be_bytes();
    let mut all = vec![tag];
    match content.len() {
        0..0x80 => all.extend(length.last()),
        0x80..0x100 => all.extend([0x81].iter().chain(length.last())),
        _ => all.extend([0x82].iter().chain(length.iter().skip(length.len() - 2))),
    }
    [all, content].concat()
}

const SEQUENCE: u8 = 0x30;
const ECDSA_SHA256: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ED25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
/// A certificate of an authority, critical.
const AUTHORITY: &[u8] = &[
    0x30, 15, 6, 3, 0x55, 0x1d, 0x13, 1, 1, 0xff, 4, 5, 0x30, 3, 1, 1, 0xff,
];

fn common_name(name: &str) -> Vec<u8> {
    let text = der(12, &[name.as_bytes()]);
    let attribute = der(SEQUENCE, &[&[6, 3, 0x55, 4, 3], &text]);
    der(SEQUENCE, &[&der(0x31, &[&attribute])])
}

/// The last number of an identifier `2.5.29.…`, whether it is critical, and the value.
fn extension(last: u8, is_critical: &[u8], value: &[u8]) -> Vec<u8> {
    der(
        SEQUENCE,
        &[&[6, 3, 0x55, 0x1d, last], is_critical, &der(4, &[value])],
    )
}

const CRITICAL: &[u8] = &[1, 1, 0xff];

/// A certificate by its parts, each as it is encoded.
#[derive(Clone)]
struct Parts {
    version: Vec<u8>,
    serial: Vec<u8>,
    algorithm: Vec<u8>,
    /// The same once more, outside of what is signed.
    repeated: Vec<u8>,
    issuer: Vec<u8>,
    begin: Vec<u8>,
    end: Vec<u8>,
    subject: Vec<u8>,
    key: Vec<u8>,
    extensions: Vec<Vec<u8>>,
    unused_bits: u8,
}

impl Parts {
    fn new(issuer: &str, subject: &str, key: &KeyPair) -> Self {
        Self {
            version: vec![0xa0, 3, 2, 1, 2],
            serial: vec![2, 1, 7],
            algorithm: ECDSA_SHA256.to_vec(),
            repeated: ECDSA_SHA256.to_vec(),
            issuer: common_name(issuer),
            begin: der(23, &[b"200102000000Z"]),
            end: der(23, &[b"491231000000Z"]),
            subject: common_name(subject),
            key: key.subject_public_key_info(),
            extensions: Vec::new(),
            unused_bits: 0,
        }
    }

    fn signed_by(&self, key: &KeyPair) -> Result<Vec<u8>> {
        let validity = der(SEQUENCE, &[&self.begin, &self.end]);
        let extensions = match self.extensions.as_slice() {
            [] => Vec::new(),
            some => der(0xa3, &[&der(SEQUENCE, &[&some.concat()])]),
        };
        let signed = der(
            SEQUENCE,
            &[
                &self.version,
                &self.serial,
                &self.algorithm,
                &self.issuer,
                &validity,
                &self.subject,
                &self.key,
                &extensions,
            ],
        );
        let signature = key.sign(&signed)?;
        let bits = der(3, &[&[self.unused_bits], &signature]);
        Ok(der(SEQUENCE, &[&signed, &self.repeated, &bits]))
    }
}

/// Certificates that are odd in one way each, and what they would be without it.
pub(super) fn texts() -> Result<Vec<String>> {
    let key = KeyPair::generate()?;
    let plain = Parts::new("issuer", "subject", &key);
    let mut all = vec![plain.clone()];
    let mut with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = plain.clone();
        change(&mut parts);
        all.push(parts);
    };
    for serial in [
        &[2, 1, 0][..],
        &[2, 1, 0x80],
        &[2, 2, 0xff, 0x7f],
        &[2, 2, 0, 0x80],
        &[2, 2, 0, 1],
        &[2, 2, 0xff, 0x80],
        &[2, 0],
        &[2, 0x81, 1, 7],
    ] {
        with(&|parts| parts.serial = serial.to_vec());
    }
    for version in [
        &[][..],
        &[0xa0, 3, 2, 1, 0],
        &[0xa0, 3, 2, 1, 1],
        &[0xa0, 3, 2, 1, 3],
        &[0xa0, 3, 2, 1, 0xff],
        &[0xa0, 6, 2, 1, 2, 2, 1, 2],
        &[0xa0, 5, 2, 1, 2, 5, 0],
    ] {
        with(&|parts| parts.version = version.to_vec());
    }
    with(&|parts| parts.repeated = ED25519.to_vec());
    for bits in [1, 7, 8] {
        with(&|parts| parts.unused_bits = bits);
    }
    for (tag, text) in times() {
        with(&|parts| parts.begin = der(tag, &[text.as_bytes()]));
    }
    for (tag, text) in names() {
        let attribute = der(SEQUENCE, &[&[6, 3, 0x55, 4, 3], &der(tag, &[text])]);
        let name = der(SEQUENCE, &[&der(0x31, &[&attribute])]);
        with(&|parts| parts.subject.clone_from(&name));
    }
    for algorithm in algorithms() {
        with(&|parts| (parts.algorithm, parts.repeated) = (algorithm.clone(), algorithm.clone()));
    }
    for key in keys(&key)? {
        with(&|parts| parts.key.clone_from(&key));
    }
    for some in extensions() {
        with(&|parts| parts.extensions.clone_from(&some));
    }
    let der = all.iter().map(|parts| parts.signed_by(&key));
    der.map(|der| Ok(STANDARD.encode(der?))).collect()
}

/// Times in the short form and in the long one, right and nearly right.
fn times() -> Vec<(u8, &'static str)> {
    vec![
        (23, "2001020304Z"),
        (23, "200102030405Z"),
        (23, "200102030405+0130"),
        (23, "200102030405-0130"),
        (23, "200102030405+0000"),
        (23, "200102030405+2400"),
        (23, "200102030405+01"),
        (23, "200102030405"),
        (23, "20200102030405Z"),
        (23, "201302030405Z"),
        (23, "200230030405Z"),
        (23, "200102240405Z"),
        (23, "200102030465Z"),
        (23, "500102030405Z"),
        (23, "490102030405Z"),
        (24, "20200102030405Z"),
        (24, "202001020304Z"),
        (24, "2020010203Z"),
        (24, "20200102030405.5Z"),
        (24, "20200102030405+0130"),
        (24, "200102030405Z"),
        (22, "200102030405Z"),
    ]
}

/// Texts of every kind with characters that it has and such that it has not.
fn names() -> Vec<(u8, &'static [u8])> {
    vec![
        (12, b"\xc3\xa9"),
        (12, b"\xff"),
        (18, b"12 3"),
        (18, b"12a"),
        (19, b"a*&"),
        (19, b"a@b"),
        (20, b"\xe9"),
        (22, b"a@b"),
        (22, b"\xe9"),
        (28, b"\0\0\0a"),
        (30, b"\0a"),
        (30, b"\0a\0\0"),
        (30, b"a"),
        (30, b"\xff\xfe"),
        (30, b"\xfd\xd0"),
        (30, b"\xd8\0"),
    ]
}

/// RSA-PSS with parameters that fit together and such that do not, and algorithms with parameters that they have not.
fn algorithms() -> Vec<Vec<u8>> {
    let sha = |last: u8| {
        let id = [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last];
        der(SEQUENCE, &[&id, &[5, 0]])
    };
    let pss = |digest: u8, of_mask: u8, salt: u8, trailer: &[u8]| {
        let mask = der(
            SEQUENCE,
            &[
                &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8],
                &sha(of_mask),
            ],
        );
        let parameters = der(
            SEQUENCE,
            &[
                &der(0xa0, &[&sha(digest)]),
                &der(0xa1, &[&mask]),
                &[0xa2, 3, 2, 1, salt],
                trailer,
            ],
        );
        let id = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
        der(SEQUENCE, &[&id, &parameters])
    };
    vec![
        pss(1, 1, 32, &[]),
        pss(1, 1, 32, &[0xa3, 3, 2, 1, 1]),
        pss(1, 1, 32, &[0xa3, 3, 2, 1, 2]),
        pss(1, 2, 32, &[]),
        pss(1, 1, 20, &[]),
        pss(2, 2, 48, &[]),
        pss(3, 3, 64, &[]),
        ED25519.to_vec(),
        [&[0x30, 7], ED25519.get(2..).unwrap_or_default(), &[5, 0]].concat(),
        der(SEQUENCE, &[&[6, 3, 0x80, 0x65, 0x70]]),
        der(SEQUENCE, &[&[6, 2, 0x2a, 0x83]]),
        der(SEQUENCE, &[&[6, 6, 0x2a, 0x8f, 0xff, 0xff, 0xff, 0x7f]]),
    ]
}

/// Keys with parameters and numbers that they cannot have.
fn keys(point: &KeyPair) -> Result<Vec<Vec<u8>>> {
    const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    let frame = |algorithm: &[&[u8]], bits: &[u8]| {
        der(SEQUENCE, &[&der(SEQUENCE, algorithm), &der(3, &[&[0], bits])])
    };
    let rsa = |modulus: &[u8], exponent: &[u8]| der(SEQUENCE, &[&der(2, &[modulus]), &der(2, &[exponent])]);
    let (good, id) = (rsa(&[0x7f; 9], &[1, 0, 1]), [6, 3, 0x2b, 0x65, 0x70]);
    let mut beside = point.subject_public_key_info();
    if let Some(last) = beside.last_mut() {
        *last ^= 1;
    }
    Ok(vec![
        frame(&[RSA, &[5, 0]], &good),
        frame(&[RSA], &good),
        frame(&[RSA, &[4, 0]], &good),
        frame(&[RSA, &[5, 0]], &rsa(&[0x8f; 9], &[1, 0, 1])),
        frame(&[RSA, &[5, 0]], &rsa(&[0], &[3])),
        frame(&[RSA, &[5, 0]], &rsa(&[0x7f; 9], &[0])),
        frame(&[RSA, &[5, 0]], &rsa(&[0x7f; 9], &[0xff])),
        frame(&[&id], &[7; 32]),
        frame(&[&id], &[7; 31]),
        frame(&[&id, &[5, 0]], &[7; 32]),
        KeyPair::generate_for(&PKCS_ED25519)?.subject_public_key_info(),
        beside,
    ])
}

/// Lists of extensions.
fn extensions() -> Vec<Vec<Vec<u8>>> {
    let one = |last: u8, value: &[u8]| vec![extension(last, &[], value)];
    let critical = |last: u8, value: &[u8]| vec![extension(last, CRITICAL, value)];
    // A registered number, and a directory's name: kinds of which nothing is read.
    let (number, directory) = ([0x30, 4, 0x88, 2, 0x2a, 3], [0x30, 4, 0xa4, 2, 0x30, 0]);
    let permits = |base: &[u8]| der(SEQUENCE, &[&der(0xa0, &[&der(SEQUENCE, &[base])])]);
    let network = |mask: [u8; 4]| permits(&der(0x87, &[&[10, 0, 0, 0], &mask]));
    let policy = |id: &[u8]| der(SEQUENCE, &[&der(6, &[id])]);
    let (any, own) = (policy(&[0x55, 0x1d, 0x20, 0]), policy(&[0x2a, 3]));
    let mut all = vec![
        vec![AUTHORITY.to_vec(), AUTHORITY.to_vec()],
        vec![extension(19, &[1, 1, 1], &[0x30, 3, 1, 1, 0xff])],
        vec![extension(19, &[1, 1, 0], &[0x30, 3, 1, 1, 0xff])],
        one(32, &der(SEQUENCE, &[&any, &own])),
        one(32, &der(SEQUENCE, &[&own, &own])),
        one(32, &der(SEQUENCE, &[&policy(&[0x2a, 0x80, 3])])),
        one(32, &der(SEQUENCE, &[&policy(&[0x2a, 0x83])])),
    ];
    for value in [&number[..], &directory, &[0x30, 3, 0x82, 1, b'a'], &[0x30, 0]] {
        all.extend([one(17, value), critical(17, value)]);
    }
    for value in [&[4, 1, 7][..], &[4, 0]] {
        all.extend([one(14, value), critical(14, value)]);
    }
    for value in [&[0x30, 3, 0x80, 1, 7][..], &[0x30, 0]] {
        all.extend([one(35, value), critical(35, value)]);
    }
    for value in [
        &[0x30, 6, 1, 1, 0xff, 2, 1, 3][..],
        &[0x30, 6, 1, 1, 0xff, 2, 1, 0xff],
        &[0x30, 6, 1, 1, 1, 2, 1, 3],
        &[0x30, 3, 2, 1, 3],
        &[0x30, 0],
    ] {
        all.push(critical(19, value));
    }
    for base in [
        network([255, 0, 0, 0]),
        network([255, 128, 0, 0]),
        network([255, 0, 255, 0]),
        network([0, 0, 0, 0]),
        network([254, 128, 0, 0]),
        permits(&der(0x87, &[&[10, 0, 0]])),
        permits(&[0xa4, 2, 0x30, 0]),
        permits(&[0x86, 1, b'a']),
        permits(&[&[0x86, 8][..], b"10.0.0.1"].concat()),
        permits(&[&[0x81, 4][..], b"a@@b"].concat()),
        permits(&[&[0x82, 4][..], b"a..b"].concat()),
        der(SEQUENCE, &[]),
    ] {
        all.extend([one(30, &base), critical(30, &base)]);
    }
    for bits in [
        &[3, 2, 5, 0xa0][..],
        &[3, 2, 5, 0xa1],
        &[3, 2, 8, 0],
        &[3, 1, 0],
        &[3, 1, 1],
    ] {
        all.push(critical(15, bits));
    }
    all
}

/// Chains with certificates of the first version, which say nothing of authorities.
pub(super) fn chains() -> Result<Vec<String>> {
    let (top, middle, end) = (KeyPair::generate()?, KeyPair::generate()?, KeyPair::generate()?);
    let mut chains = Vec::new();
    let first = |mut parts: Parts| {
        parts.version = Vec::new();
        parts
    };
    let authority = |mut parts: Parts| {
        parts.extensions.push(AUTHORITY.to_vec());
        parts
    };
    let root = || Parts::new("root", "root", &top);
    let between = || Parts::new("root", "between", &middle);
    let leaf = || Parts::new("between", "leaf", &end);
    for (root, between, leaf) in [
        (authority(root()), authority(between()), leaf()),
        (first(root()), authority(between()), leaf()),
        (root(), authority(between()), leaf()),
        (authority(root()), first(between()), leaf()),
        (authority(root()), between(), leaf()),
        (authority(root()), authority(between()), first(leaf())),
    ] {
        let all = [
            root.signed_by(&top)?,
            between.signed_by(&top)?,
            leaf.signed_by(&middle)?,
        ];
        chains.push(STANDARD.encode(all.concat()));
    }
    Ok(chains)
}
