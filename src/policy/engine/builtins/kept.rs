//! Answers of others that still hold when the next review asks the same: bounded in number and size, for all policies.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use regorus::Value;

use super::weight;

/// About how many bytes all answers and their questions take at most.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// How many there are at most.
const MAX_ANSWERS: usize = 4096;

/// The answers.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<Value, Answer>,
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    value: Value,
    until_ns: i64,
    bytes: usize,
}

impl Answers {
    /// The answer to a question, if it holds at this time.
    pub(super) fn get(&self, question: &Value, now_ns: i64) -> Option<Value> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = kept.answers.get(question)?;
        (now_ns < answer.until_ns).then(|| answer.value.clone())
    }

    /// Keeps an answer until a time, and forgets others where there is no room: what ends first goes first.
    pub(super) fn keep(&self, question: Value, value: Value, now_ns: i64, until_ns: i64) {
        let bytes = weight::size(&question, usize::MAX).saturating_add(weight::size(&value, usize::MAX));
        if until_ns <= now_ns || bytes > MAX_BYTES / 8 {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = Answer {
            value,
            until_ns,
            bytes,
        };
        kept.bytes = kept.bytes.saturating_add(bytes);
        if let Some(old) = kept.answers.insert(question, answer) {
            kept.bytes = kept.bytes.saturating_sub(old.bytes);
        }
        while kept.bytes > MAX_BYTES || kept.answers.len() > MAX_ANSWERS {
            kept.forget_some(now_ns);
        }
    }
}

impl Kept {
    /// Forgets what holds no more, or else what ends first.
    fn forget_some(&mut self, now_ns: i64) {
        let first = self.answers.values().map(|answer| answer.until_ns).min();
        let last = first.unwrap_or_default().max(now_ns);
        self.answers.retain(|_, answer| answer.until_ns > last);
        self.bytes = self.answers.values().map(|answer| answer.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_its_time() {
        let answers = Answers::default();
        answers.keep(Value::from("a"), Value::from(1u64), 10, 20);
        assert_eq!(answers.get(&Value::from("a"), 19), Some(Value::from(1u64)));
        assert_eq!(answers.get(&Value::from("a"), 20), None);
        assert_eq!(answers.get(&Value::from("b"), 10), None);
        answers.keep(Value::from("a"), Value::from(2u64), 20, 20);
        assert_eq!(answers.get(&Value::from("a"), 19), Some(Value::from(1u64)));
    }

    #[test]
    fn what_ends_first_makes_room_and_nothing_grows_without_bound() {
        let answers = Answers::default();
        let long = "x".repeat(1024 * 1024);
        for n in 0..100i64 {
            answers.keep(Value::from(n), Value::from(long.as_str()), 0, 100 + n);
        }
        let count = |answers: &Answers| {
            let kept = answers.0.lock().unwrap();
            assert!(kept.bytes <= MAX_BYTES);
            assert_eq!(
                kept.bytes,
                kept.answers.values().map(|answer| answer.bytes).sum::<usize>()
            );
            kept.answers.len()
        };
        assert!((20..=32).contains(&count(&answers)), "{}", count(&answers));
        assert!(answers.get(&Value::from(99i64), 0).is_some());
        assert!(answers.get(&Value::from(0i64), 0).is_none());
        for n in 0..3 * MAX_ANSWERS {
            answers.keep(Value::from(n), Value::Null, 0, 1000);
        }
        assert!(count(&answers) <= MAX_ANSWERS);
        for _ in 0..2 {
            answers.keep(Value::from("again"), Value::from(1u64), 0, 2000);
        }
        assert!(count(&answers) <= MAX_ANSWERS);
        answers.keep(
            Value::from("huge"),
            Value::from("x".repeat(MAX_BYTES / 4)),
            0,
            1000,
        );
        assert!(answers.get(&Value::from("huge"), 0).is_none());
    }
}
