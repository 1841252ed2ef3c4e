//! Tens of thousands of damaged requests of all kinds against the real binary, all made from one seed.
//!
//! Judged by `fuzz/src/strict.rs` and `fuzz/src/policies.rs`, which share no code with Regate: whatever strict parsing
//! refuses is never allowed; every request is answered, or its connection closed, in time; every answer is one of the
//! failure contract. `REGATE_SEED=N` makes the same requests again.

mod damage;

use std::env;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use self::damage::Request;
use crate::process::Process;
use crate::serving::{Client, PATIENCE};
use crate::{either, policies, strict};

crate::cases![
    what_two_readers_could_read_differently_is_refused_by_the_judge,
    no_damaged_request_is_allowed_or_left_without_an_answer,
];

const CONNECTIONS: u64 = 4;

/// The deadline of a review, and what a busy machine may add.
const IN_TIME: Duration = Duration::from_secs(3 + 7);

/// What may answer a request whose head is that of an API server, and what may answer any other.
const PLAIN: [u16; 3] = [200, 400, 503];
const DAMAGED: [u16; 9] = [200, 400, 404, 405, 408, 413, 415, 417, 431];

fn what_two_readers_could_read_differently_is_refused_by_the_judge() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (text, accepted) in [
        (r#" {"a":[1,-2,0.5,"x",true,null,{}]} "#, true),
        (r#"{"a":1,"b":{"a":1}}"#, true),
        (r#"{"a":1,"\u0061":2}"#, false),
        (r#"{"a":1} {}"#, false),
        (r#"{"a":1,}"#, false),
        (r#"[1 2]"#, false),
        (r#"["\ud800"]"#, false),
        (r#"[18446744073709551615,-9223372036854775808]"#, true),
        (r#"[18446744073709551616]"#, false),
        (r#"[1e400]"#, false),
        (r#"[01]"#, false),
        (&deep(128), true),
        (&deep(129), false),
        ("", false),
    ] {
        assert_eq!(strict::parse(text.as_bytes()).is_some(), accepted, "{text}");
    }
    assert_eq!(strict::parse(b"\"\xff\""), None);
}

fn no_damaged_request_is_allowed_or_left_without_an_answer() {
    let names = policies::POLICIES.map(|(name, _)| format!("policies/{name}"));
    let files: Vec<_> = names
        .iter()
        .map(String::as_str)
        .zip(policies::POLICIES.map(|(_, text)| text))
        .collect();
    let process = Process::start_logging("warn", &files, &["--policy", "policies"]);
    let seed = seed();
    let requests = either(20_000, 200_000) / CONNECTIONS;
    eprintln!(
        "REGATE_SEED={seed} makes these {} requests again",
        requests * CONNECTIONS
    );
    let totals = thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|connection| {
                let process = &process;
                let first = seed.wrapping_add(connection * requests);
                scope.spawn(move || {
                    let mut asking = Asking::new(process);
                    for number in 0..requests {
                        asking.ask(first.wrapping_add(number));
                    }
                    asking.totals
                })
            })
            .collect();
        threads
            .into_iter()
            .fold(Totals::default(), |all, thread| all.and(&thread.join().unwrap()))
    });
    eprintln!("{totals:?}");
    assert!(
        totals.allowed > 0 && totals.refused > 0 && totals.errors > 0,
        "{totals:?}"
    );
    assert_eq!(process.probe("/livez").0, 200);
    assert!(!process.log().contains("panicked"), "{}", process.log());
    assert_eq!(
        process.metrics("regate_reviews_failed_total{failure=\"panic\""),
        [""; 0]
    );
}

/// The seed of the run: what is asked for; else always the same one in a short run, another one in each long run.
fn seed() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() << 20;
    env::var("REGATE_SEED").map_or(either(1, now), |seed| seed.parse().unwrap())
}

/// What came of the requests.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    allowed: usize,
    refused: usize,
    errors: usize,
    unanswered: usize,
    slowest: Duration,
}

impl Totals {
    fn and(self, other: &Totals) -> Totals {
        Totals {
            allowed: self.allowed + other.allowed,
            refused: self.refused + other.refused,
            errors: self.errors + other.errors,
            unanswered: self.unanswered + other.unanswered,
            slowest: self.slowest.max(other.slowest),
        }
    }
}

/// One connection after the other, asked as long as it lasts.
struct Asking<'a> {
    process: &'a Process,
    client: Client,
    totals: Totals,
}

impl<'a> Asking<'a> {
    fn new(process: &'a Process) -> Self {
        Self {
            process,
            client: process.client(),
            totals: Totals::default(),
        }
    }

    /// Sends the request of a seed and judges what comes back.
    fn ask(&mut self, seed: u64) {
        let request = damage::request(seed);
        let begin = Instant::now();
        // The server may close before it has read all.
        let sent = self
            .client
            .stream
            .write_all(&request.bytes)
            .and_then(|()| self.client.stream.flush());
        if !request.is_plain {
            // Nothing more comes: a server that waits for the rest of a body would wait for ever.
            self.client.stream.conn.send_close_notify();
            let _ = self.client.stream.flush();
            let _ = self.client.stream.sock.shutdown(Shutdown::Write);
        }
        let answer = answer(&mut self.client);
        let took = begin.elapsed();
        let about = || format!("seed {seed}: {}", String::from_utf8_lossy(&request.bytes));
        assert!(took < IN_TIME, "{took:?}; {}", about());
        self.totals.slowest = self.totals.slowest.max(took);
        let stays = match &answer {
            Some(answer) => {
                answer.check();
                self.judge(&request, answer, &about);
                request.is_plain && answer.header("connection").is_none()
            }
            None => {
                assert!(!request.is_plain, "no answer, sent: {sent:?}; {}", about());
                self.totals.unanswered += 1;
                false
            }
        };
        if !stays {
            self.client = self.process.client();
        }
    }

    fn judge(&mut self, request: &Request, answer: &Answer, about: &dyn Fn() -> String) {
        let possible: &[u16] = if request.is_plain { &PLAIN } else { &DAMAGED };
        assert!(possible.contains(&answer.status), "{answer:?}; {}", about());
        let judged = strict::parse(&request.body);
        if answer.status != 200 {
            self.totals.errors += 1;
            let is_review = |gate| {
                judged
                    .as_ref()
                    .is_some_and(|review| policies::has_envelope(gate, review))
            };
            let readable = request.is_plain && request.gate.is_some_and(is_review);
            assert!(answer.status != 400 || !readable, "{answer:?}; {}", about());
            return;
        }
        let gate = request.gate.unwrap_or_else(|| panic!("no gate; {}", about()));
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        if gate == "mutate" || gate == "validate" {
            check_uid(&said["response"]["uid"], judged.as_ref(), &request.body, about);
        }
        let is_allow = policies::is_allow(gate, &said);
        let may_allow = judged
            .as_ref()
            .is_some_and(|review| policies::may_allow(gate, review));
        assert!(may_allow || !is_allow, "allowed: {said}; {}", about());
        assert!(!request.is_whole || is_allow == may_allow, "{said}; {}", about());
        if let (Some(review), true) = (&judged, is_allow && gate == "mutate") {
            check_patch(&said["response"], &review["request"]["object"], about);
        }
        *(if is_allow {
            &mut self.totals.allowed
        } else {
            &mut self.totals.refused
        }) += 1;
    }
}

/// The answer has the uid of the request: where that was read strictly, exactly; else it stands in the text at least.
fn check_uid(uid: &Value, judged: Option<&Value>, body: &[u8], about: &dyn Fn() -> String) {
    match judged {
        Some(review) => assert_eq!(uid, &review["request"]["uid"], "{}", about()),
        None => {
            let uid = uid.as_str().unwrap_or_default();
            let stands = |uid: &str| body.windows(uid.len()).any(|part| part == uid.as_bytes());
            let written = !uid.is_empty() && (stands(uid) || body.contains(&b'\\'));
            assert!(written, "{uid:?}; {}", about());
        }
    }
}

/// The patch says what the policy wants, and nothing that names the object changes.
fn check_patch(response: &Value, object: &Value, about: &dyn Fn() -> String) {
    let mut patched = object.clone();
    if let Some(patch) = response["patch"].as_str() {
        assert_eq!(response["patchType"], "JSONPatch");
        let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap();
        json_patch::patch(&mut patched, &patch).unwrap();
    }
    if object.is_object() {
        assert_eq!(patched["metadata"]["labels"]["seen"], json!("yes"), "{}", about());
    }
    assert_eq!(
        patched["metadata"]["name"],
        object["metadata"]["name"],
        "{}",
        about()
    );
    assert_eq!(patched["spec"], object["spec"], "{}", about());
}

/// A response as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// What holds for every response.
    fn check(&self) {
        assert!(
            self.head.starts_with("HTTP/1.1 ") || self.head.starts_with("HTTP/1.0 "),
            "{self:?}"
        );
        assert!(
            self.head.lines().skip(1).all(|line| line.contains(": ")),
            "{self:?}"
        );
        for forbidden in ["retry-after", "location"] {
            assert_eq!(self.header(forbidden), None, "{self:?}");
        }
    }
}

/// The next response; `None` if the connection ends without one.
fn answer(client: &mut Client) -> Option<Answer> {
    let mut buffer = Vec::new();
    let begin = Instant::now();
    loop {
        assert!(
            begin.elapsed() < PATIENCE,
            "half an answer: {:?}",
            String::from_utf8_lossy(&buffer)
        );
        if let Some((head, length)) = head(&buffer) {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let end = head.len() + 4;
            if status == 100 {
                buffer.drain(..end);
                continue;
            }
            if buffer.len() >= end + length {
                let body = String::from_utf8(buffer[end..end + length].to_vec()).unwrap();
                return Some(Answer { status, head, body });
            }
        }
        let mut chunk = [0; 4096];
        match client.stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => buffer.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("neither answered nor closed")
            }
            Err(_) => break,
        }
    }
    assert_eq!(String::from_utf8_lossy(&buffer), "", "half an answer");
    None
}

/// The head of what has come, once it is whole, and how long the body is.
fn head(buffer: &[u8]) -> Option<(String, usize)> {
    let end = buffer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    Some((head, length.unwrap_or(0)))
}
