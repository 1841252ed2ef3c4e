//! A real server whose policies ask others: what is asked per review, and what a host that hangs costs its gates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::peer::Peer;
use crate::process::{Process, soon};
use crate::reviews::{KINDS, Kind, UID};

const MUTATE: Kind = KINDS[5];
const VALIDATE: Kind = KINDS[7];

/// A server with these policies that may ask the peer.
fn serve(peer: &Peer, files: &[(&str, &str)], more: &[&str]) -> Process {
    let host = format!("127.0.0.1:{}", peer.port);
    let files = [files, &[("peer.crt", peer.ca.as_str())]].concat();
    let arguments = [
        "--policy",
        "policies",
        "--http-allow",
        &host,
        "--http-ca",
        "peer.crt",
    ];
    Process::start_logging("trace", &files, &[&arguments, more].concat())
}

#[test]
fn both_runs_of_a_mutation_and_all_policies_of_a_review_ask_once() {
    let peer = Peer::start(|_, reply| reply.json("\"red\""));
    let request = format!(
        "http.send({{\"method\": \"GET\", \"url\": concat(\"?\", [\"{}\", input.request.name]), \
         \"headers\": {{\"Authorization\": \"Bearer sesame\"}}}})",
        peer.url("/colour")
    );
    let mutating = |name: &str| {
        format!(
            "package kubernetes.mutation.{name}\npatch contains {{\"op\": \"add\", \"path\": \"/metadata/labels\", \"value\": \
             {{\"colour\": {request}.body}}}}\n"
        )
    };
    let policies = [
        ("policies/a.rego", mutating("a")),
        ("policies/b.rego", mutating("b")),
    ];
    let policies = policies.each_ref().map(|(path, text)| (*path, text.as_str()));
    let process = serve(&peer, &policies, &[]);
    let mut client = process.client();
    for reviews in 1..=2 {
        let response = client.post(&MUTATE.target(), MUTATE.review("canary", "1"));
        assert!(response.body.contains(r#""allowed":true"#), "{}", response.body);
        assert!(response.body.contains(r#""patch":""#), "{}", response.body);
        assert_eq!(peer.received().len(), reviews);
    }
    assert!(peer.received()[0].head.starts_with("GET /colour?canary HTTP/1.1"));
    assert_eq!(peer.received()[0].header("authorization"), Some("Bearer sesame"));
    // Not even the fullest log has what was sent; the decision itself does not name the object either.
    process.decisions(2);
    for sent in ["colour?", "sesame"] {
        assert!(!process.log().contains(sent), "{}", process.log());
    }
}

#[test]
fn a_provider_that_the_operator_names_is_asked() {
    let peer = Peer::start(|_, reply| {
        reply.json(r#"{"response": {"items": [{"key": "a", "error": "unsigned"}]}}"#);
    });
    let bundle = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &peer.ca);
    let provider = format!(
        "apiVersion: externaldata.gatekeeper.sh/v1beta1\nkind: Provider\nmetadata: {{name: signatures}}\n\
         spec: {{url: '{}', timeout: 60, caBundle: {bundle}}}\n",
        peer.url("/")
    );
    let policy = "package kubernetes.admission.signed
images := [container.image | some container in input.request.object.spec.containers]
deny contains sprintf(\"%s is %s\", error) if {
	some error in external_data({\"provider\": \"signatures\", \"keys\": images}).errors
}
";
    let files = [("policies/p.rego", policy), ("provider.yaml", provider.as_str())];
    let process = Process::start(&files, &["--policy", "policies", "--provider", "provider.yaml"]);
    let response = process
        .client()
        .post(&VALIDATE.target(), VALIDATE.review("x", "1"));
    assert!(
        response.body.contains("[signed] a is unsigned"),
        "{}",
        response.body
    );
}

#[test]
fn a_host_that_hangs_does_not_keep_a_gate_from_answering() {
    let hangs = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&hangs);
    let peer = Peer::start(move |_, reply| match still.load(Ordering::Relaxed) {
        true => reply.never(),
        false => reply.json("1"),
    });
    let policy = format!(
        "package kubernetes.admission.asking
answer := http.send({{\"method\": \"GET\", \"url\": \"{}\", \"raise_error\": false}})
deny contains sprintf(\"%s\", [answer.error.message])
",
        peer.url("/")
    );
    let policies = [
        ("policies/p.rego", policy.as_str()),
        (
            "policies/q.rego",
            "package kubernetes.authorization.q\nallow if input.spec.user == \"good\"\n",
        ),
    ];
    let process = serve(&peer, &policies, &["--deadline", "600ms"]);
    let mut client = process.client();
    let port = peer.port;
    // While it is late again and again its reviews are refused in time, and those of other gates decided.
    let busy = format!("[asking] http.send: 127.0.0.1:{port} is not asked now: it was late again and again");
    soon("the host is given up", || {
        let response = client.post(&VALIDATE.target(), VALIDATE.review("x", "1"));
        assert_eq!(response.status, 200, "{}", response.body);
        assert!(response.body.contains(r#""allowed":false"#), "{}", response.body);
        let authz = client.post(&KINDS[2].target(), KINDS[2].review("good", "1"));
        assert_eq!(authz.body, KINDS[2].allowed());
        response.body.contains(&busy).then_some(())
    });
    let asked = peer.received().len();
    let mut at_once = 0;
    for _ in 0..20 {
        let response = client.post(&VALIDATE.target(), VALIDATE.review("x", "1"));
        assert_eq!(response.status, 200, "{}", response.body);
        assert!(response.body.contains(r#""allowed":false"#), "{}", response.body);
        at_once += usize::from(response.body == VALIDATE.refusal(UID, 403, &busy, ""));
    }
    // Every few seconds one of them tries it.
    assert!(at_once >= 15, "{at_once}");
    assert_eq!(peer.received().len(), asked + 20 - at_once);
    hangs.store(false, Ordering::Relaxed);
    soon("the host is asked again", || {
        let response = client.post(&VALIDATE.target(), VALIDATE.review("x", "1"));
        (response.body == VALIDATE.allowed()).then_some(())
    });
}

/// The most memory that the process has had so far, in KiB.
fn most_memory(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn an_answer_in_pieces_of_a_byte_takes_no_more_memory_than_a_whole_one() {
    const LENGTH: usize = 1_000_000;
    let peer = Peer::start(|request, reply| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = match request.head.starts_with("GET /pieces ") {
            true => "1\r\nx\r\n".repeat(LENGTH),
            false => format!("{LENGTH:x}\r\n{}\r\n", "x".repeat(LENGTH)),
        };
        reply.raw(format!("{head}{body}0\r\n\r\n"));
    });
    let policy = format!(
        "package kubernetes.admission.asking
url := concat(\"/\", [\"{}\", input.request.name])
asked := {{\"method\": \"GET\", \"url\": url, \"timeout\": \"30s\"}}
deny contains sprintf(\"%d bytes\", [count(http.send(asked).raw_body)])
",
        peer.url("")
    );
    // A million pieces are a second of work, and on a busy machine many: as long as there may be at all.
    let process = serve(&peer, &[("policies/p.rego", &policy)], &["--deadline", "30s"]);
    let ask = |name: &str| {
        let response = process
            .client()
            .post(&VALIDATE.target(), VALIDATE.review(name, "1"));
        assert!(
            response.body.contains("[asking] 1000000 bytes"),
            "{}",
            response.body
        );
        most_memory(&process)
    };
    let whole = ask("whole");
    let pieces = ask("pieces");
    assert!(pieces < whole + 16 * 1024, "{whole} KiB, then {pieces} KiB");
}
