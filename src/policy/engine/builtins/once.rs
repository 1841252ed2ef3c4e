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

#[cfg(test)]
mod tests {
    use super::super::{BuiltinErrors, enter};
    use super::*;

    /// What is answered, if the outside would say `new`.
    fn answer(builtin: &'static str, question: &str, new: &str) -> Value {
        let new = Ok(Value::from(new));
        once(builtin, Value::from(question), || new).unwrap()
    }

    fn review(seed: u64) {
        let context = Context {
            seed,
            ..Context::default()
        };
        enter(context, BuiltinErrors::Fault);
    }

    #[test]
    fn a_review_sees_one_answer_of_each_builtin_to_each_question_and_none_of_another_review() {
        review(1);
        assert_eq!(answer("a", "x", "1"), Value::from("1"));
        assert_eq!(answer("a", "x", "2"), Value::from("1"));
        assert_eq!(answer("a", "y", "3"), Value::from("3"));
        assert_eq!(answer("b", "x", "4"), Value::from("4"));
        // Another policy of it, or the same once more.
        review(1);
        assert_eq!(answer("a", "x", "5"), Value::from("1"));
        review(2);
        assert_eq!(answer("a", "x", "6"), Value::from("6"));
        review(1);
        assert_eq!(answer("a", "x", "7"), Value::from("7"));
    }

    #[test]
    fn what_is_beyond_the_memory_of_a_review_is_asked_again() {
        review(3);
        let long = "x".repeat(MAX_BYTES / 2 - 4096);
        assert_eq!(answer("a", "1", &long), Value::from(long.as_str()));
        answer("a", "2", &long);
        answer("a", "3", &long);
        for (question, again) in [("1", false), ("2", false), ("3", true)] {
            assert_eq!(
                answer("a", question, "again") == Value::from("again"),
                again,
                "{question}"
            );
        }
    }
}
