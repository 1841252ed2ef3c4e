//! Valid reviews, and requests with everything wrong in them that a seed can think of.
//!
//! A request is made of its seed alone, so that one that failed can be made again. [`Request`] says what was sent and
//! what of it the server may take for a body; nothing here knows what the right answer is.

use serde_json::{Map, Value, json};

/// What is written as a string into the tree and stands in the text as it is, so that it may be what no tree can hold.
const RAW: [(&str, &[u8]); 14] = [
    ("@number-high", b"18446744073709551616"),
    ("@number-low", b"-9223372036854775809"),
    ("@number-huge", b"1e400"),
    ("@number-zero", b"-0"),
    ("@number-leading", b"01"),
    ("@number-exact", b"9007199254740993"),
    ("@surrogate", b"\"\\ud800\""),
    ("@bytes", b"\"\xff\xfe\""),
    ("@control", b"\"\x01\""),
    ("@nul", b"\"\\u0000\""),
    ("@twice", b"{\"a\":1,\"a\":2}"),
    ("@twice-escaped", b"{\"a\":1,\"\\u0061\":2}"),
    ("@comma", b"[1,]"),
    ("@nothing", b""),
];

/// A stream of numbers that a seed decides (xorshift64*).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // Seeds beside each other must not begin alike, and zero would stay zero.
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.next();
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// True in one of so many cases.
    pub(super) fn one_in(&mut self, cases: usize) -> bool {
        self.below(cases) == 0
    }
}

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    /// The gate whose path it has, if it has the path of one.
    pub(super) gate: Option<&'static str>,
    /// All that is sent.
    pub(super) bytes: Vec<u8>,
    /// What may be read as the body.
    pub(super) body: Vec<u8>,
    /// Whether the head is that of an API server.
    pub(super) is_plain: bool,
    /// Whether nothing at all is wrong.
    pub(super) is_whole: bool,
}

pub(super) const GATES: [&str; 5] = ["authn", "authz", "image", "mutate", "validate"];

/// The request of this seed.
pub(super) fn request(seed: u64) -> Request {
    let mut random = Random::new(seed);
    let gate = *random.pick(&GATES);
    let mut review = review(gate, &format!("uid-{seed:x}"), &mut random);
    let is_whole = random.one_in(10);
    if is_whole {
        let body = review.to_string().into_bytes();
        let bytes = plain(gate, "", &body);
        return Request {
            gate: Some(gate),
            bytes,
            body,
            is_plain: true,
            is_whole,
        };
    }
    for _ in 0..random.below(4) {
        damage_tree(&mut review, &mut random);
    }
    let mut body = written(&review);
    // What is wrong in the tree should reach the reader of the tree most of the time.
    if random.one_in(5) {
        for _ in 0..=random.below(3) {
            damage_bytes(&mut body, &mut random);
        }
    }
    if random.one_in(16) {
        return damaged_head(gate, body, &mut random);
    }
    let query = if random.one_in(4) {
        *random.pick(&QUERIES)
    } else {
        ""
    };
    let bytes = plain(gate, query, &body);
    Request {
        gate: Some(gate),
        bytes,
        body,
        is_plain: true,
        is_whole,
    }
}

const QUERIES: [&str; 8] = [
    "?timeout=10s",
    "?timeout=5",
    "?timeout=-1s",
    "?timeout=99999999999999999999h",
    "?timeout=30s&timeout=x",
    "?x=%00&timeout=",
    "?",
    "?timeout=1e9s",
];

/// A review that its gate's policies allow or deny.
fn review(gate: &str, uid: &str, random: &mut Random) -> Value {
    match gate {
        "authn" => json!({
            "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
            "spec": {"token": *random.pick(&["good", "other", "revoked"]), "audiences": ["api"]},
            "status": {"user": {}}
        }),
        "authz" if random.one_in(4) => json!({
            "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1beta1",
            "spec": {"user": "jane", "group": ["dev"], "nonResourceAttributes": {"verb": "get", "path": "/healthz"}}
        }),
        "authz" => json!({
            "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
            "spec": {"user": *random.pick(&["jane", "joe"]), "groups": ["dev"], "extra": {"a.b/c": ["d"]},
                "resourceAttributes": {"verb": *random.pick(&["get", "list"]), "resource": "pods", "version": "v1",
                    "namespace": *random.pick(&["shop", "vault"]), "name": "web"}},
            "status": {"allowed": false}
        }),
        "image" => json!({
            "kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1", "metadata": {},
            "spec": {"containers": [{"image": "a:1"}, {"image": *random.pick(&["b:2", "b:latest"])}],
                "annotations": {"a.image-policy.k8s.io/b": "c"}, "namespace": "shop"},
            "status": {"allowed": false}
        }),
        _ => admission(uid, random),
    }
}

