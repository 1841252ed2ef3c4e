//! `json.match_schema`: the engine's answer in OPA's form, a list of errors. The words of an error are the engine's own.

use regorus::Value;

use super::{guarded, original};

const NAME: &str = "json.match_schema";

/// `[true, []]`, or `[false, errors]`.
pub(super) fn matches(values: &[Value]) -> anyhow::Result<Value> {
    guarded::documents::schema(NAME, values)?;
    let answer = original::call_as_told(NAME, values)?;
    let (Some(fits), Some(said)) = (
        answer.as_array().ok().and_then(|pair| pair.first()),
        said(&answer),
    ) else {
        return Ok(answer);
    };
    let errors = match said {
        Value::Null => Vec::new(),
        said => vec![error(&said)],
    };
    Ok(Value::from(vec![fits.clone(), Value::from(errors)]))
}

/// What the engine says of a document that does not fit.
fn said(answer: &Value) -> Option<Value> {
    answer.as_array().ok()?.get(1).cloned()
}

/// An error with the members that OPA's has. Where in the document it is the engine says in its text only.
fn error(said: &Value) -> Value {
    let mut error = Value::new_object();
    if let Ok(members) = error.as_object_mut() {
        for (key, member) in [
            ("desc", said.clone()),
            ("error", said.clone()),
            ("field", Value::from("")),
            ("type", Value::from("")),
        ] {
            members.insert(Value::from(key), member);
        }
    }
    error
}
