# What `protected` keeps from being deleted.
package kubernetes.admission.guards.protected_test

import data.kubernetes.admission.guards.protected
import data.regate.lib.fixtures

labelled(labels) := object.union(fixtures.pod({}), {"metadata": {"labels": labels}})

marked := labelled({"regate.dev/protected": "true"})

test_what_is_protected_is_not_deleted if {
	messages := protected.deny with input as fixtures.delete(marked)
	messages == {{
		"msg": `Pod "web" is protected: take its label regate.dev/protected away first`,
		"field": "/metadata/labels/regate.dev~1protected",
	}}
}

test_everything_else_is_deleted if {
	every labels in [{}, null, {"regate.dev/protected": "false"}, {"protected": "true"}] {
		messages := protected.deny with input as fixtures.delete(labelled(labels))
		messages == set()
	}
}

test_other_operations_are_none_of_its_business if {
	plain := labelled({})
	writes := [fixtures.create(marked), fixtures.update(marked, plain), fixtures.update(plain, marked)]
	every review in array.concat(writes, [fixtures.exec]) {
		messages := protected.deny with input as review
		messages == set()
	}
}

test_a_deletion_without_an_object_is_allowed if {
	every old in [null, "web", {}] {
		messages := protected.deny with input as fixtures.review({"operation": "DELETE", "object": null, "oldObject": old})
		messages == set()
	}
}
