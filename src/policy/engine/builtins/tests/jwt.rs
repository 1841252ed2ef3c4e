//! What needs no comparison with OPA about tokens: time, errors, and what is never verified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::policy::engine::builtins;

fn token(header: &str, payload: &str) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"secret");
    let signature = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn verified(context: Context, token: &str, more: &str) -> anyhow::Result<bool> {
    let call = format!("io.jwt.decode_verify(\"{token}\", {{\"secret\": \"secret\"{more}}})[0]");
    Ok(eval(context, &call)? == Value::from(true))
}

#[test]
fn a_token_holds_at_the_time_of_the_review() {
    let token = token(r#"{"alg":"HS256"}"#, r#"{"nbf":100,"exp":200}"#);
    let at = |seconds: i64| Context {
        now_ns: seconds * 1_000_000_000,
        ..Context::default()
    };
    for (seconds, holds) in [(99, false), (100, true), (199, true), (200, false)] {
        assert_eq!(verified(at(seconds), &token, "").unwrap(), holds, "{seconds}");
    }
    assert!(verified(at(0), &token, ", \"time\": 150000000000").unwrap());
}

#[test]
fn nothing_is_verified_without_a_signature_or_by_a_key_of_another_kind() {
    let authn = Context::default();
    assert!(verified(authn, &token(r#"{"alg":"HS256"}"#, "{}"), "").unwrap());
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        "{}",
    ] {
        assert!(!verified(authn, &token(header, "{}"), "").unwrap(), "{header}");
    }
    let good = token(r#"{"alg":"HS256"}"#, "{}");
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert!(!verified(authn, &format!("{signed}."), "").unwrap());
    // A public key is no secret that somebody could have signed with.
    let jwk = r#"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"c2VjcmV0\"}"#;
    let call = format!("io.jwt.decode_verify(\"{good}\", {{\"cert\": \"{jwk}\"}})[0]");
    assert_eq!(eval(authn, &call).unwrap(), Value::from(false));
}

#[test]
fn what_is_no_token_is_undefined_at_authn_and_wrong_constraints_are_faults_there_too() {
    let authn = Context {
        lenient_decoding: true,
        ..Context::default()
    };
    let no_token = "io.jwt.decode_verify(\"no token\", {\"secret\": \"s\"})";
    assert_eq!(eval(authn, no_token).unwrap(), Value::Undefined);
    assert!(error(no_token).contains("io.jwt.decode_verify: a token has three parts between two dots"));
    let good = token(r#"{"alg":"HS256"}"#, "{}");
    for (constraints, told) in [
        ("{}", "`cert` or `secret` must be there"),
        (
            r#"{"secret": "s", "issuer": "x"}"#,
            "there is no constraint `issuer`",
        ),
        (r#"{"cert": "no key"}"#, "neither PEM nor a JWK (set)"),
        // Anybody signs with nothing.
        (r#"{"secret": ""}"#, "`cert` or `secret` must be there"),
        (r#"{"secret": 1}"#, "constraint `secret` must be a string"),
    ] {
        let call = format!("io.jwt.decode_verify(\"{good}\", {constraints})");
        // The engine puts the line before it.
        let error = eval(authn, &call).unwrap_err().to_string();
        let last = error.lines().last().unwrap();
        assert_eq!(last, format!("error: io.jwt.decode_verify: {told}"));
    }
    // An end that cannot be compared is no end that may be left out.
    let endless = token(r#"{"alg":"HS256"}"#, r#"{"exp":"never"}"#);
    let told = verified(Context::default(), &endless, "")
        .unwrap_err()
        .to_string();
    assert!(told.contains("`exp` must be a number of seconds"), "{told}");
    // Behind every time that can be told all tokens would have begun.
    for time in ["bits.lsh(1, 1000) * bits.lsh(1, 1000)", "-1"] {
        let told = verified(Context::default(), &good, &format!(", \"time\": {time}"));
        let told = told.unwrap_err().to_string();
        assert!(
            told.contains("`time` must be a number of nanoseconds"),
            "{time}: {told}"
        );
    }
}

#[test]
fn what_a_header_says_of_itself_is_text() {
    for key in ["alg", "kid", "cty", "typ"] {
        let mut header = serde_json::json!({"alg": "HS256"});
        header[key] = 7.into();
        let told = verified(Context::default(), &token(&header.to_string(), "{}"), "");
        let told = told.unwrap_err().to_string();
        let wanted = format!("io.jwt.decode_verify: `{key}` in the header must be a string");
        assert!(told.ends_with(&wanted), "{told}");
    }
}

#[test]
fn tokens_in_each_other_are_opened_eight_deep() {
    let nested = |times: usize| {
        (1..times).fold(token(r#"{"alg":"HS256"}"#, "{}"), |inner, _| {
            token(r#"{"alg":"HS256","cty":"JWT"}"#, &inner)
        })
    };
    let constraints = Value::from(BTreeMap::from([(Value::from("secret"), Value::from("secret"))]));
    // The engine reads no lines that are so long.
    let functions: [(&str, Function); 2] = [
        ("io.jwt.decode_verify", builtins::jwt::decode_verify),
        ("io.jwt.decode", builtins::jwt::decode),
    ];
    for (name, function) in functions {
        let call = |times| function(&[Value::from(nested(times)), constraints.clone()]);
        assert_eq!(call(8).unwrap().as_array().unwrap().len(), 3, "{name}");
        assert_eq!(
            call(9).unwrap_err().to_string(),
            format!("{name}: too many tokens in each other")
        );
    }
}

/// A key as a JWK with its private part, and its public part for verifying.
fn private(kind: &str) -> (String, String) {
    use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData as _};
    use x509_parser::der_parser::parse_der;

    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    if kind == "EC" {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let signing =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der()).unwrap();
        let (x, y) = pair.der_bytes()[1..].split_at(32);
        let number: EcPrivateKeyBin<'_> = signing.private_key().as_be_bytes().unwrap();
        let jwk = serde_json::json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "d": encode(number.as_ref())});
        return (jwk.to_string(), pair.public_key_pem());
    }
    let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let der = pair.serialize_der();
    let (_, outer) = parse_der(&der).unwrap();
    let inner = outer.as_sequence().unwrap()[2].as_slice().unwrap().to_vec();
    let (_, key) = parse_der(&inner).unwrap();
    let numbers = key.as_sequence().unwrap().iter().skip(1);
    let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
    let mut jwk: serde_json::Map<_, _> = names
        .iter()
        .zip(numbers)
        .map(|(name, number)| ((*name).to_owned(), encode(number.as_slice().unwrap()).into()))
        .collect();
    jwk.insert("kty".into(), "RSA".into());
    (serde_json::Value::from(jwk).to_string(), pair.public_key_pem())
}

#[test]
fn a_token_that_a_policy_signs_is_verified_with_the_public_part_of_its_key() {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    for (algorithm, kind) in [("RS256", "RSA"), ("PS384", "RSA"), ("ES256", "EC")] {
        let (jwk, pem) = private(kind);
        // The engine reads no longer lines.
        let jwk = jwk.replace("\",\"", "\",\n\"");
        let verify = format!("io.jwt.verify_{}", algorithm.to_lowercase());
        let signed = format!("io.jwt.encode_sign({{\"alg\": \"{algorithm}\"}}, {{\"a\": 1}}, {jwk})");
        let raw = format!(
            "io.jwt.encode_sign_raw({}, \"{{}}\", json.marshal({jwk}))",
            quoted(&format!("{{\"alg\":\"{algorithm}\"}}")),
        );
        for token in [signed, raw] {
            let call = format!("{verify}({token},\n{})", quoted(&pem.replace("\r\n", "\n")));
            assert_eq!(
                eval(Context::default(), &call).unwrap(),
                Value::from(true),
                "{algorithm}"
            );
        }
        let other = error(&format!(
            "io.jwt.encode_sign({{\"alg\": \"HS256\"}}, {{}}, {jwk})"
        ));
        assert!(
            other.contains("operand 3 is no private key for this algorithm"),
            "{other}"
        );
    }
}

#[test]
fn numbers_of_a_key_may_have_a_zero_before_them() {
    let padded = |number: &serde_json::Value| {
        let bytes = URL_SAFE_NO_PAD.decode(number.as_str().unwrap()).unwrap();
        URL_SAFE_NO_PAD.encode([vec![0], bytes].concat())
    };
    for (kind, algorithm, numbers) in [("EC", "ES256", ["x", "y"]), ("RSA", "RS256", ["n", "e"])] {
        let (signing, _) = private(kind);
        let header = format!("{{\"alg\": \"{algorithm}\"}}");
        // The engine reads no longer lines.
        let lines = signing.replace("\",\"", "\",\n\"");
        let call = format!("io.jwt.encode_sign({header}, {{\"sub\": \"jane\"}}, {lines})");
        let token = eval(Context::default(), &call);
        let whole: serde_json::Value = serde_json::from_str(&signing).unwrap();
        let mut public = serde_json::json!({"kty": kind, "crv": "P-256"});
        for number in numbers {
            public[number] = padded(&whole[number]).into();
        }
        let (token, key) = (token.unwrap(), Value::from(public.to_string()));
        let call = format!("io.jwt.verify_{}({token},\n{key})", algorithm.to_lowercase());
        assert_eq!(
            eval(Context::default(), &call).unwrap(),
            Value::from(true),
            "{kind}"
        );
    }
}

#[test]
fn numbers_of_a_key_may_have_lost_their_zeros() {
    // One key in 256 has a number that begins with a zero.
    for short in ["x", "y", "d"] {
        let (jwk, pem) = loop {
            let (jwk, pem) = private("EC");
            let mut jwk: serde_json::Value = serde_json::from_str(&jwk).unwrap();
            let bytes = URL_SAFE_NO_PAD.decode(jwk[short].as_str().unwrap()).unwrap();
            if bytes[0] == 0 {
                jwk[short] = URL_SAFE_NO_PAD.encode(&bytes[1..]).into();
                break (jwk, pem.replace("\r\n", "\n"));
            }
        };
        let call = format!("io.jwt.encode_sign({{\"alg\": \"ES256\"}}, {{}}, {jwk})");
        let token = eval(Context::default(), &call).unwrap();
        let public = serde_json::json!({"kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"]});
        for key in [pem, public.to_string()] {
            let call = format!("io.jwt.verify_es256({token}, {})", Value::from(key));
            assert_eq!(
                eval(Context::default(), &call).unwrap(),
                Value::from(true),
                "{short}"
            );
        }
    }
}

#[test]
fn a_number_that_is_too_long_for_its_curve_makes_no_key() {
    let (jwk, _) = private("EC");
    let mut jwk: serde_json::Value = serde_json::from_str(&jwk).unwrap();
    jwk["x"] = URL_SAFE_NO_PAD.encode([1; 33]).into();
    jwk.as_object_mut().unwrap().remove("d");
    let token = token(r#"{"alg":"ES256"}"#, "{}");
    let told = error(&format!(
        "io.jwt.verify_es256(\"{token}\", {})",
        Value::from(jwk.to_string())
    ));
    assert!(told.ends_with("io.jwt.verify_es256: not a JWK (set)"), "{told}");
}

#[test]
fn what_is_no_key_for_an_algorithm_signs_nothing() {
    let (jwk, _) = private("EC");
    let mut other: serde_json::Value = serde_json::from_str(&jwk).unwrap();
    other["crv"] = "P-384".into();
    let sign = |algorithm: &str, key: &str| {
        error(&format!(
            "io.jwt.encode_sign({{\"alg\": \"{algorithm}\"}}, {{}}, {key})"
        ))
    };
    for (algorithm, key) in [
        ("ES256", other.to_string()),
        ("ES384", jwk),
        ("HS256", r#"{"kty": "EC", "k": "c2VjcmV0"}"#.to_owned()),
        ("HS256", "{\"keys\": []}".to_owned()),
    ] {
        let told = sign(algorithm, &key);
        assert!(
            told.ends_with("io.jwt.encode_sign: operand 3 is no private key for this algorithm"),
            "{told}"
        );
    }
    let told = error("io.jwt.encode_sign([1], {}, {})");
    assert!(
        told.ends_with("io.jwt.encode_sign: operand 1 must be an object"),
        "{told}"
    );
}

#[test]
fn what_is_critical_is_a_list_of_names() {
    let holds = |critical: &str| {
        let header = format!(r#"{{"alg":"HS256","crit":{critical},"x":1}}"#);
        verified(Context::default(), &token(&header, "{}"), "")
    };
    assert!(holds(r#"["alg"]"#).unwrap());
    assert!(!holds(r#"["x"]"#).unwrap());
    for critical in ["[]", "[7]", r#"["alg", null]"#, r#""alg""#, "null"] {
        let told = holds(critical).unwrap_err().to_string();
        assert!(
            told.contains("io.jwt.decode_verify: `crit` in the header must be a list of names"),
            "{critical}: {told}"
        );
    }
}
