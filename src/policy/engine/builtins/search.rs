//! Where a run of items stands in another, in linear time (Knuth, Morris and Pratt): both may come from a requester.

/// Where `part` ends in `whole`, overlaps included: the number of items before and in it. Nothing for an empty `part`.
pub(super) fn ends<'a, T: PartialEq>(whole: &'a [T], part: &'a [T]) -> impl Iterator<Item = usize> + 'a {
    let falls = falls(part);
    let mut matched = 0;
    whole.iter().enumerate().filter_map(move |(at, item)| {
        matched = advance(part, &falls, matched, item);
        (matched > 0 && matched == part.len()).then_some(at + 1)
    })
}

/// For each item of `part`: how long a proper prefix of `part` ends at it.
fn falls<T: PartialEq>(part: &[T]) -> Vec<usize> {
    let mut falls = Vec::with_capacity(part.len());
    let mut matched = 0;
    falls.push(0);
    for item in part.iter().skip(1) {
        matched = advance(part, &falls, matched, item);
        falls.push(matched);
    }
    falls
}

/// How much of `part` ends at this item, when so much of it ended at the one before.
fn advance<T: PartialEq>(part: &[T], falls: &[usize], mut matched: usize, item: &T) -> usize {
    while matched > 0 && part.get(matched) != Some(item) {
        matched = falls.get(matched - 1).copied().unwrap_or_default();
    }
    matched + usize::from(part.get(matched) == Some(item))
}
