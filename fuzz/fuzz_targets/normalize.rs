//! Policy files as the engine is given them: rewritten where it reads Rego otherwise than OPA.

#![no_main]

use libfuzzer_sys::fuzz_target;
use regate::fuzzing::Normalized;

fuzz_target!(|input: &[u8]| {
    let Some((first, text)) = input.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let Ok(normalized) = Normalized::of(text, *first & 1 == 1) else {
        return;
    };
    if let Err(error) = normalized.parsed() {
        panic!(
            "the rewritten text cannot be parsed: {error}\n{}",
            normalized.text()
        );
    }
    let lines = |text: &str| text.split('\n').count();
    assert_eq!(lines(normalized.text()), lines(text), "lines moved");
    let written: Vec<_> = text.split('\n').collect();
    for (number, line) in normalized.text().split('\n').enumerate() {
        let number = number as u32 + 1;
        for column in [1, 2, line.len() as u32 / 2 + 1, line.len() as u32 + 1] {
            let (line, column) = normalized.place(number, column);
            let there = written.get(line as usize - 1).expect("a place is in the file");
            assert!(
                column as usize <= there.chars().count() + 1,
                "{line}:{column} in {there:?}"
            );
        }
    }
    assert_eq!(
        normalized.facts().0,
        Normalized::of(text, *first & 1 == 1).unwrap().facts().0
    );
});
