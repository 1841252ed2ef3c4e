//! The callers: what each one is, what it shows, and what becomes of it.

use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256,
    SanType,
};
use regate::gate::Gate;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::Case;
use super::Expected::{self, At, In, Refused, Unproved};
use crate::pki::{HOUR, Issuer, authority_params, intermediate, params, root};

fn case(
    what: impl Into<String>,
    expected: Expected,
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
) -> Case {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    Case {
        what: what.into(),
        shown: Some(Arc::new(CertifiedKey::new(chain, key))),
        expected,
    }
}

/// What the certificate of an allowed caller says.
fn leaf() -> CertificateParams {
    named("apiserver")
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = params(common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Nobody by its subject, and these by its other names.
fn alternative(names: Vec<SanType>) -> CertificateParams {
    let mut params = leaf();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names;
    params
}

fn with(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = leaf();
    change(&mut params);
    params
}

/// A caller whose certificate `issuer` signed, and that shows these others after it.
fn signed(
    what: impl Into<String>,
    expected: Expected,
    params: &CertificateParams,
    issuer: &Issuer,
    others: &[&Issuer],
) -> Case {
    let key = KeyPair::generate().unwrap();
    let mut chain = vec![params.signed_by(&key, issuer).unwrap().der().clone()];
    chain.extend(others.iter().map(|other| other.der().clone()));
    case(what, expected, chain, &key)
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// Names that are like an allowed one, or somebody's who is in every cluster.
pub(super) fn names(ca: &Issuer) -> Vec<Case> {
    let others = [
        "system:node:one",
        "kube-proxy",
        "system:masters",
        "APISERVER",
        "Apiserver",
        "apiserver.",
        "apiserver ",
        " apiserver",
        "apiserver\0",
        "apiserver\0.example",
        "apiserver2",
        "apiserve",
        "*",
        "",
        "image=apiserver",
        "image=image-only",
        "xn--apiserver",
        "apiserver,authority",
    ];
    let mut cases: Vec<_> = others
        .into_iter()
        .map(|name| signed(format!("the name {name:?}"), Refused, &named(name), ca, &[]))
        .collect();
    let subject = |entries: &[(DnType, &str)]| {
        with(|params| {
            params.distinguished_name = DistinguishedName::new();
            for (kind, name) in entries {
                params.distinguished_name.push(kind.clone(), *name);
            }
        })
    };
    let (common, again) = (DnType::CommonName, DnType::CustomDnType(vec![2, 5, 4, 3]));
    for (what, entries) in [
        (
            "the name as organization",
            vec![(DnType::OrganizationName, "apiserver")],
        ),
        (
            "the name as unit",
            vec![(DnType::OrganizationalUnitName, "apiserver")],
        ),
        (
            "an allowed unit of another",
            vec![
                (DnType::OrganizationalUnitName, "apiserver"),
                (common.clone(), "other"),
            ],
        ),
        (
            "two names",
            vec![(common.clone(), "apiserver"), (again.clone(), "other")],
        ),
        (
            "two names, the other first",
            vec![(common.clone(), "other"), (again.clone(), "apiserver")],
        ),
        ("a name twice", vec![(common, "apiserver"), (again, "apiserver")]),
    ] {
        cases.push(signed(what, Refused, &subject(&entries), ca, &[]));
    }
    cases.push(signed("an allowed name", In, &leaf(), ca, &[]));
    cases.push(signed(
        "one gate's name",
        At(Gate::Image),
        &named("image-only"),
        ca,
        &[],
    ));
    cases
}

pub(super) fn alternatives(ca: &Issuer) -> Vec<Case> {
    let uri = |uri: &str| SanType::URI(uri.try_into().unwrap());
    let mail = |mail: &str| SanType::Rfc822Name(mail.try_into().unwrap());
    [
        ("an allowed host", In, dns("a.callers.example")),
        ("an allowed URI", In, uri("spiffe://cluster/apiserver")),
        (
            "an allowed address of mail",
            In,
            mail("apiserver@callers.example"),
        ),
        ("an allowed name as host", In, dns("apiserver")),
        ("a host in another case", Refused, dns("A.callers.example")),
        ("a host below", Refused, dns("b.a.callers.example")),
        ("a wildcard", Refused, dns("*.callers.example")),
        ("a URI below", Refused, uri("spiffe://cluster/apiserver/x")),
        ("mail of another", Refused, mail("other@callers.example")),
        ("an address", Refused, SanType::IpAddress([10, 0, 0, 7].into())),
    ]
    .into_iter()
    .map(|(what, expected, name)| signed(what, expected, &alternative(vec![name]), ca, &[]))
    .collect()
}

/// What is wrong is the certificate itself.
pub(super) fn leaves(ca: &Issuer) -> Vec<Case> {
    let now = SystemTime::now();
    let usages =
        |usages: &[ExtendedKeyUsagePurpose]| with(|params| params.extended_key_usages = usages.to_vec());
    let extension = |size: usize, critical: bool| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![4; size]);
        extension.set_criticality(critical);
        with(|params| params.custom_extensions = vec![extension])
    };
    [
        (
            "expired",
            Refused,
            with(|params| {
                params.not_before = (now - 2 * HOUR).into();
                params.not_after = (now - HOUR).into();
            }),
        ),
        (
            "not yet valid",
            Refused,
            with(|params| params.not_before = (now + HOUR).into()),
        ),
        ("no use at all", Refused, usages(&[])),
        (
            "a server's use",
            Refused,
            usages(&[ExtendedKeyUsagePurpose::ServerAuth]),
        ),
        ("any use", Refused, usages(&[ExtendedKeyUsagePurpose::Any])),
        (
            "another use",
            Refused,
            usages(&[ExtendedKeyUsagePurpose::CodeSigning]),
        ),
        (
            "the uses of both sides",
            In,
            usages(&[
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ]),
        ),
        (
            "an authority",
            Refused,
            with(|params| {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            }),
        ),
        ("a large certificate", In, extension(30_000, false)),
        (
            "a certificate larger than a message may be",
            Unproved,
            extension(66_000, false),
        ),
        (
            "something critical that nobody knows",
            Unproved,
            extension(4, true),
        ),
    ]
    .into_iter()
    .map(|(what, expected, params)| signed(what, expected, &params, ca, &[]))
    .collect()
}

/// Who signed what.
pub(super) fn chains(ca: &Issuer) -> Vec<Case> {
    let now = SystemTime::now();
    let between = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = authority_params("between");
        change(&mut params);
        intermediate(params, ca)
    };
    let good = between(&|_| {});
    let expired = between(&|params| {
        params.not_before = (now - 2 * HOUR).into();
        params.not_after = (now - HOUR).into();
    });
    let no_authority = between(&|params| params.is_ca = IsCa::NoCa);
    let signs_nothing = between(&|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    let last = between(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let after_last = intermediate(authority_params("after the last"), &last);
    let after_good = intermediate(authority_params("after the good"), &good);
    let servers_only =
        between(&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let constrained = |permitted: &[&str], excluded: &[&str]| {
        let trees = |names: &[&str]| {
            names
                .iter()
                .map(|name| GeneralSubtree::DnsName((*name).to_owned()))
                .collect()
        };
        between(&|params| {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: trees(permitted),
                excluded_subtrees: trees(excluded),
            });
        })
    };
    let (elsewhere, not_here) = (
        constrained(&["team.example"], &[]),
        constrained(&[], &["callers.example"]),
    );
    let host = alternative(vec![dns("a.callers.example")]);
    vec![
        signed("signed between", In, &leaf(), &good, &[&good]),
        signed(
            "signed by the second between",
            In,
            &leaf(),
            &after_good,
            &[&after_good, &good],
        ),
        signed(
            "those between in another order",
            In,
            &leaf(),
            &after_good,
            &[&good, &after_good],
        ),
        signed("with the authority itself", In, &leaf(), ca, &[ca]),
        signed("one between is missing", Refused, &leaf(), &good, &[]),
        signed("another one between", Refused, &leaf(), &good, &[&last]),
        signed("expired between", Refused, &leaf(), &expired, &[&expired]),
        signed(
            "signed by a caller",
            Refused,
            &leaf(),
            &no_authority,
            &[&no_authority],
        ),
        signed(
            "signed by what signs nothing",
            Refused,
            &leaf(),
            &signs_nothing,
            &[&signs_nothing],
        ),
        signed(
            "too long a path",
            Refused,
            &leaf(),
            &after_last,
            &[&after_last, &last],
        ),
        signed(
            "signed for servers",
            Refused,
            &leaf(),
            &servers_only,
            &[&servers_only],
        ),
        signed(
            "a host that it may not sign",
            Refused,
            &host,
            &elsewhere,
            &[&elsewhere],
        ),
        signed("a host that is excluded", Refused, &host, &not_here, &[&not_here]),
    ]
}

/// Signed by nobody who is trusted, or shown by somebody else.
pub(super) fn strangers(ca: &Issuer) -> Vec<Case> {
    let twin = root(authority_params("authority"));
    let other = root(authority_params("other"));
    let key = KeyPair::generate().unwrap();
    let certificate = leaf().signed_by(&key, ca).unwrap().der().clone();
    let own = leaf().self_signed(&key).unwrap().der().clone();
    let mut altered = certificate.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let good = intermediate(authority_params("between"), ca);
    let from_good = leaf().signed_by(&key, &good).unwrap().der().clone();
    let many: Vec<_> = (0..12)
        .map(|_| intermediate(authority_params("other"), &other))
        .collect();
    vec![
        signed("another authority", Refused, &leaf(), &other, &[&other]),
        signed("another authority of the same name", Refused, &leaf(), &twin, &[]),
        signed("the same with itself", Refused, &leaf(), &twin, &[&twin]),
        signed(
            "many that lead nowhere",
            Refused,
            &leaf(),
            &other,
            &many.iter().collect::<Vec<_>>(),
        ),
        case("signed by itself", Refused, vec![own], &key),
        case("altered", Refused, vec![altered.into()], &key),
        case("the authority itself", Refused, vec![ca.der().clone()], ca.key()),
        case(
            "the key of another",
            Unproved,
            vec![certificate],
            &KeyPair::generate().unwrap(),
        ),
        case(
            "the chain upside down",
            Unproved,
            vec![good.der().clone(), from_good],
            &key,
        ),
        case(
            "no certificate at all",
            Unproved,
            vec![b"apiserver".to_vec().into()],
            &key,
        ),
    ]
}

/// Allowed ones with other keys.
pub(super) fn keys(ca: &Issuer) -> Vec<Case> {
    [&PKCS_ECDSA_P384_SHA384, &PKCS_RSA_SHA256]
        .into_iter()
        .map(|algorithm| {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let chain = vec![leaf().signed_by(&key, ca).unwrap().der().clone()];
            case(format!("{algorithm:?}"), In, chain, &key)
        })
        .collect()
}
