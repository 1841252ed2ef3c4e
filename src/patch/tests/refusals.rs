//! What is refused, and in which words.

use serde_json::{Value, json};

use super::*;

#[test]
fn malformed_operations_are_refused() {
    let op = "`op` has to be one of add, remove, replace, move, copy, test";
    let whole = "the path is empty: the whole object cannot be addressed";
    let escape = "has a `~` that is neither `~0` (for `~`) nor `~1` (for `/`)";
    for (operation, message) in [
        (json!(1), "it is a number, not an object"),
        (json!({"path": "/a"}), op),
        (json!({"op": 1, "path": "/a"}), op),
        (json!({"op": "merge", "path": "/a"}), op),
        (
            json!({"op": "remove"}),
            "`path` has to be a JSON Pointer or an array of keys",
        ),
        (
            json!({"op": "remove", "path": {}}),
            "`path` has to be a JSON Pointer or an array of keys",
        ),
        (
            json!({"op": "move", "path": "/a"}),
            "`from` has to be a JSON Pointer or an array of keys",
        ),
        (json!({"op": "add", "path": "/a"}), "`value` is missing"),
        (json!({"op": "replace", "path": "/a"}), "`value` is missing"),
        (json!({"op": "test", "path": "/a"}), "`value` is missing"),
        (json!({"op": "add", "path": "", "value": {}}), whole),
        (json!({"op": "replace", "path": [], "value": {}}), whole),
        (json!({"op": "copy", "from": "", "path": "/a"}), whole),
        (
            json!({"op": "remove", "path": "spec"}),
            "`spec` does not begin with `/`",
        ),
        (
            json!({"op": "remove", "path": "/a~2"}),
            &format!("`/a~2` {escape}"),
        ),
        (json!({"op": "remove", "path": "/a~"}), &format!("`/a~` {escape}")),
        (
            json!({"op": "remove", "path": ["a", -1]}),
            "a key in `path` is -1, neither a string nor an index from 0",
        ),
        (
            json!({"op": "remove", "path": [1.5]}),
            "a key in `path` is 1.5, neither a string nor an index from 0",
        ),
        (
            json!({"op": "copy", "from": [[]]}),
            "a key in `from` is an array, neither a string nor an index from 0",
        ),
    ] {
        assert_eq!(
            refusal(json!([operation])),
            format!("`patch`, operation 0: {message}"),
            "{operation}"
        );
    }
}

#[test]
fn only_an_array_or_a_set_is_a_patch() {
    assert_eq!(
        refusal(json!(null)),
        "`patch` is null, not an array or a set of operations"
    );
    assert_eq!(
        refusal(op("remove /spec")),
        "`patch` is an object, not an array or a set of operations"
    );
}

#[test]
fn what_the_two_dialects_take_differently_is_refused() {
    let nothing = |path: &str| format!("nothing is at `{path}`");
    let beyond =
        |path: &str, length: usize| format!("`{path}` has an index beyond the end of its array of {length}");
    let no_index = |path: &str| format!("`{path}` has a key of an array that is no index");
    let scalar =
        |path: &str| format!("`{path}` leads through something that is neither an object nor an array");
    for (operation, message) in [
        ("replace /spec/none", nothing("/spec/none")),
        ("replace /spec/containers/3", beyond("/spec/containers/3", 3)),
        ("remove /spec/none", nothing("/spec/none")),
        ("remove /spec/none/deeper", nothing("/spec/none/deeper")),
        ("remove /spec/containers/3", beyond("/spec/containers/3", 3)),
        ("copy /spec/none /spec/x", nothing("/spec/none")),
        ("move /spec/none /spec/x", nothing("/spec/none")),
        ("move /spec/none /spec/none", nothing("/spec/none")),
        (
            "move /spec /spec/containers/0",
            "`/spec` cannot be moved into itself".to_owned(),
        ),
        ("test /spec/none", nothing("/spec/none")),
        (
            "test /spec/priority",
            "the test of `/spec/priority` failed".to_owned(),
        ),
        ("add /spec/containers/-1", no_index("/spec/containers/-1")),
        ("add /spec/containers/01", no_index("/spec/containers/01")),
        ("add /spec/containers/+1", no_index("/spec/containers/+1")),
        ("add /spec/containers/x", no_index("/spec/containers/x")),
        ("add /spec/containers/", no_index("/spec/containers/")),
        (
            "add /spec/containers/99999999999999999999",
            no_index("/spec/containers/99999999999999999999"),
        ),
        ("remove /spec/containers/-", no_index("/spec/containers/-")),
        ("replace /spec/containers/-", no_index("/spec/containers/-")),
        ("add /spec/containers/4", beyond("/spec/containers/4", 3)),
        (
            "add /spec/containers/3/name",
            beyond("/spec/containers/3/name", 3),
        ),
        ("add /kind/x", scalar("/kind/x")),
        ("add /kind/x/y", scalar("/kind/x/y")),
        ("remove /kind/x", scalar("/kind/x")),
    ] {
        let patch = json!([op("add /spec/first"), op(operation)]);
        assert_eq!(
            refusal(patch),
            format!("`patch`, operation 1: {message}"),
            "{operation}"
        );
    }
}

#[test]
fn an_integer_key_is_an_index_and_nothing_else() {
    let add = |path: Value| refusal(json!([{"op": "add", "path": path, "value": 1}]));
    assert_eq!(
        add(json!(["spec", 1])),
        "`patch`, operation 0: `/spec/1` has an index where the object has keys: write the key as a string"
    );
    assert_eq!(
        add(json!(["spec", "none", 1])),
        "`patch`, operation 0: `/spec/none/1` has an index beyond the end of its array of 0"
    );
}

