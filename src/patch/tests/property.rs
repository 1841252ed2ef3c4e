//! What holds for any document, wanted document and list of operations.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::dialect;
use crate::patch::{Mutation, Order, same};

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a", "b", "c", "", "0", "1", "01", "-", "a/b", "m~n", "~1", "~01", "ü",
    ])
    .prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        (-2_i32..3).prop_map(|whole| json!(f64::from(whole))),
        Just(json!(0.5)),
        any::<i64>().prop_map(Value::from),
        key().prop_map(Value::from),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map(key(), inner, 0..5)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

fn members() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[abc]", document(), 0..4)
        .prop_map(|members| Value::Object(Map::from_iter(members)))
}

/// A pointer that has a chance to lead somewhere.
fn path() -> impl Strategy<Value = Value> {
    let step = prop_oneof![key().prop_map(Value::from), (0_u8..4).prop_map(Value::from)];
    prop::collection::vec(step, 0..3).prop_map(|mut keys| {
        keys.insert(0, json!("spec"));
        Value::Array(keys)
    })
}

fn operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "add", "remove", "replace", "move", "copy", "test"]);
    (op, path(), path(), document())
        .prop_map(|(op, from, path, value)| json!({"op": op, "from": from, "path": path, "value": value}))
}

/// The same document with every whole number in its other form, as it may come back from the engine.
fn other_form(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 => json!(float as i64),
            Some(float) if !number.is_f64() && float.abs() < 1e15 => json!(float),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(other_form).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), other_form(value)))
            .collect(),
        other => other.clone(),
    }
}

/// An operation for the json-patch crate, which takes pointers only.
fn with_pointers(operation: &Value) -> Value {
    let mut operation = operation.clone();
    for member in ["path", "from"] {
        let keys = operation[member].as_array().unwrap().iter().map(|key| match key {
            Value::String(name) => name.replace('~', "~0").replace('/', "~1"),
            index => index.to_string(),
        });
        operation[member] = json!(keys.map(|key| format!("/{key}")).collect::<String>());
    }
    operation
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_difference_leads_from_one_document_to_the_other(before in document(), wanted in document()) {
        let before = json!({"spec": before});
        let mut mutation = Mutation::new(before.clone(), "");
        let wanted = json!({"spec": wanted});
        prop_assert_eq!(mutation.mutated(wanted.clone()), Ok(!same(&before, &wanted)));
        prop_assert!(same(mutation.object(), &wanted));
        dialect::checked(&before, &mutation);
    }

    #[test]
    fn another_form_of_the_same_numbers_is_no_difference(before in document()) {
        let before = json!({"spec": before});
        let mut mutation = Mutation::new(before.clone(), "");
        prop_assert_eq!(mutation.mutated(other_form(&before)), Ok(false));
        prop_assert_eq!(mutation.object().to_string(), before.to_string());
    }

    #[test]
    fn operations_do_what_the_rfc_says_or_create_parents(before in document(), patch in prop::collection::vec(operation(), 1..4)) {
        let before = json!({"spec": before});
        let by_rfc = patch.iter().try_fold(before.clone(), |mut document, operation| {
            let operation: json_patch::Patch = serde_json::from_value(json!([with_pointers(operation)])).unwrap();
            json_patch::patch(&mut document, &operation).map(|()| document)
        });
        for order in [Order::Array, Order::Set] {
            let mut mutation = Mutation::new(before.clone(), "");
            let ours = mutation.patch(&Value::Array(patch.clone()), order);
            dialect::checked(&before, &mutation);
            if ours.is_err() {
                prop_assert_eq!(mutation.object(), &before);
            }
            if let (Ok(_), Ok(theirs), Order::Array) = (&ours, &by_rfc, order) {
                prop_assert!(same(mutation.object(), theirs), "{} {}", mutation.object(), theirs);
            }
        }
    }

    #[test]
    fn setting_members_twice_changes_nothing_the_second_time(before in members(), keys in prop::collection::vec("[abc]", 1..4), value in document()) {
        let mut path = vec!["spec".to_owned()];
        path.extend(keys);
        let patch = json!([{"op": "add", "path": path, "value": value}]);
        let mut mutation = Mutation::new(json!({"spec": before}), "");
        if mutation.patch(&patch, Order::Array).is_ok() {
            prop_assert_eq!(mutation.patch(&patch, Order::Array), Ok(false));
        }
    }
}
