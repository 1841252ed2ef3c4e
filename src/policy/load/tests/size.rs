//! Loading takes time in proportion to what is loaded: each load keeps the last set serving until it is done. The times
//! allowed are a hundred times what is needed, and a tenth of what a comparison of all with all takes.

use std::time::{Duration, Instant};

use super::*;

const LONG: Duration = Duration::from_secs(8);

#[test]
fn rules_that_build_on_each_other_are_looked_at_once() {
    let chain: Vec<String> = (1..4900).map(|n| format!("r{n} if r{}", n - 1)).collect();
    let text = format!(
        "package kubernetes.admission.x\ndeny contains \"x\" if r4899\nr0 if input.x\n{}\n",
        chain.join("\n")
    );
    let begin = Instant::now();
    load(&files(&[&text], &[])).unwrap();
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
    // The same, closed to a circle.
    let text = text.replace("r0 if input.x", "r0 if r4899");
    assert_eq!(findings(&[&text]).len(), 4900);
}

#[test]
fn data_of_many_keys_is_merged_in_one_pass() {
    let keys: Vec<String> = (0..40_000).map(|n| format!("\"k{n}\": {n}")).collect();
    let more = keys.join(",").replace("\"k", "\"l");
    let (one, other) = (format!("{{{}}}", keys.join(",")), format!("{{{more}}}"));
    let policy = "package kubernetes.admission.x\ndeny contains \"x\" if data.list[input.x]";
    let begin = Instant::now();
    load(&files(&[policy], &[(&["list"], &one), (&["list"], &other)])).unwrap();
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
    // Whoever gives a key a second time is still told so.
    let twice = load(&files(&[policy], &[(&["list"], &one), (&["list"], &one)]))
        .err()
        .unwrap();
    assert!(
        twice[0]
            .to_string()
            .contains("`data.list.k0` is given by another data file too"),
        "{}",
        twice[0]
    );
}
