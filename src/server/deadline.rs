//! When a review has to be answered, computed from `?timeout=`.
//!
//! The API server tells its time limit as a Go duration, rounds it up to whole seconds and started its clock before
//! the handshake; so up to a second, and a share of what is longer, is left to it.

use std::time::Duration;

/// How long a review may take, from the first byte of its head to its answer: the configured limit, or less if the
/// query of the request says that the caller waits for less.
pub(crate) fn allowance(query: &str, configured: Duration) -> Duration {
    let timeout = query.split('&').find_map(|pair| pair.strip_prefix("timeout="));
    match timeout.and_then(parse) {
        Some(timeout) => configured.min(share(timeout)),
        None => configured,
    }
}

fn share(timeout: Duration) -> Duration {
    let early = (timeout * 6 / 10).min(timeout.saturating_sub(Duration::from_secs(1)));
    early.max(timeout * 3 / 10)
}

/// Reads a positive Go duration of at most a day: `7s`, `1.5s`, `1m0s`, `300ms`.
fn parse(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 6] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scale(number, *nanos)?)?;
        rest = tail;
    }
    (!total.is_zero() && total <= Duration::from_secs(86_400)).then_some(total)
}

/// `number` (digits, at most one point) times `unit` nanoseconds.
fn scale(number: &str, unit: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // No unit has more than thirteen digits: further ones of a fraction are less than a nanosecond.
    let fraction = fraction.get(..13).unwrap_or(fraction);
    let parts = u128::from(unit)
        * if fraction.is_empty() {
            0
        } else {
            fraction.parse::<u128>().ok()?
        };
    let nanos = parts / 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(Duration::from_nanos(
        whole.checked_mul(unit)?.checked_add(u64::try_from(nanos).ok()?)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leaves_the_caller_its_share_of_the_time() {
        let table = [
            ("timeout=1s", 300),
            ("timeout=2s", 1_000),
            ("timeout=2500ms", 1_500),
            ("timeout=3s", 1_800),
            ("timeout=4s", 2_400),
            ("timeout=5s", 3_000),
            ("timeout=10s", 3_000),
            ("timeout=1m0s", 3_000),
            ("timeout=300ms", 90),
            ("timeout=1.5s", 500),
            ("timeout=.5s", 150),
            ("timeout=1m", 3_000),
            ("a=b&timeout=1s&c", 300),
            ("timeout=1s&timeout=2s", 300),
            ("timeout=500000us", 150),
        ];
        for (query, milliseconds) in table {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(allowance(query, Duration::from_secs(3)), expected, "{query}");
        }
    }

    #[test]
    fn a_missing_or_garbled_timeout_leaves_the_configured_deadline() {
        let garbage = [
            "",
            "timeout",
            "timeout=",
            "timeout=5",
            "timeout=s",
            "timeout=-5s",
            "timeout=0s",
            "timeout=1..5s",
            "timeout=.s",
            "timeout=1.s2",
            "timeout=5 s",
            "timeout=5S",
            "timeout=99999999999999999999s",
            "timeout=18446744073709551615h",
            "timeout=25h",
            "time=1s",
            "xtimeout=1s",
            "timeout=1s%00",
        ];
        for query in garbage {
            assert_eq!(
                allowance(query, Duration::from_secs(3)),
                Duration::from_secs(3),
                "{query}"
            );
        }
    }

    #[test]
    fn the_configured_deadline_is_never_exceeded() {
        assert_eq!(
            allowance("timeout=30s", Duration::from_secs(40)),
            Duration::from_secs(18)
        );
        assert_eq!(
            allowance("timeout=30s", Duration::from_millis(700)),
            Duration::from_millis(700)
        );
    }
}
