//! Reviews, policies and files with a secret in them, and how to look for it in what is printed.
//!
//! Used by the tests of what is logged, one request at a time and under load.

use base64::Engine as _;
use regate::certs;

use crate::process::{Process, directory};
use crate::reviews::{Kind, policies};
use crate::serving::{Client, Options, head};

/// Nobody may read this anywhere.
pub(crate) const CANARY: &str = "canary-0d9f7c1e";
/// Policies that fail on what they are given, in every way that an engine's error could quote it.
pub(crate) const FAILING: &[(&str, &str)] = &[
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
pub(crate) fn reviews(kind: &Kind) -> Vec<Vec<u8>> {
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
pub(crate) fn serving(level: &str, format: &str, materials: &Materials) -> Process {
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
pub(crate) struct Materials {
    ca: String,
    certificate: String,
    key: String,
    client: (String, String),
}

impl Materials {
    pub(crate) fn make() -> Self {
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

    /// A client that is let in.
    pub(crate) fn connect(&self, process: &Process) -> Client {
        process.connect(&Options {
            identity: Some(self.client.clone()),
            ..Options::default()
        })
    }

    /// Lines of the keys, which nobody may read either.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let keys = self.key.lines().chain(self.client.1.lines());
        keys.filter(|line| !line.starts_with("---"))
    }
}

#[track_caller]
pub(crate) fn assert_silent(what: &str, text: &str, materials: &Materials) {
    let encoded = base64::engine::general_purpose::STANDARD.encode(CANARY);
    for secret in [CANARY, &encoded].into_iter().chain(materials.lines()) {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{what}");
    }
}

/// A POST whose head holds the canary wherever a head can.
pub(crate) fn request(kind: &Kind, body: &[u8]) -> Vec<u8> {
    let headers = format!(
        "content-type: application/json\r\nauthorization: Bearer {CANARY}\r\nx-{CANARY}: {CANARY}\r\n\
         content-length: {}\r\n",
        body.len()
    );
    [
        head(&format!("{}?token={CANARY}", kind.target()), &headers).as_bytes(),
        body,
    ]
    .concat()
}
