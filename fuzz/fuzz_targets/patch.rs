//! Patches: `{"before": OBJECT, "patch": OPERATIONS, "wanted": OBJECT, "set": BOOLEAN, "subresource": STRING}`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use regate::patch::{Mutation, Order, same};
use regate_fuzz::strict;
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let Some(input) = strict::parse(text) else { return };
    let before = &input["before"];
    let subresource = input["subresource"].as_str().unwrap_or_default();
    let mut mutation = Mutation::new(before.clone(), subresource);
    let order = if input["set"] == true {
        Order::Set
    } else {
        Order::Array
    };
    let patched = mutation.patch(&input["patch"], order);
    if patched.is_err() {
        assert_eq!(mutation.object(), before, "half a patch was applied");
    }
    if let (Ok(_), Order::Array, Some(theirs)) = (&patched, order, applied(before, &input["patch"])) {
        assert!(same(mutation.object(), &theirs), "{} {theirs}", mutation.object());
    }
    encoded(before, &mutation);

    let wanted = &input["wanted"];
    let reached = mutation.object().clone();
    match mutation.mutated(wanted.clone()) {
        Ok(changed) => assert_eq!(changed, !same(&reached, mutation.object())),
        Err(_) => assert_eq!(*mutation.object(), reached, "half a change was made"),
    }
    encoded(before, &mutation);
    if let Ok(changed) = mutation.mutated(wanted.clone()) {
        assert!(!changed, "the same wish twice changes something twice");
    }
});

/// What another implementation makes of the patch; it makes no parents, so it refuses more.
fn applied(before: &Value, patch: &Value) -> Option<Value> {
    let operations: json_patch::Patch = serde_json::from_value(patch.clone()).ok()?;
    let mut document = before.clone();
    json_patch::patch_unsafe(&mut document, &operations).ok()?;
    Some(document)
}

/// The patch that would be sent leads from the one object to the other.
fn encoded(before: &Value, mutation: &Mutation) {
    let Some(patch) = mutation.encode().expect("the patch that was recorded is right") else {
        assert!(same(before, mutation.object()), "a change without a patch");
        return;
    };
    let patch = serde_json::from_slice(&patch).expect("a patch is JSON");
    let reached = applied(before, &patch).expect("what is sent applies");
    assert!(same(&reached, mutation.object()), "{reached}");
}
