# Which labels `default_labels` adds, and what it leaves alone.
package kubernetes.mutation.default_labels_test

import data.kubernetes.mutation.default_labels
import data.regate.lib.fixtures

pod := fixtures.pod({"containers": [{"name": "web"}]})

labelled(labels) := object.union(pod, {"metadata": {"labels": labels}})

add(key, value) := {"op": "add", "path": ["metadata", "labels", key], "value": value}

both := {add("app.kubernetes.io/part-of", "unassigned"), add("team", "unassigned")}

test_a_pod_without_labels_gets_all if {
	every object in [pod, labelled({}), labelled(null), {"apiVersion": "v1", "kind": "Pod"}] {
		patch := default_labels.patch with input as fixtures.create(object)
		patch == both
	}
}

test_only_what_lacks_is_added if {
	patch := default_labels.patch with input as fixtures.create(labelled({"team": "shop", "a": "b"}))
	patch == {add("app.kubernetes.io/part-of", "unassigned")}
}

test_a_label_that_is_set_stays if {
	set_by_user := labelled({"team": "", "app.kubernetes.io/part-of": "shop"})
	patch := default_labels.patch with input as fixtures.create(set_by_user)
	patch == set()
}

test_the_patched_pod_needs_no_patch if {
	patched := json.patch(labelled({}), [operation | some operation in both])
	patch := default_labels.patch with input as fixtures.create(patched)
	patch == set()
}

test_only_new_pods_are_changed if {
	every review in [
		fixtures.update(pod, pod),
		fixtures.delete(pod),
		fixtures.exec,
		fixtures.create({"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": {}}),
		fixtures.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}}),
		fixtures.create({"apiVersion": "example.com/v1", "kind": "Pod", "metadata": {}}),
		object.union(fixtures.create(pod), {"request": {"subResource": "binding"}}),
	] {
		patch := default_labels.patch with input as review
		patch == set()
	}
}

test_the_labels_are_a_parameter if {
	review := object.union(fixtures.create(pod), {"parameters": {"labels": {"env": "test"}}})
	patch := default_labels.patch with input as review
	patch == {add("env", "test")}
}