fn admission(uid: &str, random: &mut Random) -> Value {
    let privileged = random.one_in(2);
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "a", "image": "a:1"},
            {"name": "b", "image": "b:1", "securityContext": {"privileged": privileged}}], "priority": -5, "share": 1.5}
    });
    if random.one_in(8) {
        // Nobody can add this to a number: the policy is at fault.
        object["metadata"]["labels"]["sum"] = json!("x");
    }
    let version = *random.pick(&["v1", "v1beta1"]);
    json!({
        "kind": "AdmissionReview", "apiVersion": format!("admission.k8s.io/{version}"),
        "request": {
            "uid": uid, "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": "web", "namespace": "shop",
            "operation": "CREATE", "userInfo": {"username": "jane", "groups": ["dev"]}, "object": object,
            "oldObject": null, "dryRun": false, "options": null
        }
    })
}

/// The text of a tree, with what no tree can hold.
fn written(review: &Value) -> Vec<u8> {
    let text = review.to_string();
    let raw = RAW.iter().filter(|(marker, _)| text.contains(marker));
    let raw: Vec<_> = raw.map(|(marker, raw)| (format!("\"{marker}\""), *raw)).collect();
    let is_twice = text.contains("@twice:");
    let mut text = text.into_bytes();
    for (marker, raw) in raw {
        replace(&mut text, marker.as_bytes(), raw);
    }
    if is_twice {
        replace(&mut text, b"\"@twice:", b"\"");
    }
    text
}

fn replace(text: &mut Vec<u8>, marker: &[u8], raw: &[u8]) {
    while let Some(at) = text.windows(marker.len()).position(|part| part == marker) {
        text.splice(at..at + marker.len(), raw.iter().copied());
    }
}

/// Changes something at a random place of a tree.
fn damage_tree(tree: &mut Value, random: &mut Random) {
    let place = place(tree, 0, random);
    let copy = place.clone();
    match random.below(9) {
        0 => *place = odd(random),
        1 => *place = Value::String(random.pick(&RAW).0.to_owned()),
        2 => *place = json!([copy]),
        3 => *place = json!({"$serde_json::private::Number": "1", "containers": copy}),
        4 => *place = nested(copy, 1 + random.below(300)),
        5 => rename(place, random),
        6 => say_twice(place, random),
        7 => forget(place, random),
        _ => {
            if let Value::Array(items) = place {
                items.extend_from_within(..);
            } else {
                *place = json!({"a": copy, "": null});
            }
        }
    }
}

/// A random place, seldom near the root: the envelope is soon broken, and then nothing else is looked at.
fn place<'a>(tree: &'a mut Value, depth: usize, random: &mut Random) -> &'a mut Value {
    let (length, stay) = match &*tree {
        Value::Array(items) => (items.len(), random.one_in(4)),
        Value::Object(members) => (members.len(), random.one_in(if depth < 2 { 40 } else { 4 })),
        _ => (0, true),
    };
    if stay || length == 0 {
        return tree;
    }
    let mut chosen = random.below(length);
    if depth == 0 && !random.one_in(8) {
        // Behind `apiVersion` and `kind`.
        chosen = chosen.max(2.min(length - 1));
    }
    match tree {
        Value::Array(items) => place(&mut items[chosen], depth + 1, random),
        Value::Object(members) => place(members.values_mut().nth(chosen).unwrap(), depth + 1, random),
        _ => unreachable!("it has a length"),
    }
}

fn odd(random: &mut Random) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(""),
        json!([]),
        json!({}),
        json!("x".repeat(5_000)),
        json!("\u{202e}\u{0}\u{feff}"),
        json!("good"),
        json!("jane"),
        json!("DELETE"),
        json!("system:masters"),
        json!("admission.k8s.io/v1"),
    ];
    random.pick(&values).clone()
}

fn nested(mut value: Value, levels: usize) -> Value {
    for level in 0..levels {
        value = if level % 2 == 0 {
            json!([value])
        } else {
            json!({ "a": value })
        };
    }
    value
}

/// Another spelling of a key.
fn rename(place: &mut Value, random: &mut Random) {
    let Value::Object(members) = place else { return };
    let Some(key) = some_key(members, random) else {
        return;
    };
    let value = members.remove(&key).unwrap();
    let other = match random.below(4) {
        0 => key.to_uppercase(),
        1 => format!("{key} "),
        2 => key[..key.len() / 2].to_owned(),
        _ => format!("{key}\u{200b}"),
    };
    members.insert(other, value);
}

/// A key twice, the other time before the others and with another value.
fn say_twice(place: &mut Value, random: &mut Random) {
    let Value::Object(members) = place else { return };
    let Some(key) = some_key(members, random) else {
        return;
    };
    let value = odd(random);
    members.insert(format!("@twice:{key}"), value);
}

fn forget(place: &mut Value, random: &mut Random) {
    match place {
        Value::Object(members) => {
            if let Some(key) = some_key(members, random) {
                members.remove(&key);
            }
        }
        Value::Array(items) => drop(items.pop()),
        other => *other = Value::Null,
    }
}

fn some_key(members: &Map<String, Value>, random: &mut Random) -> Option<String> {
    let chosen = random.below(members.len().max(1));
    let key = members.keys().nth(chosen)?;
    key.is_ascii().then(|| key.clone())
}

