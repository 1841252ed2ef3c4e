//! Texts as they go to clients: one line, in bounds, with the policy's name.

use crate::policy::Message;

/// A denial's message at most, in bytes.
pub(crate) const DENIAL: usize = 4096;
/// The reason of authz and image, and a value of an audit annotation, at most, in bytes.
pub(crate) const REASON: usize = 1024;
/// A warning at most, in characters: the API server cuts all of them once their sum passes 4,096.
const WARNING: usize = 256;
/// Warnings at most.
const WARNINGS: usize = 12;
/// The key of an audit annotation at most: what the API server takes behind the webhook's name.
const ANNOTATION_KEY: usize = 63;

/// A message with the name of the policy that said it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) policy: String,
    pub(crate) message: Message,
}

impl Said {
    /// `[NAME] message`. Of a constraint that is called `KIND/NAME` its name alone, as Gatekeeper has it.
    pub(crate) fn text(&self) -> String {
        let name = self.policy.rsplit('/').next().unwrap_or_default();
        one_line(&format!("[{name}] {}", self.message.msg))
    }
}

/// The messages in the order given, joined by `; `, cut to a number of bytes.
pub(crate) fn joined(said: &[Said], limit: usize) -> String {
    let texts: Vec<_> = said.iter().map(Said::text).collect();
    cut(&texts.join("; "), limit)
}

/// The same text without control characters, which the API server and terminals take badly.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The text, or its beginning and `…`, in at most so many bytes.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The warnings that are sent: without repetitions, each cut, and a last one that counts the rest.
pub(crate) fn warnings(said: &[Said]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in said.iter().map(Said::text) {
        let text = match text.char_indices().nth(WARNING) {
            None => text,
            Some(_) => text.chars().take(WARNING - 1).chain(['…']).collect(),
        };
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let more = texts.len().saturating_sub(WARNINGS);
    texts.truncate(WARNINGS);
    if more > 0 {
        texts.push(format!("… {more} more"));
    }
    texts
}

/// The annotations of one policy as the API server takes them: `<policy>.<key>` in the letters and the length of a
/// qualified name, values cut. A key that has no letter or digit is dropped, as the API server would.
pub(crate) fn annotations(policy: &str, annotations: Vec<(String, String)>) -> Vec<(String, String)> {
    let valid = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            c
        } else {
            '_'
        }
    };
    let key = |key: &str| -> String {
        let key: String = format!("{policy}.{key}")
            .chars()
            .map(valid)
            .take(ANNOTATION_KEY)
            .collect();
        key.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
    };
    let all = annotations
        .into_iter()
        .map(|(name, value)| (key(&name), cut(&value, REASON)));
    all.filter(|(key, _)| !key.is_empty()).collect()
}

/// A JSON Pointer as a Kubernetes field path: `/spec/containers/0/image` is `spec.containers[0].image`.
pub(crate) fn field_path(pointer: &str) -> String {
    let mut path = String::new();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let plain = !token.is_empty()
            && token
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let index = token.bytes().all(|byte| byte.is_ascii_digit());
        if plain && !index {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&token);
        } else {
            path.push_str(&format!("[{token}]"));
        }
    }
    one_line(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(policy: &str, msg: &str) -> Said {
        Said {
            policy: policy.into(),
            message: Message {
                msg: msg.into(),
                ..Message::default()
            },
        }
    }

    #[test]
    fn texts_are_one_line_with_the_policys_name() {
        assert_eq!(
            joined(&[said("a", "x\ny\u{7}"), said("b", "z")], DENIAL),
            "[a] x y ; [b] z"
        );
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(cut("ééé", 6), "ééé");
        assert_eq!(cut("éééé", 7), "éé…");
        assert_eq!(joined(&[said("a", &"é".repeat(4096))], DENIAL).len(), 4095);
        assert!(cut(&"x".repeat(5000), REASON).len() == REASON);
    }

    #[test]
    fn warnings_are_few_short_and_different() {
        let many: Vec<_> = (0..20).map(|n| said("w", &format!("{n:02}"))).collect();
        let sent = warnings(&many);
        assert_eq!((sent.len(), sent[12].as_str()), (13, "… 8 more"));
        assert_eq!(warnings(&[said("w", "a"), said("w", "a")]), ["[w] a"]);
        let long = warnings(&[said("w", &"é".repeat(400))]);
        assert_eq!(long[0].chars().count(), 256);
        assert!(long[0].ends_with('…'));
    }

    #[test]
    fn annotation_keys_are_qualified_names() {
        let pairs = |key: &str| annotations("labels", vec![(key.into(), "v".into())]);
        assert_eq!(pairs("team"), [("labels.team".to_owned(), "v".to_owned())]);
        assert_eq!(pairs("a/b c"), [("labels.a_b_c".to_owned(), "v".to_owned())]);
        assert_eq!(pairs(&"k".repeat(100))[0].0.len(), 63);
        assert_eq!(pairs("x-")[0].0, "labels.x");
        assert_eq!(
            annotations("l", vec![("k".into(), "v".repeat(2000))])[0].1.len(),
            REASON
        );
    }

    #[test]
    fn pointers_become_field_paths() {
        assert_eq!(field_path("/spec/containers/0/image"), "spec.containers[0].image");
        assert_eq!(field_path("/metadata/labels/a.b~1c"), "metadata.labels[a.b/c]");
        assert_eq!(field_path(""), "");
    }
}
