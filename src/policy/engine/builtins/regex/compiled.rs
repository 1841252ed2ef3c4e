//! Patterns as they are compiled, kept from one evaluation to the next, for all threads.
//!
//! What the library finds out about a pattern while it matches stays with the compiled pattern, but not with a copy of
//! it: a copy that matches once costs more than the match. So a pattern is shared and never copied. Always holds: no
//! more than [`MAX_PATTERNS`] are kept, and each of them is bounded in size.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use ::regex::{Error, Regex, RegexBuilder};

use crate::policy::engine::builtins::TooMuch;

/// How many are kept. Patterns can be made of what a review says: when there are more, all are forgotten.
const MAX_PATTERNS: usize = 256;

/// The most bytes that a pattern is compiled to.
const MAX_COMPILED: usize = 100 * 1024;

/// About how many bytes a thread remembers of the matches of a pattern, in each direction of reading: with all patterns
/// that are kept no more than 32 MiB, whatever texts come.
const MAX_REMEMBERED: usize = 64 * 1024;

static KEPT: LazyLock<Patterns> = LazyLock::new(Patterns::default);

/// Compiles a pattern in the library's syntax, unless that was done before.
pub(in crate::policy::engine::builtins) fn compiled(
    pattern: &str,
    function: &str,
) -> anyhow::Result<Arc<Regex>> {
    KEPT.compiled(pattern).map_err(|error| match error {
        Error::CompiledTooBig(_) => TooMuch(format!(
            "{function}: the pattern is compiled to more than 100 KiB"
        ))
        .into(),
        // The library's words quote the pattern, and that may be a secret.
        _ => anyhow::anyhow!("{function}: the pattern is not a regular expression"),
    })
}

#[derive(Default)]
struct Patterns(Mutex<HashMap<String, Arc<Regex>>>);

impl Patterns {
    fn compiled(&self, pattern: &str) -> Result<Arc<Regex>, Error> {
        if let Some(known) = self.kept().get(pattern) {
            return Ok(Arc::clone(known));
        }
        let mut builder = RegexBuilder::new(pattern);
        builder.size_limit(MAX_COMPILED).dfa_size_limit(MAX_REMEMBERED);
        let compiled = Arc::new(builder.build()?);
        let mut kept = self.kept();
        if kept.len() >= MAX_PATTERNS {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Arc<Regex>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_compiled_once() {
        let patterns = Patterns::default();
        let first = patterns.compiled("^a+$").unwrap();
        assert!(first.is_match("aa") && !first.is_match("ab"));
        assert!(Arc::ptr_eq(&first, &patterns.compiled("^a+$").unwrap()));
        assert!(!patterns.compiled("^b+$").unwrap().is_match("aa"));
    }

    #[test]
    fn no_more_than_so_many_patterns_are_kept() {
        let patterns = Patterns::default();
        for number in 0..3 * MAX_PATTERNS {
            assert!(
                patterns
                    .compiled(&format!("^{number}$"))
                    .unwrap()
                    .is_match(&number.to_string())
            );
            assert!((1..=MAX_PATTERNS).contains(&patterns.kept().len()));
        }
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused_each_time() {
        for _ in 0..2 {
            let error = compiled("(secret", "f").unwrap_err();
            assert_eq!(error.to_string(), "f: the pattern is not a regular expression");
            assert!(!error.is::<TooMuch>());
            let error = compiled("(a{1000}){1000}", "f").unwrap_err();
            assert_eq!(
                error.to_string(),
                "f: the pattern is compiled to more than 100 KiB"
            );
            assert!(error.is::<TooMuch>());
        }
    }
}
