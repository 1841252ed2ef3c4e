//! METADATA blocks. The first byte says the gate and whether the policy denies; what follows stands in the block.

#![no_main]

use libfuzzer_sys::fuzz_target;
use regate::fuzzing;
use regate::gate::Gate;

const GATES: [Gate; 5] = [
    Gate::Authn,
    Gate::Authz,
    Gate::Image,
    Gate::Mutate,
    Gate::Validate,
];

fuzz_target!(|input: &[u8]| {
    let Some((first, yaml)) = input.split_first() else {
        return;
    };
    let Ok(yaml) = std::str::from_utf8(yaml) else {
        return;
    };
    let gate = GATES[usize::from(*first & 7) % GATES.len()];
    let comments = yaml.lines().map(|line| format!("# {line}\n"));
    let text = format!("# METADATA\n{}package p\nx := 1\n", comments.collect::<String>());
    let findings = fuzzing::metadata(gate, *first & 8 != 0, &text);
    let lines = text.lines().count();
    for finding in &findings {
        assert_eq!(finding.file.as_deref(), Some("fuzz.rego"), "{finding}");
        let line = finding.line.map_or(1, |line| line as usize);
        assert!((1..=lines).contains(&line), "{finding}: there are {lines} lines");
    }
    // The same words mean the same: nothing depends on what was read before.
    assert_eq!(fuzzing::metadata(gate, *first & 8 != 0, &text), findings);
});
