//! The envelope of a review: the top level is one JSON object, with the `kind` and `apiVersion` of the route, and on
//! admission a `request.uid`. Whatever else is wrong is content, and is answered as a review (see [`super::failure`]).

use std::borrow::Cow;
use std::collections::HashSet;

use crate::json::{Error, Problem, Token, Tokens};

/// What the envelope says, as far as it was read. The API server writes these members first, so the first 64 KiB of a
/// body are enough; reading neither recurses nor looks into anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvelopeHint {
    /// Top-level `kind`.
    pub kind: Option<String>,
    /// Top-level `apiVersion`.
    pub api_version: Option<String>,
    /// `request.uid`.
    pub uid: Option<String>,
}

/// How far a text is walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Until everything was found: on every request, so it must not read objects for nothing.
    Needed,
    /// To its end: what comes later could contradict.
    Whole,
}

impl EnvelopeHint {
    /// Scans the first bytes of a body and keeps what was found before the first problem, be it the prefix's end.
    pub fn scan(prefix: &[u8]) -> Self {
        let mut hint = Self::default();
        // What was found until then is the answer; the whole body is judged by `read`.
        match hint.walk(prefix, Extent::Needed) {
            Ok(()) | Err(_) => hint,
        }
    }

    /// Reads the envelope of a whole body whose content could not be read.
    ///
    /// # Errors
    /// The first problem of the envelope itself, a repeated key of the top level or of `request.uid` among them, or of
    /// the grammar anywhere.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        let mut envelope = Self::default();
        envelope.walk(body, Extent::Whole).map(|()| envelope)
    }

    fn walk(&mut self, text: &[u8], extent: Extent) -> Result<(), Error> {
        let mut tokens = Tokens::new(text);
        if tokens.next()? != Some(Token::ObjectStart) {
            return Err(Error {
                problem: Problem::Syntax,
                offset: 0,
            });
        }
        let mut seen = HashSet::new();
        while let Some(key) = next_key(&mut tokens)? {
            let Some(key) = key else {
                tokens.skip_value()?;
                continue;
            };
            if !seen.insert(key.to_string()) {
                return Err(Error {
                    problem: Problem::DuplicateKey,
                    offset: tokens.offset(),
                });
            }
            match &*key {
                "kind" => self.kind = string(&mut tokens)?,
                "apiVersion" => self.api_version = string(&mut tokens)?,
                "request" => self.request(&mut tokens, extent)?,
                _ => tokens.skip_value()?,
            }
            if self.is_enough(extent) {
                return Ok(());
            }
        }
        match tokens.next()? {
            None => Ok(()),
            Some(_) => Err(Error {
                problem: Problem::Trailing,
                offset: tokens.offset(),
            }),
        }
    }

    /// Whether nothing that is wanted can still come.
    fn is_enough(&self, extent: Extent) -> bool {
        extent == Extent::Needed && self.kind.is_some() && self.api_version.is_some() && self.uid.is_some()
    }

    fn request(&mut self, tokens: &mut Tokens<'_>, extent: Extent) -> Result<(), Error> {
        if !tokens.next_is(b'{') {
            return tokens.skip_value();
        }
        tokens.next()?;
        let mut seen = false;
        while let Some(key) = next_key(tokens)? {
            match key.as_deref().unwrap_or_default() {
                "uid" if seen => {
                    return Err(Error {
                        problem: Problem::DuplicateKey,
                        offset: tokens.offset(),
                    });
                }
                "uid" => {
                    seen = true;
                    self.uid = string(tokens)?;
                }
                _ => tokens.skip_value()?,
            }
            if self.is_enough(extent) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The key that comes next, `None` at the end of the open object. One that is no Unicode is none that the envelope has:
/// what is wrong with it is content.
fn next_key<'a>(tokens: &mut Tokens<'a>) -> Result<Option<Option<Cow<'a, str>>>, Error> {
    match tokens.next() {
        Ok(Some(Token::Key(key))) => Ok(Some(Some(key))),
        Ok(_) => Ok(None),
        Err(Error {
            problem: Problem::NotUnicode,
            ..
        }) => Ok(Some(None)),
        Err(error) => Err(error),
    }
}

