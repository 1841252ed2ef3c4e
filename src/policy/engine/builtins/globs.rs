//! `regex.globs_match`: whether a text is matched by two patterns of characters, `.`, `[a-z]`, `+` and `*`.
//!
//! OPA's search is not complete (it finds nothing that `a*c` and `b*c` match) and takes exponential time. This one takes
//! the same ways, so that it comes to the same, and each of them once.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use anyhow::{Result, bail};
use regorus::Value;

use super::regex::check_pattern;
use super::{TooMuch, text};

const NAME: &str = "regex.globs_match";

/// The most parts of a pattern, without what is at the ends of both.
const MAX_PARTS: usize = 128;

/// How often a part stands for a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Once,
    /// `+`
    Some,
    /// `*`
    Any,
}

/// The characters that a part stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    One(u32),
    All,
    /// Ranges, in order and apart from each other.
    Set(Vec<(u32, u32)>),
}

#[derive(Clone, Debug)]
struct Part {
    of: Of,
    times: Times,
}

impl Part {
    /// Whether one character is of both.
    fn meets(&self, other: &Part) -> bool {
        match (&self.of, &other.of) {
            (Of::All, _) | (_, Of::All) => true,
            (Of::One(one), Of::One(other)) => one == other,
            (Of::One(one), Of::Set(ranges)) | (Of::Set(ranges), Of::One(one)) => {
                ranges.iter().any(|(first, last)| (first..=last).contains(&one))
            }
            (Of::Set(ranges), Of::Set(others)) => ranges.iter().any(|(first, last)| {
                let mut others = others.iter();
                others.any(|(other, end)| first <= end && other <= last)
            }),
        }
    }
}

/// `regex.globs_match(one, other)`
pub(super) fn globs_match(values: &[Value]) -> Result<Value> {
    let (one, other) = (parts(text(values, 0, NAME)?)?, parts(text(values, 1, NAME)?)?);
    let Some((one, other)) = between(&one, &other) else {
        return Ok(Value::from(false));
    };
    if one.len().max(other.len()) > MAX_PARTS {
        return Err(TooMuch(format!("{NAME}: a pattern has more than {MAX_PARTS} parts")).into());
    }
    let mut search = Search {
        one,
        other,
        known: BTreeMap::new(),
    };
    Ok(Value::from(search.side_by_side(Side::One, 0, 0)))
}

/// The parts of a pattern; `+` and `*` of the same characters behind each other are one part.
fn parts(pattern: &str) -> Result<Vec<Part>> {
    check_pattern(pattern, NAME)?;
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        let of = match c {
            '.' => Of::All,
            '[' => Of::Set(set(&mut rest)?),
            ']' | '+' | '*' => bail!("{NAME}: `{c}` stands behind nothing that it could belong to"),
            '\\' => Of::One(escaped(&mut rest)?),
            c => Of::One(u32::from(c)),
        };
        let times = match rest.next_if(|c| ['+', '*'].contains(c)) {
            Some('+') => Times::Some,
            Some(_) => Times::Any,
            None => Times::Once,
        };
        match parts.last_mut() {
            Some(last) if times != Times::Once && last.times != Times::Once && last.of == of => {
                if times == Times::Some {
                    last.times = times;
                }
            }
            _ => parts.push(Part { of, times }),
        }
    }
    Ok(parts)
}

fn escaped(rest: &mut Peekable<Chars<'_>>) -> Result<u32> {
    match rest.next() {
        Some(c) => Ok(u32::from(c)),
        None => bail!("{NAME}: nothing follows the last \\"),
    }
}

/// What stands in brackets, the closing one included.
fn set(rest: &mut Peekable<Chars<'_>>) -> Result<Vec<(u32, u32)>> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut before: Option<u32> = None;
    loop {
        let one = match rest.next() {
            None => bail!("{NAME}: a `[` is not closed"),
            Some(']') => break,
            Some('-') => {
                let (Some(first), Some(_)) = (before.take(), rest.peek()) else {
                    bail!("{NAME}: a range has two ends");
                };
                let last = match rest.next() {
                    Some('\\') => escaped(rest)?,
                    Some(c @ (']' | '-')) => bail!("{NAME}: a range cannot end with `{c}`"),
                    last => last.map_or(0, u32::from),
                };
                if last < first {
                    bail!("{NAME}: a range goes from its smaller end to its larger one");
                }
                ranges.push((first, last));
                continue;
            }
            Some('\\') => escaped(rest)?,
            Some(c) => u32::from(c),
        };
        ranges.push((one, one));
        before = Some(one);
    }
    ranges.sort_unstable();
    let mut apart: Vec<(u32, u32)> = Vec::new();
    for (first, last) in ranges {
        match apart.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => apart.push((first, last)),
        }
    }
    Ok(apart)
}

