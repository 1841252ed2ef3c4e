//! Hostile content over the wire, at every gate: what strict parsing refuses is never allowed, and what it accepts
//! reaches the policies unchanged and cannot keep them from saying no.

mod passed_on;

use serde_json::Value;

use crate::process::Process;
use crate::reviews::{KINDS, Kind, UID, policies};
use crate::serving::Client;

const SERVED: &[&str] = &["--policy", "policies"];

/// A first key that is like any other, and what may stand behind it.
const UNUSUAL: &str = "$serde_json::private::Number";

/// Asserts that the policies see `free` as `seen`, and decide the review as if it were not there.
#[track_caller]
fn assert_decided(client: &mut Client, kind: &Kind, free: &str, seen: &str) {
    let target = kind.target();
    let denied = |text: &str| kind.refusal(UID, 403, &format!("[words] {text}"), "");
    assert_eq!(
        client.post(&target, kind.review("echo", free)).body,
        denied(seen),
        "{free:.99}"
    );
    assert_eq!(
        client.post(&target, kind.review("no", free)).body,
        denied("no such luck"),
        "{free:.99}"
    );
    assert_eq!(
        client.post(&target, kind.review("good", free)).body,
        kind.allowed(),
        "{free:.99}"
    );
}

#[test]
fn an_object_with_an_unusual_first_key_stays_an_object() {
    let process = Process::start(&policies(), SERVED);
    let mut client = process.client();
    for value in [r#""1""#, r#""x""#, r#""""#, "1", "null", "[1]", r#"{"a":"b"}"#] {
        for kind in &KINDS {
            let alone = format!(r#"{{"{UNUSUAL}":{value}}}"#);
            assert_decided(&mut client, kind, &alone, &alone);
            let siblings = format!(r#"{{"{UNUSUAL}":{value},"x":"y"}}"#);
            assert_decided(&mut client, kind, &siblings, &siblings);
            let inside = format!(r#"{{"a":[{alone}],"b":{siblings}}}"#);
            assert_decided(&mut client, kind, &inside, &inside);
            let other = format!(r#"{{"$serde_json::private::RawValue":{value}}}"#);
            assert_decided(&mut client, kind, &other, &other);
        }
    }
}

#[test]
fn an_unusual_first_key_hides_nothing_where_requesters_choose_the_keys() {
    const SEEING: &[(&str, &str)] = &[
        (
            "policies/validate.rego",
            r#"package kubernetes.admission.privileged
deny contains "privileged" if { some c in input.request.object.spec.containers; c.securityContext.privileged }
deny contains concat(",", sort([sprintf("%s=%s", [k, v]) | some k, v in input.request.object.spec.volumes[0].csi.volumeAttributes]))
"#,
        ),
        (
            "policies/authz.rego",
            r#"package kubernetes.authorization.extra
deny contains concat(",", [sprintf("%s=%s", [k, v[0]]) | some k, v in input.spec.extra])
"#,
        ),
        (
            "policies/image.rego",
            r#"package kubernetes.image.annotations
deny contains concat(",", [sprintf("%s=%s", [k, v]) | some k, v in input.spec.annotations])
"#,
        ),
    ];
    let process = Process::start(SEEING, SERVED);
    let mut client = process.client();
    let said = |client: &mut Client, kind: &Kind, from: &str, to: &str| {
        let review = kind.review("x", "1");
        assert!(review.contains(from), "{review}");
        let answer: Value =
            serde_json::from_str(&client.post(&kind.target(), review.replacen(from, to, 1)).body).unwrap();
        let text = answer
            .pointer("/response/status/message")
            .or(answer.pointer("/status/reason"));
        text.unwrap().as_str().unwrap().to_owned()
    };
    for (attributes, seen) in [
        (format!(r#"{{"{UNUSUAL}":"1"}}"#), format!("{UNUSUAL}=1")),
        (
            format!(r#"{{"{UNUSUAL}":"1","x":"y"}}"#),
            format!("{UNUSUAL}=1,x=y"),
        ),
        (
            format!(r#"{{"{UNUSUAL}":"no number","x":"y"}}"#),
            format!("{UNUSUAL}=no number,x=y"),
        ),
    ] {
        for kind in &KINDS[7..] {
            let pod = format!(
                r#""spec":{{"volumes":[{{"name":"v","csi":{{"driver":"d","volumeAttributes":{attributes}}}}}],
                "containers":[{{"securityContext":{{"privileged":true}}}}],"#
            );
            let text = said(
                &mut client,
                kind,
                r#""spec":{"containers":[{"name":"c","image":"a"}],"#,
                &pod,
            );
            assert_eq!(text, format!("[privileged] {seen}; [privileged] privileged"));
        }
        let lists = attributes
            .replace(":\"", ":[\"")
            .replace("\",", "\"],")
            .replace("\"}", "\"]}");
        for kind in &KINDS[2..4] {
            let text = said(&mut client, kind, r#""free":1"#, &format!(r#""extra":{lists}"#));
            assert_eq!(text, format!("[extra] {seen}"));
        }
        let text = said(
            &mut client,
            &KINDS[4],
            r#""free":1"#,
            &format!(r#""annotations":{attributes}"#),
        );
        assert_eq!(text, format!("[annotations] {seen}"));
    }
}

#[test]
fn an_unusual_first_key_in_data_and_parameters_is_a_key() {
    let object = format!(r#"{{"{UNUSUAL}":"1","x":"y"}}"#);
    let json = format!(r#"{{"alone":{{"{UNUSUAL}":"1"}},"with":{object}}}"#);
    let yaml =
        format!("alone:\n  {UNUSUAL}: \"1\"\nwith:\n  {UNUSUAL}: \"1\"\n  x: z\nnumber:\n  {UNUSUAL}: 1\n");
    let policy = format!(
        "# METADATA\n# custom:\n#   parameters:\n#     {UNUSUAL}: \"1\"\n#     x: y\n\
         package kubernetes.admission.told\n\
         deny contains json.marshal([data.j, data.y, input.parameters])\n"
    );
    let files = [
        ("policies/j/data.json", json.as_str()),
        ("policies/y/data.yaml", &yaml),
        ("policies/told.rego", &policy),
    ];
    let process = Process::start(&files, SERVED);
    let alone = format!(r#"{{"{UNUSUAL}":"1"}}"#);
    // Another word, since YAML has more than one for true.
    let yaml_object = object.replace("\"y\"", "\"z\"");
    let seen = format!(
        r#"[told] [{json},{{"alone":{alone},"number":{{"{UNUSUAL}":1}},"with":{yaml_object}}},{object}]"#
    );
    let kind = KINDS[7];
    let response = process.client().post(&kind.target(), kind.review("x", "1"));
    assert_eq!(response.body, kind.refusal(UID, 403, &seen, ""));
}

#[test]
fn what_json_can_say_reaches_the_policies_as_it_was_said() {
    let process = Process::start(&policies(), SERVED);
    let mut client = process.client();
    let long = format!("\"{}\"", "x".repeat(600));
    for (free, seen) in [
        ("null", "null"),
        ("{}", "{}"),
        ("[]", "[]"),
        (r#""""#, r#""""#),
        (r#"{"":{"":""}}"#, r#"{"":{"":""}}"#),
        // Integers to the last digit.
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("9007199254740993", "9007199254740993"),
        ("-9007199254740993", "-9007199254740993"),
        ("-0", "0"),
        // Decimals by their value.
        ("1.0", "1"),
        ("1E5", "100000"),
        ("1e-7", "1e-7"),
        ("0.1", "0.1"),
        ("-2.5E+0", "-2.5"),
        // Strings by their characters, whatever these are.
        (r#""\u0000""#, r#""\u0000""#),
        (r#""\u003c\u2028""#, r#""\u003c\u2028""#),
        (
            "\"\u{202e}\u{200b}\u{feff}\u{7f}\"",
            "\"\u{202e}\u{200b}\u{feff} \"",
        ),
        (r#""\ud83d\ude00""#, "\"😀\""),
        (
            "\"\u{430}\u{301}e\u{301}\u{e9}\"",
            "\"\u{430}\u{301}e\u{301}\u{e9}\"",
        ),
        (&long, &long),
        // Keys too.
        (
            r#"{"\u0000":1,"a/b~c":2,"A":3,"a":4}"#,
            r#"{"\u0000":1,"A":3,"a":4,"a/b~c":2}"#,
        ),
        (" {\t\"a\" :\r\n1 } ", r#"{"a":1}"#),
    ] {
        for kind in &KINDS {
            assert_decided(&mut client, kind, free, seen);
        }
    }
}

#[test]
fn depth_is_decided_to_the_limit_and_refused_beyond() {
    // Two million brackets take their time where the machine has more to do.
    let process = Process::start(&policies(), &["--policy", "policies", "--deadline", "20s"]);
    let mut client = process.client();
    for kind in &KINDS {
        let review = kind.review("good", "FREE");
        let before = &review[..review.find("FREE").unwrap()];
        let above = before.matches(['{', '[']).count() - before.matches(['}', ']']).count();
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let mixed = |depth: usize| r#"{"a":["#.repeat(depth / 2) + &"]}".repeat(depth / 2);
        for depth in [100, 126 - above, 127 - above] {
            assert_decided(&mut client, kind, &nested(depth), &nested(depth));
        }
        assert_decided(&mut client, kind, &mixed(100), &mixed(100));
        let mut deeper = vec![129 - above, 128, 129, 1_000, 9_999];
        if kind.is_admission() {
            // The other gates refuse so much for its size.
            deeper.push(1_000_000);
        }
        for depth in deeper {
            for word in ["good", "no"] {
                let at = kind.review(word, "FREE").find("FREE").unwrap() + 128 - above;
                let text =
                    format!("the review cannot be read: nested more than 128 levels deep (at byte {at})");
                let response = client.post(&kind.target(), kind.review(word, &nested(depth)));
                let expected = kind.refusal(UID, 400, &text, "");
                assert_eq!(
                    (response.status, response.body),
                    (200, expected),
                    "{} {depth}",
                    kind.gate
                );
            }
        }
    }
}

/// Text at the free place that every strict reader refuses, as content or as no JSON at all.
fn refused() -> Vec<(Vec<u8>, &'static str)> {
    let mut all: Vec<(Vec<u8>, &'static str)> = Vec::new();
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"\ud83d\ude00":1,"😀":1}"#,
        r#"{"":1,"":1}"#,
        r#"[[{"x":{"a":{},"a":[]}}]]"#,
    ] {
        all.push((text.into(), "an object has the same key twice"));
    }
    for text in [
        "18446744073709551616",
        "-9223372036854775809",
        "100000000000000000000000000000000000000000",
        "1e400",
        "-1e400",
        "[0,1E+309]",
        "1.7976931348623159e308",
    ] {
        all.push((text.into(), "a number out of range"));
    }
    for text in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800x""#,
        r#""\ud800\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud800\u0041""#,
        r#"{"\ud800":1}"#,
    ] {
        all.push((text.into(), "a string that is not Unicode"));
    }
    for bytes in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc3",
        b"\x80",
        b"\xf8\x88\x80\x80\x80",
    ] {
        all.push(([b"\"", bytes, b"\""].concat(), "a string that is not Unicode"));
        all.push(([b"{\"", bytes, b"\":1}"].concat(), "a string that is not Unicode"));
    }
    for text in [
        "",
        ",",
        "01",
        "-01",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "--1",
        "-",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        "-Infinity",
        "nul",
        "True",
        "undefined",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\U0041\"",
        "\"\t\"",
        "\"\n\"",
        "\"\0\"",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":}",
        "{\"a\":1 \"b\":2}",
        "{1:2}",
        "[}",
        "{]",
        "// x\n1",
        "/* x */1",
        "1\u{feff}",
        "\u{a0}1",
        "\u{2028}1",
    ] {
        all.push((text.into(), ""));
    }
    all.push((vec![b'['; 1_000], ""));
    all
}

#[test]
fn what_strict_parsing_refuses_is_never_allowed() {
    let process = Process::start(&policies(), SERVED);
    let mut client = process.client();
    for kind in &KINDS {
        for (free, problem) in refused() {
            for word in ["good", "no"] {
                let mut body = kind.review(word, "FREE").into_bytes();
                let at = body.windows(4).position(|window| window == b"FREE").unwrap();
                body.splice(at..at + 4, free.iter().copied());
                let response = client.post(&kind.target(), &body);
                let shown = String::from_utf8_lossy(&free);
                if problem.is_empty() {
                    assert_eq!(response.status, 400, "{shown:?}: {response:?}");
                    assert!(
                        response.body.starts_with("not valid JSON (at byte "),
                        "{shown:?}: {}",
                        response.body
                    );
                    continue;
                }
                assert_eq!(response.status, 200, "{shown:?}: {response:?}");
                let text = format!("the review cannot be read: {problem} (at byte OFFSET)");
                let expected = kind.refusal(UID, 400, &text, "");
                let (start, end) = expected.split_once("OFFSET").unwrap();
                assert!(
                    response.body.starts_with(start) && response.body.ends_with(end),
                    "{shown:?}: {}",
                    response.body
                );
            }
        }
    }
}

#[test]
fn keys_of_requests_that_are_no_unicode_are_content() {
    let process = Process::start(&policies(), SERVED);
    let mut client = process.client();
    for kind in &KINDS {
        let review = kind.review("good", "1");
        let first = if kind.is_admission() {
            "\"request\":{"
        } else {
            "\"spec\":{"
        };
        for (at, inside) in [(first, first), (r#""apiVersion""#, "")] {
            for key in [&b"\"\\ud800\":1,"[..], b"\"\xff\":{\"a\":[1,1e999]},"] {
                let split = review.find(at).unwrap() + inside.len();
                let (before, after) = review.as_bytes().split_at(split);
                let body = [before, key, after].concat();
                let response = client.post(&kind.target(), &body);
                let expected = kind.refusal(
                    UID,
                    400,
                    "the review cannot be read: a string that is not Unicode (at byte ",
                    "",
                );
                let start = expected.split("(at byte ").next().unwrap();
                assert_eq!(response.status, 200, "{response:?}");
                assert!(response.body.starts_with(start), "{}", response.body);
            }
        }
    }
}

#[test]
fn integers_travel_into_patches_to_the_last_digit() {
    let process = Process::start(&policies(), SERVED);
    let mut client = process.client();
    for kind in &KINDS[5..7] {
        for number in [
            "9223372036854775807",
            "-9223372036854775808",
            "9007199254740993",
            "18446744073709551615",
            "0",
        ] {
            let free = format!(r#"{{"n":{number},"{UNUSUAL}":"1"}}"#);
            let patch = patch_of(&mut client, kind, &kind.review("copy", &free));
            let copied = format!(r#"{{"{UNUSUAL}":"1","n":{number}}}"#);
            assert_eq!(
                patch,
                format!(r#"[{{"op":"add","path":"/spec/copy","value":{copied}}}]"#)
            );
        }
        // What is not patched does not travel, so a decimal stays what it was.
        for number in ["1.0", "1E5", "0.1", "-0"] {
            let patch = patch_of(&mut client, kind, &kind.review("label", number));
            assert_eq!(
                patch,
                r#"[{"op":"add","path":"/metadata/labels","value":{"by":"regate"}}]"#
            );
        }
    }
}

/// The patch of an admission, as text.
fn patch_of(client: &mut Client, kind: &Kind, review: &str) -> String {
    use base64::Engine as _;
    let response = client.post(&kind.target(), review);
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    let patch = answer["response"]["patch"].as_str().unwrap();
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(patch).unwrap()).unwrap()
}