/// The string that comes next; what is no string is passed over.
fn string(tokens: &mut Tokens<'_>) -> Result<Option<String>, Error> {
    if !tokens.next_is(b'"') {
        return tokens.skip_value().map(|()| None);
    }
    match tokens.next()? {
        Some(Token::String(text)) => Ok(Some(text.into_owned())),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &str = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1","kind":{"group":""},"object":{"a":[1,2]}}}"#;

    fn hint(kind: &str, api_version: &str, uid: &str) -> EnvelopeHint {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        EnvelopeHint {
            kind: some(kind),
            api_version: some(api_version),
            uid: some(uid),
        }
    }

    #[test]
    fn a_prefix_is_enough() {
        let whole = hint("AdmissionReview", "admission.k8s.io/v1", "u-1");
        assert_eq!(EnvelopeHint::scan(WIRE.as_bytes()), whole);
        assert_eq!(EnvelopeHint::scan(&WIRE.as_bytes()[..95]), whole);
        assert_eq!(
            EnvelopeHint::scan(&WIRE.as_bytes()[..60]),
            hint("AdmissionReview", "admission.k8s.io/v1", "")
        );
        assert_eq!(EnvelopeHint::scan(b"rubbish"), EnvelopeHint::default());
        assert_eq!(EnvelopeHint::scan(b""), EnvelopeHint::default());
    }

    #[test]
    fn members_may_come_in_any_order() {
        let text = br#"{"request":{"object":{"uid":"no"},"uid":"u-2"},"metadata":{"uid":"no"},"apiVersion":"v","kind":"K"}"#;
        assert_eq!(EnvelopeHint::scan(text), hint("K", "v", "u-2"));
    }

    #[test]
    fn unreadable_content_leaves_the_envelope_readable() {
        let deep = format!("{}1{}", "[".repeat(9_999), "]".repeat(9_999));
        for object in [
            deep.as_str(),
            "1e999",
            "\"\\ud800\"",
            "{\"a\":1,\"a\":2}",
            "18446744073709551616",
        ] {
            let text =
                format!(r#"{{"kind":"K","apiVersion":"v","request":{{"object":{object},"uid":"u"}}}}"#);
            assert_eq!(
                EnvelopeHint::read(text.as_bytes()),
                Ok(hint("K", "v", "u")),
                "{object:.30}"
            );
        }
        let text = br#"{"kind":"K","\ud800":{"kind":1},"\udfff":1,"request":{"\ud800":[1],"uid":"u"},"apiVersion":"v"}"#;
        assert_eq!(EnvelopeHint::read(text), Ok(hint("K", "v", "u")));
        let text = b"{\"kind\":\"K\",\"x\":\"\xff\",\"apiVersion\":\"v\"}";
        assert_eq!(EnvelopeHint::read(text), Ok(hint("K", "v", "")));
    }

    #[test]
    fn what_is_wrong_with_the_envelope_is_told() {
        let problem = |text: &str| EnvelopeHint::read(text.as_bytes()).unwrap_err().problem;
        assert_eq!(problem(r#"{"kind":"K","kind":"K"}"#), Problem::DuplicateKey);
        assert_eq!(problem(r#"{"request":{},"request":{}}"#), Problem::DuplicateKey);
        assert_eq!(
            problem(r#"{"request":{"uid":"a","uid":"b"}}"#),
            Problem::DuplicateKey
        );
        assert_eq!(
            problem(r#"{"request":{"uid":1,"uid":"b"}}"#),
            Problem::DuplicateKey
        );
        assert_eq!(problem("[]"), Problem::Syntax);
        assert_eq!(problem(r#"{"kind":"K""#), Problem::Syntax);
        assert_eq!(problem(r#"{"a":[1 2]}"#), Problem::Syntax);
        assert_eq!(problem(r#"{"kind":"K"} {}"#), Problem::Trailing);
    }
}
