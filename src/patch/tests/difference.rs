//! What a wanted object becomes.

use serde_json::{Value, json};

use super::*;

#[test]
fn untouchable_fields_of_a_wanted_object_are_the_requests() {
    let renamed = |wanted: &mut Value| {
        wanted["kind"] = json!("Node");
        wanted["apiVersion"] = json!(1);
        wanted["status"] = json!({"phase": "Running"});
        wanted["metadata"] =
            json!({"name": "other", "uid": "forged", "labels": {"app": "web"}, "finalizers": null});
    };
    assert_eq!(of_mutated(renamed), Ok(json!([])));
    let bare = |wanted: &mut Value| *wanted = json!({"spec": pod()["spec"]});
    assert_eq!(
        of_mutated(bare),
        Ok(
            json!([{"op": "remove", "path": "/metadata/finalizers"}, {"op": "remove", "path": "/metadata/labels"}])
        )
    );
}

#[test]
fn the_difference_names_only_what_changed() {
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(Change<'_>, Value); 6] = [
        (&|it| it["spec"]["containers"][0]["cpu"] = json!(1), json!([])),
        (
            &|it| it["spec"]["containers"][1]["image"] = json!("y"),
            json!([{"op": "replace", "path": "/spec/containers/1/image", "value": "y"}]),
        ),
        (
            &|it| it["metadata"]["labels"]["a/b~c"] = json!(true),
            json!([{"op": "add", "path": "/metadata/labels/a~1b~0c", "value": true}]),
        ),
        (
            &|it| {
                it["spec"]["containers"]
                    .as_array_mut()
                    .unwrap()
                    .insert(0, json!(0))
            },
            json!([{"op": "add", "path": "/spec/containers/0", "value": 0}]),
        ),
        (
            &|it| it["spec"]["containers"] = json!([pod()["spec"]["containers"][2]]),
            json!([{"op": "remove", "path": "/spec/containers/1"}, {"op": "remove", "path": "/spec/containers/0"}]),
        ),
        (
            &|it| it["spec"]["containers"] = json!([]),
            json!([
                {"op": "remove", "path": "/spec/containers/2"},
                {"op": "remove", "path": "/spec/containers/1"},
                {"op": "remove", "path": "/spec/containers/0"},
            ]),
        ),
    ];
    for (change, want) in cases {
        assert_eq!(of_mutated(change), Ok(want));
    }
}

#[test]
fn a_long_array_is_written_whole_with_its_unchanged_parts() {
    let items: Vec<Value> = (0..1_000)
        .map(|id| json!({"id": id, "weight": 1.0, "tags": [1.0, 2]}))
        .collect();
    let mut mutation = Mutation::new(json!({"items": items}), "");
    let wanted = items
        .iter()
        .enumerate()
        .filter(|(index, _)| !(300..600).contains(index))
        .map(|(index, item)| {
            let mut item = item.clone();
            item["weight"] = json!(1);
            item["tags"] = if index == 299 {
                json!([1, 3])
            } else {
                json!([1, 2])
            };
            item
        });
    mutation
        .mutated(json!({"items": wanted.collect::<Vec<_>>()}))
        .unwrap();
    let sent = dialect::checked(&json!({"items": items}), &mutation);
    assert_eq!(sent.as_array().unwrap().len(), 1);
    assert_eq!(sent[0]["path"], "/items");
    assert_eq!(
        sent[0]["value"][299].to_string(),
        r#"{"id":299,"tags":[1.0,3],"weight":1.0}"#
    );
    assert_eq!(
        sent[0]["value"][699].to_string(),
        r#"{"id":999,"tags":[1.0,2],"weight":1.0}"#
    );
}
