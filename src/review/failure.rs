//! The failure table: what each failure is answered with, at each gate. There is no other place that decides this.
//!
//! What a requester can provoke is answered as a review that says no, because an HTTP error becomes an allow where a
//! webhook is registered to ignore failures. What is ours is an HTTP error where the API server then asks again or
//! fails closed without caching the answer. Never a redirect, never `Retry-After`, never 429 as an HTTP status: the API
//! server's client would repeat the call up to 55 times.

use crate::gate::Gate;

/// Why a review was not decided by policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The body passed its limit.
    BodyTooLarge,
    /// The caller presented no valid, listed identity.
    Caller,
    /// The envelope can be read, what is in it cannot: what is wrong.
    Content(String),
    /// The deadline passed.
    Deadline,
    /// The envelope cannot be read: what is wrong.
    Envelope(String),
    /// A policy could not be evaluated, and might have refused or changed something.
    Fault,
    /// No policy set is loaded.
    NoPolicySet,
    /// The review would wait for too long, or there is no room to take it in.
    Overload,
    /// The evaluating thread panicked outside of a policy.
    Panic,
}

/// How a gate answers a fault of its policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFault {
    /// As a review that refuses.
    #[default]
    Deny,
    /// As HTTP 503, so that what the webhook is registered with decides.
    Defer,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// An HTTP error with one line of text.
    Http { status: u16, text: String },
    /// HTTP 200 with a review that refuses.
    Refusal(Refusal),
}

/// A review that refuses without a policy's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `status.code`, where the review has one.
    pub(crate) code: u16,
    /// The public sentence.
    pub(crate) text: String,
    /// Whether the client may come again by itself: `retryAfterSeconds`.
    pub(crate) retry: bool,
}

impl Failure {
    /// The metric's and the log's word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Failure::BodyTooLarge => "body_too_large",
            Failure::Caller => "caller",
            Failure::Content(_) => "content",
            Failure::Deadline => "deadline",
            Failure::Envelope(_) => "envelope",
            Failure::Fault => "fault",
            Failure::NoPolicySet => "no_policy_set",
            Failure::Overload => "overload",
            Failure::Panic => "panic",
        }
    }

    /// The table. `on_fault` is the gate's setting; authn and image have none.
    pub(crate) fn reply(&self, gate: Gate, on_fault: OnFault) -> Reply {
        let http = |status, text: &str| Reply::Http {
            status,
            text: text.to_owned(),
        };
        let refuse = |code, text: &str| {
            Reply::Refusal(Refusal {
                code,
                text: text.to_owned(),
                retry: false,
            })
        };
        let admission = matches!(gate, Gate::Mutate | Gate::Validate);
        match self {
            Failure::Envelope(problem) => http(400, problem),
            Failure::Caller => http(401, "a client certificate that this gate accepts is required"),
            Failure::Content(problem) => refuse(400, &format!("the review cannot be read: {problem}")),
            Failure::BodyTooLarge => refuse(413, "the review is too large"),
            Failure::Fault | Failure::Panic => match gate {
                Gate::Authn => http(503, FAULT),
                Gate::Image => refuse(500, FAULT),
                Gate::Authz | Gate::Mutate | Gate::Validate => match on_fault {
                    OnFault::Deny => refuse(500, FAULT),
                    OnFault::Defer => http(503, FAULT),
                },
            },
            Failure::Deadline => match (gate, on_fault) {
                (Gate::Authn | Gate::Image, _) | (_, OnFault::Defer) => http(503, DEADLINE),
                (Gate::Authz | Gate::Mutate | Gate::Validate, OnFault::Deny) => refuse(504, DEADLINE),
            },
            Failure::Overload if admission && on_fault == OnFault::Deny => Reply::Refusal(Refusal {
                code: 429,
                text: OVERLOAD.to_owned(),
                retry: true,
            }),
            Failure::Overload => http(503, OVERLOAD),
            Failure::NoPolicySet if admission && on_fault == OnFault::Deny => refuse(503, NO_POLICY_SET),
            Failure::NoPolicySet => http(503, NO_POLICY_SET),
        }
    }
}

const FAULT: &str = "the policies could not be evaluated";
const DEADLINE: &str = "the policies did not answer in time";
const OVERLOAD: &str = "too many reviews are waiting";
const NO_POLICY_SET: &str = "no policies are loaded";

#[cfg(test)]
mod tests {
    use super::*;

    /// HTTP status, or the refusal's code with a mark.
    fn cell(failure: &Failure, gate: Gate, on_fault: OnFault) -> String {
        match failure.reply(gate, on_fault) {
            Reply::Http { status, .. } => status.to_string(),
            Reply::Refusal(Refusal { code, retry, .. }) => {
                format!("refusal {code}{}", if retry { " retry" } else { "" })
            }
        }
    }

    #[test]
    fn every_cell_is_as_the_contract_says() {
        use Failure::*;
        // authn, authz, image, mutate, validate; then authz, mutate, validate deferred
        let table = [
            (Envelope(String::new()), ["400"; 8]),
            (Caller, ["401"; 8]),
            (Content(String::new()), ["refusal 400"; 8]),
            (BodyTooLarge, ["refusal 413"; 8]),
            (
                Fault,
                [
                    "503",
                    "refusal 500",
                    "refusal 500",
                    "refusal 500",
                    "refusal 500",
                    "503",
                    "503",
                    "503",
                ],
            ),
            (
                Panic,
                [
                    "503",
                    "refusal 500",
                    "refusal 500",
                    "refusal 500",
                    "refusal 500",
                    "503",
                    "503",
                    "503",
                ],
            ),
            (
                Deadline,
                [
                    "503",
                    "refusal 504",
                    "503",
                    "refusal 504",
                    "refusal 504",
                    "503",
                    "503",
                    "503",
                ],
            ),
            (
                Overload,
                [
                    "503",
                    "503",
                    "503",
                    "refusal 429 retry",
                    "refusal 429 retry",
                    "503",
                    "503",
                    "503",
                ],
            ),
            (
                NoPolicySet,
                [
                    "503",
                    "503",
                    "503",
                    "refusal 503",
                    "refusal 503",
                    "503",
                    "503",
                    "503",
                ],
            ),
        ];
        for (failure, want) in table {
            let gates = [
                Gate::Authn,
                Gate::Authz,
                Gate::Image,
                Gate::Mutate,
                Gate::Validate,
            ];
            let mut got: Vec<_> = gates.map(|gate| cell(&failure, gate, OnFault::Deny)).to_vec();
            let deferring = [Gate::Authz, Gate::Mutate, Gate::Validate];
            got.extend(deferring.map(|gate| cell(&failure, gate, OnFault::Defer)));
            assert_eq!(got, want, "{failure:?}");
        }
    }
}
