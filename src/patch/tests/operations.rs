//! What an author's operations become.

use serde_json::{Value, json};

use super::*;

#[test]
fn operations_are_sent_as_written() {
    for operation in [
        json!({"op": "add", "path": "/metadata/labels/team", "value": "a"}),
        json!({"op": "add", "path": "/metadata/labels/app", "value": "other"}),
        json!({"op": "add", "path": "/spec/containers/1", "value": {"name": "n"}}),
        json!({"op": "add", "path": "/spec/containers/3", "value": {"name": "n"}}),
        json!({"op": "add", "path": "/spec/containers/-", "value": {"name": "n"}}),
        json!({"op": "add", "path": "/metadata/labels/none", "value": null}),
        json!({"op": "replace", "path": "/spec/containers/0/image", "value": "y"}),
        json!({"op": "replace", "path": "/metadata/finalizers", "value": []}),
        json!({"op": "remove", "path": "/spec/containers/2"}),
        json!({"op": "remove", "path": "/metadata/finalizers"}),
    ] {
        assert_eq!(of_array(json!([operation])), Ok(json!([operation])));
    }
}

#[test]
fn keys_of_an_array_path_are_escaped_and_those_of_a_pointer_are_the_authors() {
    let path = json!(["metadata", "labels", "example.org/a~b"]);
    let want = json!([{"op": "add", "path": "/metadata/labels/example.org~1a~0b", "value": "v"}]);
    assert_eq!(
        of_array(json!([{"op": "add", "path": path, "value": "v"}])),
        Ok(want.clone())
    );
    let path = "/metadata/labels/example.org~1a~0b";
    assert_eq!(
        of_array(json!([{"op": "add", "path": path, "value": "v"}])),
        Ok(want)
    );
    let path = json!(["spec", "containers", 1, "image"]);
    assert_eq!(
        of_array(json!([{"op": "replace", "path": path, "value": "v"}])),
        Ok(json!([{"op": "replace", "path": "/spec/containers/1/image", "value": "v"}]))
    );
}

#[test]
fn missing_parents_are_created_in_one_operation() {
    for (path, sent) in [
        (
            json!("/metadata/annotations/a"),
            json!({"op": "add", "path": "/metadata/annotations", "value": {"a": 1}}),
        ),
        (
            json!("/spec/x/-"),
            json!({"op": "add", "path": "/spec/x", "value": [1]}),
        ),
        (
            json!("/spec/x/-/key"),
            json!({"op": "add", "path": "/spec/x", "value": [{"key": 1}]}),
        ),
        (
            json!("/spec/containers/-/a"),
            json!({"op": "add", "path": "/spec/containers/-", "value": {"a": 1}}),
        ),
        (
            json!("/spec/containers/1/x/-"),
            json!({"op": "add", "path": "/spec/containers/1/x", "value": [1]}),
        ),
        (
            json!(["spec", "x", 0]),
            json!({"op": "add", "path": "/spec/x", "value": [1]}),
        ),
        (
            json!("/data/0"),
            json!({"op": "add", "path": "/data", "value": {"0": 1}}),
        ),
        (
            json!("/metadata/finalizers/-"),
            json!({"op": "replace", "path": "/metadata/finalizers", "value": [1]}),
        ),
    ] {
        let patch = json!([{"op": "add", "path": path, "value": 1}]);
        assert_eq!(of_array(patch), Ok(json!([sent])), "{path}");
    }
}

#[test]
fn operations_that_change_nothing_are_not_sent() {
    for operation in [
        json!({"op": "add", "path": "/metadata/labels/app", "value": "web"}),
        json!({"op": "add", "path": "/metadata/name", "value": "web"}),
        json!({"op": "replace", "path": "/spec/containers/0/cpu", "value": 1}),
        json!({"op": "replace", "path": "/spec/priority", "value": 0.0}),
        json!({"op": "test", "path": "/spec/priority", "value": 0.0}),
        json!({"op": "test", "path": "/metadata/finalizers", "value": null}),
        json!({"op": "move", "from": "/spec/containers/0", "path": ["spec", "containers", 0]}),
        json!({"op": "copy", "from": "/kind", "path": "/kind"}),
    ] {
        let change = op("add /spec/x");
        assert_eq!(
            of_array(json!([change, operation])),
            Ok(json!([change])),
            "{operation}"
        );
        let mut mutation = Mutation::new(pod(), "");
        assert_eq!(
            mutation.patch(&json!([operation]), Order::Array),
            Ok(false),
            "{operation}"
        );
        assert_eq!(mutation.operations(), []);
        assert_eq!(mutation.encode(), Ok(None));
    }
    let there_and_back = json!([
        {"op": "add", "path": "/spec/containers/0", "value": 1},
        {"op": "remove", "path": "/spec/containers/0"},
    ]);
    assert_eq!(of_array(there_and_back), Ok(json!([])));
}

#[test]
fn copy_and_move_become_add_and_remove() {
    assert_eq!(
        of_array(json!([{"op": "copy", "from": "/spec/containers/0", "path": "/spec/initContainers/-"}])),
        Ok(json!([{"op": "add", "path": "/spec/initContainers",
            "value": [{"name": "a", "image": "x/a:1", "cpu": 1.0}]}]))
    );
    assert_eq!(
        of_array(json!([{"op": "move", "from": "/spec/containers/0", "path": "/spec/containers/-"}])),
        Ok(json!([
            {"op": "remove", "path": "/spec/containers/0"},
            {"op": "add", "path": "/spec/containers/-", "value": {"name": "a", "image": "x/a:1", "cpu": 1.0}},
        ]))
    );
}

#[test]
fn a_copied_decimal_keeps_its_form() {
    let mut mutation = Mutation::new(pod(), "");
    mutation
        .patch(
            &json!([{"op": "copy", "from": "/spec/containers/0/cpu", "path": "/spec/cpu"}]),
            Order::Array,
        )
        .unwrap();
    let text = mutation.encode().unwrap().unwrap();
    assert_eq!(text, br#"[{"op":"add","path":"/spec/cpu","value":1.0}]"#);
}

#[test]
fn removals_of_a_set_do_not_move_each_other() {
    let patch = json!([
        {"op": "add", "path": "/metadata/labels/x", "value": "y"},
        {"op": "remove", "path": ["spec", "containers", 0]},
        {"op": "remove", "path": ["spec", "containers", 1]},
        {"op": "remove", "path": "/spec/containers/1/image"},
        {"op": "remove", "path": "/spec/containers/2/image"},
        {"op": "remove", "path": "/spec/priority"},
    ]);
    let paths = |sent: Value| {
        let paths = sent
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["path"].as_str().unwrap().to_owned());
        paths.collect::<Vec<_>>()
    };
    assert_eq!(
        paths(sent(patch.clone(), Order::Set).unwrap()),
        [
            "/metadata/labels/x",
            "/spec/containers/2/image",
            "/spec/containers/1/image",
            "/spec/containers/1",
            "/spec/containers/0",
            "/spec/priority",
        ]
    );
    let many = json!({"a": (0..12).collect::<Vec<_>>()});
    let mut mutation = Mutation::new(many, "");
    let all_but_one = (0..12)
        .filter(|index| *index != 5)
        .map(|index| json!({"op": "remove", "path": ["a", index]}));
    mutation
        .patch(&Value::Array(all_but_one.collect()), Order::Set)
        .unwrap();
    assert_eq!(mutation.object(), &json!({"a": [5]}));
    assert_eq!(
        refusal(patch),
        "`patch`, operation 3: `/spec/containers/1/image` has an index beyond the end of its array of 1"
    );
}
