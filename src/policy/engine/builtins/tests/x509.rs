//! Certificates, where OPA has nothing to compare with: the time of the review, authn, and what is too much.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CidrSubnet, CustomExtension, GeneralSubtree, IsCa,
    KeyPair, NameConstraints, SanType, SerialNumber, date_time_ymd,
};

use super::*;

const READ: &str = "crypto.x509.parse_certificates";
const VERIFY: &str = "crypto.x509.parse_and_verify_certificates";
const WITH_OPTIONS: &str = "crypto.x509.parse_and_verify_certificates_with_options";

/// A certificate that holds in the year 2030.
fn during_2030() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2030, 1, 1);
    params.not_after = date_time_ymd(2031, 1, 1);
    params
}

fn authority() -> CertificateParams {
    let mut params = during_2030();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A chain of two.
fn chain_of(top: CertificateParams, leaf: &CertificateParams) -> String {
    let root = CertifiedIssuer::self_signed(top, KeyPair::generate().unwrap()).unwrap();
    let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &root).unwrap();
    (root.pem() + &leaf.pem()).replace("\r\n", "\n")
}

/// One that holds in the year 2030.
fn chain() -> String {
    chain_of(authority(), &during_2030())
}

/// Whether a chain is valid in the middle of that year.
fn is_valid(chain: &str) -> bool {
    let answer = call(at(1_909_000_000, false), VERIFY, &[&format!("`{chain}`")]).unwrap();
    answer.as_array().unwrap()[0] == Value::from(true)
}

fn at(seconds: i64, lenient_decoding: bool) -> Context {
    Context {
        now_ns: seconds * 1_000_000_000,
        lenient_decoding,
        ..Context::default()
    }
}

fn call(context: Context, name: &str, operands: &[&str]) -> anyhow::Result<Value> {
    eval(context, &format!("{name}({})", operands.join(", ")))
}

#[test]
fn a_chain_of_certificates_holds_at_the_time_of_the_review() {
    let chain = format!("`{}`", chain());
    let holds = |seconds| {
        let answer = call(at(seconds, false), VERIFY, &[&chain]).unwrap();
        answer.as_array().unwrap()[0].clone()
    };
    // The first and the last second of it, and those beside them.
    for (seconds, expected) in [
        (1_893_455_999, false),
        (1_893_456_000, true),
        (1_924_992_000, true),
        (1_924_992_001, false),
    ] {
        assert_eq!(holds(seconds), Value::from(expected), "{seconds}");
    }
}

#[test]
fn what_is_no_certificate_is_undefined_at_authn_and_wrong_options_are_faults_there_too() {
    for name in [READ, "crypto.x509.parse_certificate_request"] {
        for rubbish in ["\"%\"", "\"YQ==\"", "1"] {
            let error = call(at(0, false), name, &[rubbish]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
            assert_eq!(call(at(0, true), name, &[rubbish]).unwrap(), Value::Undefined);
        }
    }
    let refused = Value::from(vec![Value::from(false), Value::new_array()]);
    assert_eq!(call(at(0, false), VERIFY, &["\"%\""]).unwrap(), refused);
    let chain = format!("`{}`", chain());
    for (options, message) in [
        ("{\"Roots\": []}", "there is no option `Roots`"),
        ("{\"CurrentTime\": 1.5}", "`CurrentTime` must be a whole number"),
        ("{\"DNSName\": 1}", "`DNSName` must be a string"),
        ("{\"KeyUsages\": [\"Server\"]}", "there is no use `Server`"),
        (
            "{\"KeyUsages\": \"KeyUsageAny\"}",
            "`KeyUsages` must be an array or a set",
        ),
        ("[]", "operand 2 must be an object"),
    ] {
        for lenient in [false, true] {
            let error = call(at(0, lenient), WITH_OPTIONS, &[&chain, options]).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(message) && error.contains(WITH_OPTIONS), "{error}");
        }
    }
}

#[test]
fn numbers_of_certificates_are_exact() {
    let chain = format!("`{}`", chain());
    let serial = format!("sprintf(\"%d\", [{READ}({chain})[0].SerialNumber])");
    let point = format!("sprintf(\"%d\", [{READ}({chain})[0].PublicKey.X])");
    for expression in [serial, point] {
        let digits = eval(Context::default(), &expression).unwrap();
        let digits = digits.as_string().unwrap();
        assert!(digits.len() > 25 && !digits.ends_with("000000"), "{digits}");
    }
}

#[test]
fn a_number_that_is_longer_than_any_in_use_is_an_error() {
    let read = |length: usize| {
        let mut leaf = during_2030();
        leaf.serial_number = Some(SerialNumber::from_slice(&vec![1; length]));
        let chain = chain_of(authority(), &leaf);
        let last = chain.rfind("-----BEGIN").unwrap();
        call(at(0, false), READ, &[&format!("`{}`", &chain[last..])])
    };
    assert!(read(2048).is_ok());
    let told = read(2050).unwrap_err().to_string();
    assert!(
        told.ends_with("the text does not hold certificates only"),
        "{told}"
    );
    let chain_with = |length: usize| {
        let mut leaf = during_2030();
        leaf.serial_number = Some(SerialNumber::from_slice(&vec![1; length]));
        format!("`{}`", chain_of(authority(), &leaf))
    };
    let told = call(at(1_909_000_000, false), VERIFY, &[&chain_with(2050)]).unwrap_err();
    assert!(
        told.to_string()
            .ends_with("a number in a certificate is too long"),
        "{told}"
    );
}

