//! Reviews of all five kinds, from the body to the answer. The first byte says the gate.

#![no_main]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use regate::fuzzing;
use regate::gate::Gate;
use regate::policy::PolicySet;
use regate::policy::files::{Files, RegoFile};
use regate::policy::load::load;
use regate::review::{EnvelopeHint, Settings, answer};
use regate_fuzz::{policies, strict};
use serde_json::Value;

const GATES: [Gate; 5] = [
    Gate::Authn,
    Gate::Authz,
    Gate::Image,
    Gate::Mutate,
    Gate::Validate,
];

/// What the I/O side looks at.
const PREFIX: usize = 64 << 10;

fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else {
        return;
    };
    let gate = GATES[usize::from(*first) % GATES.len()];
    let judged = strict::parse(body);
    let hint = EnvelopeHint::scan(&body[..body.len().min(PREFIX)]);
    if let Some(review) = &judged {
        assert_eq!(
            hint,
            envelope(review),
            "the prefix says another thing than the whole"
        );
    }
    if let Ok(whole) = fuzzing::envelope(body) {
        assert_eq!(hint, whole, "the prefix says another thing than the whole");
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let (answer, record) = answer(gate, body, set(), &Settings::default(), deadline);
    if answer.status != 200 {
        assert!(matches!(answer.status, 400 | 503), "{answer:?}");
        assert_ne!(record.decision, "allow");
        return;
    }
    let said: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
    assert_eq!(said["apiVersion"].as_str(), hint.api_version.as_deref());
    assert_eq!(said["kind"].as_str(), hint.kind.as_deref());
    if matches!(gate, Gate::Mutate | Gate::Validate) {
        assert_eq!(said["response"]["uid"].as_str(), hint.uid.as_deref());
    }
    let is_allow = policies::is_allow(gate.as_str(), &said);
    assert_eq!(is_allow, record.decision == "allow");
    if is_allow {
        let review = judged.expect("allowed although it must be refused");
        assert!(policies::may_allow(gate.as_str(), &review), "{said}");
    }
});

/// The envelope of a review as the judge reads it.
fn envelope(review: &Value) -> EnvelopeHint {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    EnvelopeHint {
        kind: text(&review["kind"]),
        api_version: text(&review["apiVersion"]),
        uid: text(&review["request"]["uid"]),
    }
}

fn set() -> &'static PolicySet {
    static SET: OnceLock<PolicySet> = OnceLock::new();
    SET.get_or_init(|| {
        let module = |(path, text): &(&str, &str)| RegoFile {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
            is_test: false,
            v0: false,
        };
        let files = Files {
            modules: policies::POLICIES.iter().map(module).collect(),
            ..Files::default()
        };
        load(&files).expect("the policies are good")
    })
}
