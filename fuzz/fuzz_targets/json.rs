//! JSON texts on their way into the engine's form and back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use regate::json::Tokens;
use regate::patch::same;
use regate::policy::Document;
use regate_fuzz::strict;

fuzz_target!(|text: &[u8]| {
    // Skipping looks at nothing but the grammar: it must come to its end on whatever can be read at all.
    let skipped = Tokens::new(text).skip_value();
    let judged = strict::parse(text);
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            assert_eq!(judged, None, "refused without need: {error}");
            assert!(error.offset <= text.len(), "{error}");
            return;
        }
    };
    let judged = judged.expect("read although it must be refused");
    assert_eq!(skipped, Ok(()));
    let json = document.to_json().expect("what was read can be written");
    assert!(same(&json, &judged), "{json} {judged}");
    let written = json.to_string();
    let again = Document::parse(written.as_bytes()).expect("what was written can be read");
    assert_eq!(again, document);
    assert_eq!(Document::from_json(&json), document);
});
