//! Certificates, where OPA has nothing to compare with: the time of the review, authn, and what is too much.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::*;

const READ: &str = "crypto.x509.parse_certificates";
const VERIFY: &str = "crypto.x509.parse_and_verify_certificates";
const WITH_OPTIONS: &str = "crypto.x509.parse_and_verify_certificates_with_options";

/// A chain of two that holds in the year 2030.
fn chain() -> String {
    let during_2030 = || {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2030, 1, 1);
        params.not_after = date_time_ymd(2031, 1, 1);
        params
    };
    let mut top = during_2030();
    top.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(top, KeyPair::generate().unwrap()).unwrap();
    let leaf = during_2030()
        .signed_by(&KeyPair::generate().unwrap(), &root)
        .unwrap();
    (root.pem() + &leaf.pem()).replace("\r\n", "\n")
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
fn a_text_of_certificates_that_is_too_long_is_a_fault_leniently_too() {
    let long = format!("sprintf(\"%{}s\", [\"\"])", 1024 * 1024 + 1);
    for errors in [BuiltinErrors::Fault, BuiltinErrors::Undefined] {
        let error = evaluate(Context::default(), errors, &format!("{READ}({long})")).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("operand 1 is longer than 1 MiB"), "{error}");
    }
}
