//! Secrets: what callers, requesters and operators hand over is printed nowhere, at no level and in no format, whatever
//! becomes of it. Only a policy's own message may quote it, and then only to whom it is told.

use base64::Engine as _;
use regate::certs;

use crate::process::{Process, directory, refusal, soon};
use crate::reviews::{KINDS, Kind, policies};
use crate::serving::{Options, head};

/// Nobody may read this anywhere.
const CANARY: &str = "canary-0d9f7c1e";
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Policies that fail on what they are given, in every way that an engine's error could quote it.
const FAILING: &[(&str, &str)] = &[
    (
        "policies/authn-fails.rego",
        r#"package kubernetes.authentication.fails
deny contains "never" if { contains(input.spec.token, "canary"); 1 + input.spec.token == 2 }
user := {"username": "x", input.spec.token: 1} if contains(input.spec.token, "canary")
"#,
    ),
    (
        "policies/authz-fails.rego",
        r#"package kubernetes.authorization.fails
deny contains "never" if { some key, values in input.spec.extra; to_number(values[0]) == 1 }
"#,
    ),
    (
        "policies/image-fails.rego",
        r#"package kubernetes.image.fails
value := input.spec.annotations[_]
value := 1 if input.spec.annotations
deny contains "never" if value == 2
"#,
    ),
    (
        "policies/mutate-fails.rego",
        r#"package kubernetes.mutation.fails
secret := input.request.object.data.password
patch := [{"op": "remove", "path": ["data", secret]}]
"#,
    ),
    (
        "policies/mutate-points.rego",
        r#"package kubernetes.mutation.points
patch := [{"op": "remove", "path": input.request.object.data.password}]
"#,
    ),
    (
        "policies/validate-fails.rego",
        r#"package kubernetes.admission.fails
deny contains "never" if { input.request.object.data; 1 + input.request.object == 2 }
"#,
    ),
    (
        "policies/validate-types.rego",
        r#"package kubernetes.admission.types
deny contains {"msg": "x", input.request.object.data.password: 1}
audit_annotations := input.request.object.data.password
"#,
    ),
    (
        "policies/validate-parses.rego",
        r#"package kubernetes.admission.parses
deny contains "never" if json.unmarshal(input.request.object.data.password) == 1
deny contains "never" if time.parse_rfc3339_ns(input.request.object.data.password) == 1
"#,
    ),
];

