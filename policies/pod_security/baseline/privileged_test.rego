# What `privileged` of the baseline denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.privileged_test

import data.kubernetes.admission.pod_security.baseline.privileged
import data.regate.lib.fixtures

bad := fixtures.pod({"containers": [{"name": "web", "securityContext": {"privileged": true}}]})

test_it_is_denied_wherever_it_stands if {
	every place in fixtures.container_contexts({"privileged": true}) {
		messages := privileged.deny with input as fixtures.create(place.pod)
		messages == {{
			"msg": concat("", [place.title, " must not be privileged"]),
			"field": concat("", [place.field, "/privileged"]),
		}}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := privileged.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must not be privileged`,
			"field": concat("", [owner.field, "/containers/0/securityContext/privileged"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := privileged.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{
		"msg": `container "web" must not be privileged`,
		"field": "/spec/containers/0/securityContext/privileged",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := privileged.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_other_settings_are_allowed if {
	every context in [{}, null, {"privileged": false}, {"privileged": null}] {
		every place in fixtures.contexts(context) {
			messages := privileged.deny with input as fixtures.create(place.pod)
			messages == set()
		}
	}
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := privileged.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := privileged.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