/// What is left of two patterns without the parts at both ends that meet one by one; `None` where two of those do not.
/// One part stays at each end, as in OPA.
fn between<'a>(one: &'a [Part], other: &'a [Part]) -> Option<(&'a [Part], &'a [Part])> {
    let is_single = |(a, b): &(&Part, &Part)| a.times == Times::Once && b.times == Times::Once;
    let (mut front, mut back) = (0usize, 0usize);
    for (a, b) in one.iter().zip(other).take_while(is_single) {
        if !a.meets(b) {
            return None;
        }
        front += 1;
    }
    let front = front.saturating_sub(1);
    let (one, other) = (one.get(front..)?, other.get(front..)?);
    let ends = one.iter().rev().zip(other.iter().rev());
    for (a, b) in ends.take_while(is_single) {
        if !a.meets(b) {
            return None;
        }
        back += 1;
    }
    let back = back.saturating_sub(1);
    Some((one.get(..one.len() - back)?, other.get(..other.len() - back)?))
}

/// The pattern that a step begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    One,
    Other,
}

impl Side {
    const fn opposite(self) -> Self {
        match self {
            Side::One => Side::Other,
            Side::Other => Side::One,
        }
    }
}

/// The two patterns, and what is known of their ends: which step, from which side, at which parts.
struct Search<'a> {
    one: &'a [Part],
    other: &'a [Part],
    known: BTreeMap<(bool, Side, usize, usize), bool>,
}

impl<'a> Search<'a> {
    fn part(&self, side: Side, at: usize) -> Option<&'a Part> {
        match side {
            Side::One => self.one.get(at),
            Side::Other => self.other.get(at),
        }
    }

    fn once(
        &mut self,
        (repeats, side, at, there): (bool, Side, usize, usize),
        step: fn(&mut Self, Side, usize, usize) -> bool,
    ) -> bool {
        if let Some(known) = self.known.get(&(repeats, side, at, there)) {
            return *known;
        }
        let met = step(self, side, at, there);
        self.known.insert((repeats, side, at, there), met);
        met
    }

    /// Part by part, until one of them may stand for more than one character.
    fn side_by_side(&mut self, side: Side, at: usize, there: usize) -> bool {
        self.once((false, side, at, there), |search, side, mut at, mut there| {
            loop {
                match (search.part(side, at), search.part(side.opposite(), there)) {
                    (Some(a), Some(b)) if a.times == Times::Once && b.times == Times::Once => {
                        if !a.meets(b) {
                            return false;
                        }
                        (at, there) = (at + 1, there + 1);
                    }
                    (Some(a), Some(b)) => {
                        return match (a.times, b.times) {
                            (Times::Some, _) => search.at_least_once(side, at, there),
                            (Times::Any, _) => search.repeated(side, at, there),
                            (Times::Once, Times::Some) => search.at_least_once(side.opposite(), there, at),
                            (Times::Once, _) => search.repeated(side.opposite(), there, at),
                        };
                    }
                    (a, b) => return a.is_none() && b.is_none(),
                }
            }
        })
    }

    /// A part with `+`: it takes the next one, and as many more as `*` would.
    fn at_least_once(&mut self, side: Side, at: usize, there: usize) -> bool {
        let (Some(part), Some(next)) = (self.part(side, at), self.part(side.opposite(), there)) else {
            return false;
        };
        part.meets(next)
            && (self.repeated(side, at, there + 1)
                || next.times != Times::Once && self.side_by_side(side, at + 1, there))
    }

    /// A part with `*`: it takes parts of the other pattern until what follows on it meets the rest.
    fn repeated(&mut self, side: Side, at: usize, there: usize) -> bool {
        self.once((true, side, at, there), |search, side, at, mut there| {
            let (Some(part), follows) = (search.part(side, at), search.part(side, at + 1)) else {
                return false;
            };
            while let Some(next) = search.part(side.opposite(), there) {
                if follows.is_some_and(|follows| follows.meets(next))
                    && search.side_by_side(side, at + 1, there)
                {
                    return true;
                }
                if !part.meets(next) {
                    return false;
                }
                there += 1;
            }
            follows.is_none()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(one: &str, other: &str) -> Result<Value> {
        globs_match(&[Value::from(one), Value::from(other)])
    }

    #[test]
    fn patterns_that_could_meet_in_countless_ways_are_searched_once() {
        let many = "a*.*".repeat(MAX_PARTS / 2 - 1);
        assert_eq!(
            met(&format!("{many}c"), &format!("{many}d")).unwrap(),
            Value::from(false)
        );
        // With ends that are not compared one by one.
        assert_eq!(
            met(&format!("{many}cx*"), &format!("{many}dx*")).unwrap(),
            Value::from(false)
        );
        assert_eq!(
            met(&format!("{many}c."), &format!("{many}.c")).unwrap(),
            Value::from(true)
        );
    }

    #[test]
    fn patterns_of_too_many_parts_are_refused_but_for_what_is_at_both_ends() {
        let long = "a".repeat(10 * MAX_PARTS);
        assert_eq!(
            met(&format!("{long}b*{long}"), &format!("{long}{long}")).unwrap(),
            Value::from(true)
        );
        let error = met(&"a*b*".repeat(MAX_PARTS), "a*").unwrap_err();
        assert!(error.is::<TooMuch>());
        assert_eq!(
            error.to_string(),
            "regex.globs_match: a pattern has more than 128 parts"
        );
        assert!(met(&"a".repeat(16 * 1024 + 1), "a").unwrap_err().is::<TooMuch>());
    }
}
