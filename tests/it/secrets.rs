//! Secrets: what callers, requesters and operators hand over is printed nowhere, at no level and in no format, whatever
//! becomes of it. Only a policy's own message may quote it, and then only to whom it is told.

use crate::canaries::{CANARY, Materials, assert_silent, request, reviews, serving};
use crate::process::{Process, refusal, soon};
use crate::reviews::{KINDS, policies};
use crate::serving::head;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

#[test]
fn secrets_are_printed_at_no_level_in_no_format() {
    let materials = Materials::make();
    std::thread::scope(|scope| {
        for (number, level) in LEVELS.into_iter().enumerate() {
            let format = if number % 2 == 0 { "json" } else { "text" };
            let materials = &materials;
            scope.spawn(move || tell_nothing(level, format, materials));
        }
        scope.spawn(|| tell_nothing("trace", "text", &materials));
    });
}

/// Puts all reviews to a server and reads everything that it prints.
fn tell_nothing(level: &str, format: &str, materials: &Materials) {
    let mut process = serving(level, format, materials);
    for kind in &KINDS {
        let mut client = materials.connect(&process);
        for body in reviews(kind) {
            client.send(request(kind, &body));
            let response = client.response();
            assert!(matches!(response.status, 200 | 400 | 503), "{response:?}");
            assert_silent(
                "an answer",
                &format!("{}{}", response.head, response.body),
                materials,
            );
        }
    }
    // Guards, too: who is not let in, what is no gate, no JSON, no HTTP.
    let refused = [
        (format!("/v1/{CANARY}"), "content-type: application/json\r\n", 404),
        ("/v1/authn".to_owned(), "content-type: application/json\r\n", 401),
        ("/v1/authn".to_owned(), "content-type: text/plain\r\n", 415),
        (
            "/v1/authn".to_owned(),
            "content-type: application/json\r\ncontent-length: canary-0d9f7c1e\r\n",
            400,
        ),
        (
            "/v1/authn".to_owned(),
            "transfer-encoding: canary-0d9f7c1e\r\n",
            400,
        ),
    ];
    for (target, headers, status) in refused {
        let mut client = process.client();
        client.send(head(
            &target,
            &format!("{headers}authorization: Bearer {CANARY}\r\n"),
        ));
        let answer = client.until_closed();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_silent("a refusal", &answer, materials);
    }
    for target in ["/metrics", "/status", "/readyz?verbose", "/livez"] {
        assert_silent(target, &process.probe(target).1, materials);
    }
    process.signal("TERM");
    assert!(process.ended().0.success());
    let log = process.log();
    // The faults were logged, and say where they are.
    if level != "error" {
        assert!(
            log.contains("validate-fails.rego:2:") && log.contains("image-fails.rego:"),
            "{log}"
        );
    }
    assert_silent(&format!("{level} {format}"), &log, materials);
}

#[test]
fn a_refused_load_quotes_no_data() {
    let broken = [
        (
            "data.yaml",
            format!("registry:\n  password: {CANARY}\n  broken: [\n"),
        ),
        ("data.yaml", format!("password: \"{CANARY}\n")),
        ("data.yaml", format!("{CANARY}: 1\n{CANARY}: 2\n")),
        ("data.yaml", format!("password: *{CANARY}\n")),
        ("data.yaml", format!("- {CANARY}\n")),
        ("data.yaml", format!("{CANARY}\n")),
        ("data.yaml", format!("a: {CANARY}\n\tb: c\n")),
        ("data.yaml", format!("a: {CANARY}: b\n")),
        ("data.yaml", format!("a: 99999999999999999999999\nb: {CANARY}\n")),
        ("data.json", format!("{{\"password\":\"{CANARY}\"")),
        ("data.json", format!("{{\"{CANARY}\":1,\"{CANARY}\":2}}")),
        ("data.json", format!("{{\"a\": {CANARY}}}")),
        ("data.json", format!("[\"{CANARY}\"]")),
    ];
    let process = Process::start_logging("trace", &policies(), &["--policy", "policies"]);
    for (number, (name, text)) in broken.iter().enumerate() {
        let path = format!("policies/{name}");
        let files: Vec<_> = policies()
            .into_iter()
            .chain([(path.as_str(), text.as_str())])
            .collect();
        // At start, for whoever starts it.
        let (code, told) = refusal(&files, &["--policy", "policies"]);
        assert_eq!(code, Some(1), "{text}: {told}");
        assert!(told.contains(name), "{told}");
        assert!(!told.contains(CANARY), "{text}: {told}");
        // And while it serves.
        let file = process.path(&path);
        std::fs::write(&file, text).unwrap();
        soon("the load is refused", || {
            let status = process.probe("/status").1;
            let refused = serde_json::from_str::<serde_json::Value>(&status).unwrap()["refused"].clone();
            (!refused.is_null()).then_some(())
        });
        assert!(!process.probe("/status").1.contains(CANARY), "{text}");
        std::fs::remove_file(&file).unwrap();
        soon("the good policies are back", || {
            let status = process.probe("/status").1;
            let refused = serde_json::from_str::<serde_json::Value>(&status).unwrap()["refused"].clone();
            refused.is_null().then_some(())
        });
        assert!(process.events("policy_rejected").len() > number);
    }
    assert!(!process.log().contains(CANARY), "{}", process.log());
}

#[test]
fn what_a_requester_chose_stays_on_its_line() {
    let odd = r"u-1\u000a{\u0022level\u0022:\u0022ERROR\u0022}\u001b[31m\u0000\u2028end";
    for format in ["json", "text"] {
        let arguments = ["--policy", "policies", "--log-format", format];
        let process = Process::start_logging("debug", &policies(), &arguments);
        let mut client = process.client();
        for kind in &KINDS[5..] {
            for word in ["good", "no", "fault"] {
                let review = kind
                    .review_as(odd, word, "1")
                    .replace("\"jane\"", &format!("\"{odd}\""));
                assert_eq!(client.post(&kind.target(), review).status, 200);
            }
        }
        let lines = soon("the decisions are logged", || {
            let log = process.log();
            let lines: Vec<_> = log
                .lines()
                .filter(|line| line.contains("u-1"))
                .map(str::to_owned)
                .collect();
            (lines.len() == 12).then_some(lines)
        });
        for line in lines {
            assert!(!line.contains(['\u{1b}', '\0']), "{line:?}");
            assert!(line.contains("regate::decision"), "{line}");
        }
        assert!(
            process
                .log()
                .lines()
                .all(|line| !line.starts_with("{\"level\":\"ERROR\"}"))
        );
    }
}
