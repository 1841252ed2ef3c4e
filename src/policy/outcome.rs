//! What one policy said of one review: the values of its gate rules, read into types.
//!
//! A rule that is undefined says nothing: never an allow, never a deny. A rule of a type that its gate does not read is
//! a fault, told with the rule's name.

use std::collections::BTreeMap;

use super::Fault;
use super::engine::Document;

/// The HTTP codes that a message may set. Others mislead clients: a 404 on DELETE makes kubectl report success.
pub(crate) const MESSAGE_CODES: [u16; 9] = [400, 403, 405, 406, 412, 413, 415, 422, 451];

/// One message of `deny` or `warn`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The text.
    pub msg: String,
    /// The code that a denial is to have, one of the codes that clients understand.
    pub code: Option<u16>,
    /// JSON Pointer to what is wrong.
    pub field: Option<String>,
    /// Whatever the author wants in the log beside the text.
    pub details: Option<serde_json::Value>,
}

/// Who a token belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Never empty once the gate has checked it.
    pub username: String,
    /// Empty where the policy gives none.
    pub uid: String,
    /// In the policy's order.
    pub groups: Vec<String>,
    /// Lists of strings by key.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a mutating policy wants changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Mutation {
    /// `patch`: operations as JSON.
    Patch {
        /// The operations; those of a set in Rego's order.
        operations: serde_json::Value,
        /// Whether the rule is a set, whose order says nothing.
        set: bool,
    },
    /// `mutated`: the wanted object.
    Mutated(serde_json::Value),
}

/// The values of a policy's gate rules. What is absent was undefined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// `allow`
    pub allow: Option<bool>,
    /// `deny`, sorted by text.
    pub deny: Vec<Message>,
    /// `warn`, sorted by text.
    pub warn: Vec<Message>,
    /// `reason`
    pub reason: Option<String>,
    /// `user`
    pub user: Option<User>,
    /// `audiences`
    pub audiences: Option<Vec<String>>,
    /// `patch` or `mutated`
    pub mutation: Option<Mutation>,
    /// `audit_annotations`; values that are no strings as JSON.
    pub audit_annotations: Vec<(String, String)>,
    /// Rules whose messages an exception of the policy's own takes back.
    pub excused: Vec<String>,
    /// The error of a builtin that was passed over, because the policy asks for that.
    pub passed_over: Option<Fault>,
}

impl Outcome {
    /// Reads the `[rule, value]` pairs of an entry rule.
    pub(crate) fn read(values: &Document) -> Result<Self, Fault> {
        let mut outcome = Outcome::default();
        let broken = || Fault::Type {
            rule: "(generated)",
            problem: "no pairs of rule and value".to_owned(),
        };
        for pair in values.items().ok_or_else(broken)? {
            match pair.items().as_deref() {
                Some([rule, value]) => outcome.take(rule.as_str().unwrap_or_default(), value)?,
                _ => return Err(broken()),
            }
        }
        Ok(outcome)
    }