#[test]
fn a_refused_patch_leaves_the_object_as_it_was() {
    let mut mutation = Mutation::new(pod(), "");
    let patch = json!([{"op": "add", "path": "/spec/x", "value": 1}, {"op": "remove", "path": "/spec/none"}]);
    let message = mutation.patch(&patch, Order::Array).unwrap_err().to_string();
    assert_eq!(message, "`patch`, operation 1: nothing is at `/spec/none`");
    assert_eq!((mutation.object(), mutation.operations()), (&pod(), &[][..]));
}

#[test]
fn untouchable_fields_cannot_be_patched_on_any_way() {
    for (operation, field) in [
        ("replace /apiVersion", "/apiVersion"),
        ("replace /kind", "/kind"),
        ("add /metadata/name", "/metadata/name"),
        ("add /metadata/generateName", "/metadata/generateName"),
        ("replace /metadata/namespace", "/metadata/namespace"),
        ("add /metadata/uid", "/metadata/uid"),
        ("remove /metadata/resourceVersion", "/metadata/resourceVersion"),
        ("add /metadata/generation", "/metadata/generation"),
        ("add /metadata/creationTimestamp", "/metadata/creationTimestamp"),
        ("add /metadata/deletionTimestamp", "/metadata/deletionTimestamp"),
        (
            "add /metadata/deletionGracePeriodSeconds",
            "/metadata/deletionGracePeriodSeconds",
        ),
        (
            "replace /metadata/managedFields/0/manager",
            "/metadata/managedFields",
        ),
        ("add /metadata/selfLink", "/metadata/selfLink"),
        ("replace /metadata", "/metadata/name"),
        ("remove /metadata", "/metadata/name"),
        (
            "move /metadata/namespace /metadata/labels/x",
            "/metadata/namespace",
        ),
        ("copy /spec /metadata", "/metadata/name"),
        ("remove /status", "/status"),
        ("replace /status/phase", "/status"),
    ] {
        assert_eq!(
            refusal(json!([op(operation)])),
            format!("`{field}` may not be changed by a mutation"),
            "{operation}"
        );
    }
}

#[test]
fn a_parent_may_be_replaced_when_its_untouchable_fields_stay() {
    let mut metadata = pod()["metadata"].clone();
    metadata["labels"] = json!({"app": "other"});
    let patch = json!([{"op": "replace", "path": "/metadata", "value": metadata}]);
    assert_eq!(sent(patch.clone(), Order::Array), Ok(patch));
}

#[test]
fn a_wanted_object_that_is_none_is_refused() {
    let refusal = |wanted: Value| of_mutated(|it| *it = wanted).unwrap_err().to_string();
    assert_eq!(refusal(json!([])), "`mutated`: it is an array, not an object");
    assert_eq!(
        refusal(json!({"metadata": "x"})),
        "`mutated`: `metadata` is a string, not an object"
    );
    let deep = (0..MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(
        refusal(json!({"spec": deep})),
        "`mutated`: the result would be deeper than 128 levels"
    );
}

#[test]
fn depth_is_limited_wherever_it_comes_from() {
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let too_deep = "`patch`, operation 0: the result would be deeper than 128 levels";
    let add = |levels| json!([{"op": "add", "path": "/spec/x", "value": nested(levels)}]);
    assert!(of_array(add(MAX_DEPTH - 2)).is_ok());
    assert_eq!(refusal(add(MAX_DEPTH - 1)), too_deep);
    let path = |keys: usize| json!([{"op": "add", "path": vec!["k"; keys], "value": 1}]);
    assert!(of_array(path(MAX_DEPTH)).is_ok());
    assert_eq!(refusal(path(MAX_DEPTH + 1)), too_deep);
    let nested_again: Vec<_> = (0..80)
        .map(|_| json!({"op": "copy", "from": "/spec", "path": "/spec/again/again"}))
        .collect();
    assert!(refusal(Value::Array(nested_again)).ends_with("the result would be deeper than 128 levels"));
}

#[test]
fn size_is_limited_over_all_policies() {
    let mut mutation = Mutation::new(pod(), "");
    let half = json!([{"op": "add", "path": "/spec/x", "value": "x".repeat(MAX_BYTES / 2)}]);
    mutation.patch(&half, Order::Array).unwrap();
    let half = json!([{"op": "add", "path": "/spec/y", "value": "x".repeat(MAX_BYTES / 2)}]);
    assert_eq!(
        mutation.patch(&half, Order::Array).unwrap_err().to_string(),
        "`patch`, operation 0: the joined patch would be longer than 3145728 bytes"
    );
    let nested_again = (0..30).map(|n| json!({"op": "copy", "from": "/spec", "path": format!("/x{n}/spec")}));
    assert!(
        mutation
            .patch(&nested_again.collect(), Order::Array)
            .unwrap_err()
            .to_string()
            .ends_with("3145728 bytes")
    );
    assert!(mutation.encode().unwrap().unwrap().len() < MAX_BYTES);
}

#[test]
fn moved_elements_are_limited() {
    let mut mutation = Mutation::new(json!({"a": vec![0; 300_000]}), "");
    let from_the_front = (0..100).map(|_| json!({"op": "remove", "path": "/a/0"}));
    assert_eq!(
        mutation
            .patch(&from_the_front.collect(), Order::Array)
            .unwrap_err()
            .to_string(),
        "`patch`, operation 66: the joined patch would move more than 20000000 array elements"
    );
}
