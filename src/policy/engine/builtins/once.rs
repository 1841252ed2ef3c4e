//! What others are asked within one review is asked once: all of its policies, and both runs of a mutation, see the
//! same answer, or the same failure.
//!
//! A review stays on its thread, and its [`Context`] is no other's: so the answers are the thread's, until it enters
//! the evaluation of another review.

use std::cell::RefCell;
use std::collections::BTreeMap;

use regorus::Value;

use super::{Context, EVALUATION, weight};

/// About how many bytes are remembered for one review. What is beyond is asked again.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// Why others gave no answer. Its text names nothing of the question but the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    /// OPA's code for it.
    pub(super) code: &'static str,
    pub(super) message: String,
}

type Question = (&'static str, Value);

#[derive(Default)]
struct Asked {
    answers: BTreeMap<Question, Result<Value, Failure>>,
    bytes: usize,
}

thread_local! {
    static ASKED: RefCell<Asked> = RefCell::default();
}

/// What a builtin answers to a question of this review; `ask` is called if nobody of it has asked before.
pub(super) fn once(
    builtin: &'static str,
    question: Value,
    ask: impl FnOnce() -> Result<Value, Failure>,
) -> Result<Value, Failure> {
    let question = (builtin, question);
    if let Some(known) = ASKED.with_borrow(|asked| asked.answers.get(&question).cloned()) {
        return known;
    }
    let answer = ask();
    let bytes = answer.as_ref().map_or(0, |value| weight::size(value, usize::MAX));
    let bytes = bytes.saturating_add(weight::size(&question.1, usize::MAX));
    ASKED.with_borrow_mut(|asked| {
        if asked.bytes.saturating_add(bytes) <= MAX_BYTES {
            asked.bytes = asked.bytes.saturating_add(bytes);
            asked.answers.insert(question, answer.clone());
        }
    });
    answer
}

/// Forgets the answers if the evaluation that begins is of another review.
pub(super) fn enter(context: Context) {
    if EVALUATION.get().context != context {
        ASKED.with_borrow_mut(|asked| {
            if !asked.answers.is_empty() {
                *asked = Asked::default();
            }
        });
    }
}
