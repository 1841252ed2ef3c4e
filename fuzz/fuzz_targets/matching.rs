//! Globs and `?timeout=`: a line with the pattern, one with the text, one with the query.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use regate::fuzzing::allowance;
use regate::policy::glob;

const CONFIGURED: Duration = Duration::from_secs(3);

fuzz_target!(|input: &str| {
    let mut lines = input.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (pattern, text, query) = (line(), line(), line());
    if pattern.len() * text.len() < 1 << 20 {
        let plainly = plain(pattern.as_bytes(), text.as_bytes());
        assert_eq!(glob::matches(pattern, text), plainly, "{pattern:?} {text:?}");
    }
    let given = allowance(query, CONFIGURED);
    assert!(given <= CONFIGURED, "{query}: {given:?}");
    if let Some(seconds) = query.strip_prefix("timeout=").and_then(whole_seconds) {
        assert!(given < Duration::from_secs(seconds), "{query}: {given:?}");
    }
});

/// Every place for every star.
fn plain(pattern: &[u8], text: &[u8]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for part in pattern {
        let before = std::mem::replace(&mut reached, vec![false; text.len() + 1]);
        for at in 0..=text.len() {
            reached[at] = match part {
                b'*' => before[at] || at > 0 && reached[at - 1],
                byte => at > 0 && before[at - 1] && text[at - 1] == *byte,
            };
        }
    }
    reached[text.len()]
}

fn whole_seconds(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('s')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|seconds| plain && (1..86_400).contains(seconds))
}
