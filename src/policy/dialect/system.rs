//! OPA's own webhook: `data.system.main` is the whole response document.
//!
//! Read strictly: only what is plainly an answer to this review is one. A result without `response`, for another uid or
//! without a boolean `allowed` is a fault.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{pairs, present, request, wrong};
use crate::policy::engine::Document;
use crate::policy::outcome::{MESSAGE_CODES, annotations};
use crate::policy::{Fault, Message, Mutation, Outcome};

const MAIN: &str = "main";

/// The one type of patch that the API server takes.
const JSON_PATCH: &str = "JSONPatch";

/// What a denial says that gives no reason.
const NO_REASON: &str = "denied";

/// The response of `main`, in the words of every other policy.
pub(super) fn outcome(values: &Document, input: &Document) -> Result<Outcome, Fault> {
    let fault = |problem: &str| Fault::Type {
        rule: MAIN,
        problem: problem.to_owned(),
    };
    let main = pairs(values)?.pop().map(|(_, main)| main);
    let main = main.ok_or_else(|| fault("it is undefined: no response"))?;
    let response = present(&main, "response").ok_or_else(|| fault("it has no `response`"))?;
    if let Some(uid) = response.get("uid")
        && Some(uid) != request(input).get("uid")
    {
        return Err(fault("`response.uid` is not the request's"));
    }
    let allowed = response
        .get("allowed")
        .ok_or_else(|| fault("`response` has no `allowed`"))?;
    let allowed = allowed
        .as_bool()
        .ok_or_else(|| wrong(MAIN, "a boolean as `response.allowed`", &allowed))?;
    let mut outcome = Outcome::default();
    if let Some(told) = present(&response, "warnings") {
        let texts = told
            .items()
            .ok_or_else(|| wrong(MAIN, "a list as `response.warnings`", &told))?;
        outcome.warn = texts
            .iter()
            .map(|text| {
                let msg = text
                    .as_str()
                    .ok_or_else(|| wrong(MAIN, "strings as `response.warnings`", text))?;
                Ok(plain(msg))
            })
            .collect::<Result<_, Fault>>()?;
    }
    if let Some(told) = present(&response, "auditAnnotations") {
        outcome.audit_annotations = annotations(&told)?;
    }
    if !allowed {
        outcome.deny.push(denial(&response));
    } else if let Some(patch) = present(&response, "patch") {
        let kind = present(&response, "patchType");
        if kind.as_ref().and_then(Document::as_str) != Some(JSON_PATCH) {
            return Err(fault("`response` has a `patch` and not `patchType: JSONPatch`"));
        }
        outcome.mutation = Some(mutation(&patch)?);
    }
    Ok(outcome)
}

fn plain(msg: &str) -> Message {
    Message {
        msg: msg.to_owned(),
        ..Message::default()
    }
}

/// The text of `status.message`, or of `status.reason`, which older policies use for it. The denial stands whatever else
/// the status is.
fn denial(response: &Document) -> Message {
    let status = present(response, "status");
    let text = |key: &str| {
        let text = status.as_ref()?.get(key)?;
        text.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let code = status
        .as_ref()
        .and_then(|status| u16::try_from(status.get("code")?.as_u64()?).ok());
    Message {
        msg: text("message")
            .or_else(|| text("reason"))
            .unwrap_or_else(|| NO_REASON.to_owned()),
        code: code.filter(|code| MESSAGE_CODES.contains(code)),
        ..Message::default()
    }
}

/// A JSON patch in base64, as it stands in a response.
fn mutation(patch: &Document) -> Result<Mutation, Fault> {
    let operations = patch
        .as_str()
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .filter(serde_json::Value::is_array);
    match operations {
        Some(operations) => Ok(Mutation::Patch {
            operations,
            set: false,
        }),
        None => Err(wrong(MAIN, "a JSON patch in base64 as `response.patch`", patch)),
    }
}