/// Reviews that hold the canary where secrets stand, and what cannot be read of them.
fn reviews(kind: &Kind) -> Vec<Vec<u8>> {
    let free = format!(r#"{{"{CANARY}":"{CANARY}"}}"#);
    let whole = kind.review("x", &free);
    let holding = match kind.gate {
        "authn" => kind.review(CANARY, &free),
        "authz" => whole
            .replace("\"free\":", "\"extra\":")
            .replace(&free, &format!(r#"{{"{CANARY}":["{CANARY}"]}}"#)),
        "image" => whole.replace("\"free\":", "\"annotations\":"),
        _ => whole
            .replace(
                "\"spec\":{",
                &format!(r#""kind":"Secret","data":{{"password":"{CANARY}"}},"spec":{{"#),
            )
            .replace("\"kind\":\"Pod\",\n", "")
            .replacen(
                "\"apiVersion\":\"v1\",\"kind\":\"Pod\",",
                "\"apiVersion\":\"v1\",",
                1,
            )
            .replace(
                "\"username\":\"jane\"",
                &format!(r#""username":"jane","extra":{{"{CANARY}":["{CANARY}"]}}"#),
            ),
    };
    let broken = |free: &str| kind.review("x", free).into_bytes();
    let deep = format!("{}\"{CANARY}\"{}", "[".repeat(200), "]".repeat(200));
    let mut all = vec![
        holding.clone().into_bytes(),
        kind.review("good", &free).into_bytes(),
        kind.review("no", &free).into_bytes(),
        kind.review("fault", &free).into_bytes(),
        // Wrong at the canary's place: grammar, keys, depth, numbers, Unicode, types.
        holding.as_bytes()[..holding.find(CANARY).unwrap() + 6].to_vec(),
        format!("{holding} {CANARY}").into_bytes(),
        broken(CANARY),
        broken(&format!("\"{CANARY}")),
        broken(&format!("\"{CANARY}\\x\"")),
        broken(&format!(r#"{{"{CANARY}":1,"{CANARY}":2}}"#)),
        broken(&deep),
        broken(&format!(r#"{{"{CANARY}":1e999}}"#)),
        broken(&format!("\"{CANARY}\\ud800\"")),
        broken("\"x\"")
            .iter()
            .map(|byte| if *byte == b'x' { 0xff } else { *byte })
            .collect(),
        whole.replace(kind.kind, CANARY).into_bytes(),
        whole.replace(kind.api_version, CANARY).into_bytes(),
        whole
            .replacen('{', &format!("{{\"{CANARY}\":1,\"{CANARY}\":2,"), 1)
            .into_bytes(),
        holding
            .replace("\"groups\":[\"dev\"]", &format!("\"groups\":\"{CANARY}\""))
            .into_bytes(),
        holding
            .replace("\"operation\":\"CREATE\"", &format!("\"operation\":\"{CANARY}\""))
            .into_bytes(),
        holding.replace("\"verb\":\"get\"", "\"verb\":[]").into_bytes(),
    ];
    let padding = "x".repeat(if kind.is_admission() { 8_000 } else { 1_100_000 });
    all.push(kind.review(CANARY, &format!("\"{padding}\"")).into_bytes());
    all
}

/// A server with the failing policies, client certificates and its own key, logging so.
fn serving(level: &str, format: &str, materials: &Materials) -> Process {
    let mut files = policies();
    files.extend(FAILING);
    files.extend([
        ("pki/tls.crt", materials.certificate.as_str()),
        ("pki/tls.key", &materials.key),
        ("pki/ca.crt", &materials.ca),
    ]);
    let arguments = [
        "--policy",
        "policies",
        "--tls-cert",
        "pki/tls.crt",
        "--tls-key",
        "pki/tls.key",
        "--client-ca",
        "pki/ca.crt",
        "--log-format",
        format,
        "--allow-client",
        "kube-apiserver",
    ];
    Process::start_logging(level, &files, &arguments)
}

/// Certificates and keys of a server and its client.
struct Materials {
    ca: String,
    certificate: String,
    key: String,
    client: (String, String),
}

impl Materials {
    fn make() -> Self {
        let made = directory(&[]);
        let paths = certs::write(made.path(), &certs::Request::default(), false).unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        Self {
            ca: read(&paths.ca),
            certificate: read(&paths.certificate),
            key: read(&paths.key),
            client: (read(&paths.client_certificate), read(&paths.client_key)),
        }
    }

    /// Lines of the keys, which nobody may read either.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let keys = self.key.lines().chain(self.client.1.lines());
        keys.filter(|line| !line.starts_with("---"))
    }
}

#[track_caller]
fn assert_silent(what: &str, text: &str, materials: &Materials) {
    let encoded = base64::engine::general_purpose::STANDARD.encode(CANARY);
    for secret in [CANARY, &encoded].into_iter().chain(materials.lines()) {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{what}");
    }
}

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
    let options = Options {
        identity: Some(materials.client.clone()),
        ..Options::default()
    };
    for kind in &KINDS {
        let mut client = process.connect(&options);
        for body in reviews(kind) {
            let headers = format!(
                "content-type: application/json\r\nauthorization: Bearer {CANARY}\r\nx-{CANARY}: {CANARY}\r\n\
                 content-length: {}\r\n",
                body.len()
            );
            client.send(
                [
                    head(&format!("{}?token={CANARY}", kind.target()), &headers).as_bytes(),
                    &body,
                ]
                .concat(),
            );
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
        ("data.yaml", format!("password: !{CANARY} x\n")),
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
            let refused =
                serde_json::from_str::<serde_json::Value>(&status).unwrap()["policies"]["refused"].clone();
            (!refused.is_null()).then_some(())
        });
        assert!(!process.probe("/status").1.contains(CANARY), "{text}");
        std::fs::remove_file(&file).unwrap();
        soon("the good policies are back", || {
            let status = process.probe("/status").1;
            let refused =
                serde_json::from_str::<serde_json::Value>(&status).unwrap()["policies"]["refused"].clone();
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
