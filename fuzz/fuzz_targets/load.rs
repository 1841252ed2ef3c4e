//! Policy sets: up to three files of Rego, separated by lines of `=====`, and JSON data behind the last one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use regate::policy::files::{DataFile, Files, Format, RegoFile};
use regate::policy::load::load;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut files = Files::default();
    for (number, part) in text.split("\n=====\n").take(4).enumerate() {
        let path = format!("{number}.rego");
        if part.starts_with(['{', '[']) {
            files.data.push(DataFile {
                path: format!("{number}/data.json"),
                at: Vec::new(),
                format: if part.starts_with('{') {
                    Format::Json
                } else {
                    Format::Yaml
                },
                bytes: part.as_bytes().to_vec(),
            });
        } else {
            files.modules.push(RegoFile {
                path,
                text: part.to_owned(),
                is_test: false,
                v0: false,
            });
        }
    }
    match load(&files) {
        Ok(set) => {
            let mut names: Vec<_> = set
                .policies()
                .iter()
                .map(|policy| (policy.gate, &policy.name))
                .collect();
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all, "two policies of one name");
        }
        Err(findings) => assert!(!findings.is_empty(), "refused without a word"),
    }
});