#[test]
fn a_text_of_certificates_that_is_too_long_is_a_fault_leniently_too() {
    let long = format!("sprintf(\"%{}s\", [\"\"])", 1024 * 1024 + 1);
    for errors in [BuiltinErrors::Fault, BuiltinErrors::Undefined] {
        let error = evaluate(Context::default(), errors, &format!("{READ}({long})")).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("operand 1 is longer than 1 MiB"), "{error}");
    }
}

#[test]
fn a_chain_that_demands_policies_or_maps_them_to_any_is_not_valid() {
    let any = [6, 4, 0x55, 0x1d, 0x20, 0];
    let own = [6, 2, 0x2a, 3];
    let maps = |from: &[u8], to: &[u8]| {
        let length = u8::try_from(from.len() + to.len()).unwrap();
        [&[0x30, length + 2, 0x30, length], from, to].concat()
    };
    let with = |id: u64, content: Vec<u8>| {
        let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, id], content);
        extension.set_criticality(true);
        let mut params = during_2030();
        params.custom_extensions = vec![extension];
        is_valid(&chain_of(authority(), &params))
    };
    assert!(is_valid(&chain()));
    assert!(with(33, maps(&own, &own)));
    assert!(!with(33, maps(&any, &own)));
    assert!(!with(33, maps(&own, &any)));
    assert!(!with(36, vec![0x30, 3, 0x80, 1, 3]));
}

#[test]
fn an_address_of_ipv4_in_the_form_of_ipv6_is_permitted_by_nothing_and_excluded_by_everything() {
    let subtrees =
        |networks: &[CidrSubnet]| networks.iter().cloned().map(GeneralSubtree::IpAddress).collect();
    let holds = |permitted: &[CidrSubnet], excluded: &[CidrSubnet], address: &str| {
        let mut top = authority();
        top.name_constraints = Some(NameConstraints {
            permitted_subtrees: subtrees(permitted),
            excluded_subtrees: subtrees(excluded),
        });
        let mut leaf = during_2030();
        leaf.subject_alt_names = vec![SanType::IpAddress(address.parse().unwrap())];
        is_valid(&chain_of(top, &leaf))
    };
    let four = [CidrSubnet::V4([10, 0, 0, 0], [255, 0, 0, 0])];
    let six = [CidrSubnet::V6([0; 16], [0; 16])];
    for (address, by_four, by_six) in [
        ("10.0.0.1", true, false),
        ("2001:db8::1", false, true),
        ("::ffff:10.0.0.1", false, false),
    ] {
        assert_eq!(holds(&four, &[], address), by_four, "{address}");
        assert_eq!(holds(&six, &[], address), by_six, "{address}");
    }
    for (address, by_four, by_six) in [
        ("10.0.0.1", true, false),
        ("2001:db8::1", false, true),
        ("::ffff:10.0.0.1", true, true),
    ] {
        assert_eq!(!holds(&[], &four, address), by_four, "{address}");
        assert_eq!(!holds(&[], &six, address), by_six, "{address}");
    }
}

/// A chain whose authority may not sign these hosts, for others.
fn chain_without(excluded: Vec<String>, hosts: Vec<String>) -> String {
    let mut top = authority();
    top.name_constraints = Some(NameConstraints {
        permitted_subtrees: Vec::new(),
        excluded_subtrees: excluded.into_iter().map(GeneralSubtree::DnsName).collect(),
    });
    let mut leaf = during_2030();
    let names = hosts
        .into_iter()
        .map(|host| SanType::DnsName(host.try_into().unwrap()));
    leaf.subject_alt_names = names.collect();
    chain_of(top, &leaf)
}

#[test]
fn a_name_or_a_constraint_that_is_too_long_to_be_compared_makes_no_valid_chain() {
    let host = |length: usize| ["x.".repeat((length - 8) / 2), "bad.test".to_owned()].concat();
    let good = || "good.test".to_owned();
    for (length, holds) in [(1024, true), (1026, false)] {
        assert_eq!(host(length).len(), length);
        assert_eq!(is_valid(&chain_without(vec![good()], vec![host(length)])), holds);
        assert_eq!(is_valid(&chain_without(vec![host(length)], vec![good()])), holds);
    }
}

#[test]
fn more_names_than_can_be_compared_with_constraints_are_a_fault_leniently_too() {
    // 500 names and as many constraints make just as many comparisons as there may be.
    let chain_with = |names: usize| {
        let hosts = |domain: &str| {
            let names = (0..names).map(|number| format!("{number}.{domain}"));
            names.collect::<Vec<_>>()
        };
        chain_without(hosts("bad.test"), hosts("good.test"))
    };
    assert!(is_valid(&chain_with(500)));
    let call = format!("{VERIFY}(`{}`)", chain_with(501));
    for errors in [BuiltinErrors::Fault, BuiltinErrors::Undefined] {
        let error = evaluate(at(1_909_000_000, false), errors, &call).unwrap_err();
        let told = format!("{VERIFY}: more than 250000 comparisons of names with constraints");
        assert!(error.to_string().contains(&told), "{error}");
    }
}
