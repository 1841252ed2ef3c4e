# What `required_labels` denies, with which message, and what it lets through.
package kubernetes.admission.required_labels_test

import data.kubernetes.admission.required_labels
import data.regate.lib.fixtures

parameters := {"labels": {"owner": "^[a-z]+$", "example.com/tier": "^(front|back)$"}}

labelled(labels) := {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": labels}}

judge(review) := messages if {
	messages := required_labels.deny with input as object.union(review, {"parameters": parameters})
}

good := labelled({"owner": "shop", "example.com/tier": "front", "other": "x"})

test_an_object_with_good_labels_is_allowed if {
	messages := judge(fixtures.create(good))
	messages == set()
}

test_every_missing_label_is_named if {
	bare := {"apiVersion": "v1", "kind": "Service", "metadata": {}}
	nothing := {"apiVersion": "v1", "kind": "Service"}
	every object in [labelled({}), labelled(null), bare, nothing] {
		messages := judge(fixtures.create(object))
		messages == {
			{"msg": "the label owner is missing", "field": "/metadata/labels"},
			{"msg": "the label example.com/tier is missing", "field": "/metadata/labels"},
		}
	}
}

test_a_value_that_does_not_match_is_denied if {
	messages := judge(fixtures.create(labelled({"owner": "", "example.com/tier": "middle"})))
	messages == {
		{"msg": `the label owner is "": it must match ^[a-z]+$`, "field": "/metadata/labels/owner"},
		{
			"msg": `the label example.com/tier is "middle": it must match ^(front|back)$`,
			"field": "/metadata/labels/example.com~1tier",
		},
	}
}

test_an_update_that_takes_a_label_away_is_denied if {
	messages := judge(fixtures.update(good, labelled({"owner": "shop"})))
	messages == {{"msg": "the label example.com/tier is missing", "field": "/metadata/labels"}}
}

test_an_update_of_an_object_that_had_no_labels_is_allowed if {
	old := labelled({"owner": "Shop"})
	every new in [old, labelled({}), labelled({"owner": "shop"})] {
		messages := judge(fixtures.update(old, new))
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	messages := judge(fixtures.update(fixtures.terminating(good), fixtures.terminating(labelled({}))))
	messages == set()
}

test_deletions_and_odd_reviews_are_none_of_its_business if {
	odd := [fixtures.review({"operation": "CREATE", "object": object}) | some object in [null, "web", []]]
	every review in array.concat([fixtures.delete(good)], odd) {
		messages := judge(review)
		messages == set()
	}
}

test_without_parameters_nothing_is_asked_for if {
	messages := required_labels.deny with input as fixtures.create(labelled({}))
	messages == set()
}