    fn take(&mut self, rule: &str, value: &Document) -> Result<(), Fault> {
        match rule {
            "allow" => {
                self.allow = Some(
                    value
                        .as_bool()
                        .ok_or_else(|| wrong("allow", "a boolean", value))?,
                )
            }
            "deny" => self.deny = messages("deny", value)?,
            "warn" => self.warn = messages("warn", value)?,
            "reason" => self.reason = Some(text("reason", value)?),
            "user" => self.user = Some(user(value)?),
            "audiences" => self.audiences = Some(texts("audiences", value)?),
            "patch" => {
                let set = value.kind() == "set";
                if !set && value.kind() != "array" {
                    return Err(wrong("patch", "an array or a set of operations", value));
                }
                self.mutate(Mutation::Patch {
                    operations: json("patch", value)?,
                    set,
                })?;
            }
            "mutated" => {
                if value.kind() != "object" {
                    return Err(wrong("mutated", "an object", value));
                }
                self.mutate(Mutation::Mutated(json("mutated", value)?))?;
            }
            "audit_annotations" => self.audit_annotations = annotations(value)?,
            _ => {
                return Err(Fault::Type {
                    rule: "(generated)",
                    problem: "a rule of no gate".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn mutate(&mut self, mutation: Mutation) -> Result<(), Fault> {
        match self.mutation.replace(mutation) {
            None => Ok(()),
            Some(_) => Err(Fault::Type {
                rule: "patch",
                problem: "both patch and mutated are defined".into(),
            }),
        }
    }
}

fn wrong(rule: &'static str, want: &str, value: &Document) -> Fault {
    Fault::Type {
        rule,
        problem: format!("{want} expected, it is of type {}", value.kind()),
    }
}

fn json(rule: &'static str, value: &Document) -> Result<serde_json::Value, Fault> {
    value.to_json().map_err(|problem| Fault::Type {
        rule,
        problem: problem.to_string(),
    })
}

fn text(rule: &'static str, value: &Document) -> Result<String, Fault> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| wrong(rule, "a string", value))
}

fn texts(rule: &'static str, value: &Document) -> Result<Vec<String>, Fault> {
    let items = value
        .items()
        .ok_or_else(|| wrong(rule, "an array or a set of strings", value))?;
    items.iter().map(|item| text(rule, item)).collect()
}

fn messages(rule: &'static str, value: &Document) -> Result<Vec<Message>, Fault> {
    let items = value
        .items()
        .ok_or_else(|| wrong(rule, "a set or an array of messages", value))?;
    let mut messages = items
        .iter()
        .map(|item| message(rule, item))
        .collect::<Result<Vec<_>, _>>()?;
    messages.sort_by(|a, b| a.msg.cmp(&b.msg));
    Ok(messages)
}

fn message(rule: &'static str, value: &Document) -> Result<Message, Fault> {
    if let Some(msg) = value.as_str() {
        return Ok(Message {
            msg: msg.to_owned(),
            ..Message::default()
        });
    }
    let members = value
        .members()
        .ok_or_else(|| wrong(rule, "a message is a string or an object; a string", value))?;
    let mut message = Message::default();
    let mut has_text = false;
    for (key, member) in members {
        match &*key {
            "msg" => {
                message.msg = text(rule, &member)?;
                has_text = true;
            }
            "code" => message.code = Some(code(rule, &member)?),
            "field" => message.field = Some(text(rule, &member)?),
            // For the log only: on the wire a wrong type there fails open.
            "details" => message.details = Some(json(rule, &member)?),
            // Not quoted, here and below: the policy may have taken the key from what it was asked about.
            _ => {
                let problem = "a message has other members than msg, code, field, details".to_owned();
                return Err(Fault::Type { rule, problem });
            }
        }
    }
    if has_text {
        Ok(message)
    } else {
        Err(Fault::Type {
            rule,
            problem: "a message object needs `msg`".into(),
        })
    }
}

fn code(rule: &'static str, value: &Document) -> Result<u16, Fault> {
    let code = value.as_u64().and_then(|code| u16::try_from(code).ok());
    code.filter(|code| MESSAGE_CODES.contains(code)).ok_or_else(|| {
        let codes = MESSAGE_CODES.map(|code| code.to_string()).join(", ");
        Fault::Type {
            rule,
            problem: format!("`code` of a message is one of {codes}"),
        }
    })
}

fn user(value: &Document) -> Result<User, Fault> {
    let members = value.members().ok_or_else(|| wrong("user", "an object", value))?;
    let mut user = User::default();
    for (key, member) in members {
        match &*key {
            "username" => user.username = text("user", &member)?,
            "uid" => user.uid = text("user", &member)?,
            "groups" => user.groups = texts("user", &member)?,
            "extra" => {
                for (key, values) in member
                    .members()
                    .ok_or_else(|| wrong("user", "`extra` is an object; one", &member))?
                {
                    user.extra.insert(key.to_string(), texts("user", &values)?);
                }
            }
            _ => {
                let problem = "a user has other members than username, uid, groups, extra".to_owned();
                return Err(Fault::Type {
                    rule: "user",
                    problem,
                });
            }
        }
    }
    Ok(user)
}

/// The audit annotations of an object.
pub(super) fn annotations(value: &Document) -> Result<Vec<(String, String)>, Fault> {
    let rule = "audit_annotations";
    let members = value.members().ok_or_else(|| wrong(rule, "an object", value))?;
    let annotation = |(key, value): (std::sync::Arc<str>, Document)| {
        let text = match value.as_str() {
            Some(text) => text.to_owned(),
            None => json(rule, &value)?.to_string(),
        };
        Ok((key.to_string(), text))
    };
    members.into_iter().map(annotation).collect()
}

#[cfg(test)]
mod tests;