/// Changes bytes, whatever they mean.
fn damage_bytes(body: &mut Vec<u8>, random: &mut Random) {
    const BYTES: &[u8] = b"{}[]\",:\\0123456789-+.eEtfn \n\0\xff\xc3\x80";
    let at = random.below(body.len().max(1)).min(body.len());
    let end = (at + 1 + random.below(20)).min(body.len());
    match random.below(9) {
        0 if at < body.len() => body[at] ^= 1 << random.below(8),
        1 if at < body.len() => body[at] = *random.pick(BYTES),
        2 => body.insert(at, *random.pick(BYTES)),
        3 => drop(body.drain(at..end)),
        4 => body.truncate(at),
        5 => body.extend_from_within(at..end),
        6 => body.extend_from_within(..),
        7 => drop(body.splice(0..0, *b"\xef\xbb\xbf")),
        _ => {
            let piece = body[at..end].to_vec();
            body.splice(at..at, piece);
        }
    }
}

fn plain(gate: &str, query: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/{gate}{query} HTTP/1.1\r\nhost: regate\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A request whose head is none of an API server.
fn damaged_head(gate: &'static str, mut body: Vec<u8>, random: &mut Random) -> Request {
    let length = body.len();
    let (mut method, mut path, mut version) = ("POST", format!("/v1/{gate}"), "HTTP/1.1");
    let (mut kind, mut framing, mut more) = (
        "content-type: application/json\r\n".to_owned(),
        format!("content-length: {length}\r\n"),
        String::new(),
    );
    let mut chunked = None;
    match random.below(14) {
        0 => {
            method = *random.pick(&[
                "GET", "PUT", "OPTIONS", "post", "CONNECT", "PRI", "P\0ST", "DELETE",
            ])
        }
        1 => path = random.pick(&PATHS).replace("GATE", gate),
        2 => kind = random.pick(&KINDS).to_string(),
        3 => framing = format!("content-length: {}\r\n", length + 1 + random.below(100)),
        4 => {
            body.truncate(random.below(length + 1));
            framing = format!("content-length: {}\r\n", body.len());
        }
        5 => framing = format!("content-length: {length}\r\ncontent-length: {}\r\n", length / 2),
        6 => framing = random.pick(&FRAMINGS).to_string(),
        7 => {
            framing = "transfer-encoding: chunked\r\n".to_owned();
            chunked = Some(random.below(4));
        }
        8 => framing = format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        9 => more = "expect: 100-continue\r\n".to_owned(),
        10 => more = format!("x: {}\r\n", "y".repeat(random.below(200_000))),
        11 => more = "a: b\r\n".repeat(random.below(300)),
        12 => version = *random.pick(&["HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "", "HTTP/1.1 x"]),
        _ => {
            more = random
                .pick(&[
                    "bad header\r\n",
                    "x: \0\r\n",
                    ": y\r\n",
                    "host: other\r\n",
                    "x: y\n",
                ])
                .to_string()
        }
    }
    let head = format!("{method} {path} {version}\r\nhost: regate\r\n{kind}{framing}{more}\r\n");
    let sent = chunked.map_or_else(|| body.clone(), |flaw| chunks(&body, flaw));
    let is_path = path.split('?').next() == Some(&format!("/v1/{gate}"));
    Request {
        gate: is_path.then_some(gate),
        bytes: [head.as_bytes(), &sent].concat(),
        body,
        is_plain: false,
        is_whole: false,
    }
}

/// The body in chunks; a flaw of 0 is none.
fn chunks(body: &[u8], flaw: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    for chunk in body.chunks(64) {
        let length = if flaw == 1 { chunk.len() + 3 } else { chunk.len() };
        sent.extend(format!("{length:x}\r\n").into_bytes());
        sent.extend(chunk);
        sent.extend(b"\r\n");
    }
    match flaw {
        2 => {}
        3 => sent.extend(b"fffffffffffffffff\r\n"),
        _ => sent.extend(b"0\r\n\r\n"),
    }
    sent
}

const PATHS: [&str; 12] = [
    "/",
    "/v1/GATE/",
    "//v1/GATE",
    "/v1/GATE/..%2fauthn",
    "/V1/GATE",
    "/v1/%47ATE",
    "/v1/",
    "*",
    "/v1/GATE%00",
    "/v1/../v1/GATE",
    "/v1/GATE\"]",
    "http://other/v2/GATE",
];

const KINDS: [&str; 7] = [
    "",
    "content-type: text/plain\r\n",
    "content-type: application/json; charset=utf-8\r\n",
    "content-type: application/jsonx\r\n",
    "content-type: application/json\r\ncontent-encoding: gzip\r\n",
    "content-type: application/vnd.kubernetes.protobuf\r\n",
    "content-type: \r\n",
];

const FRAMINGS: [&str; 8] = [
    "",
    "content-length: 0\r\n",
    "content-length: -1\r\n",
    "content-length: +5\r\n",
    "content-length: 99999999999999999999\r\n",
    "content-length: 0x10\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "transfer-encoding: identity\r\n",
];
