# What `proc_mount` denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.proc_mount_test

import data.kubernetes.admission.pod_security.baseline.proc_mount
import data.regate.lib.fixtures

bad := fixtures.pod({"containers": [{"name": "web", "securityContext": {"procMount": "Unmasked"}}]})

test_it_is_denied_wherever_it_stands if {
	every place in fixtures.container_contexts({"procMount": "Unmasked"}) {
		messages := proc_mount.deny with input as fixtures.create(place.pod)
		messages == {{
			"msg": concat("", [place.title, ` must not set procMount to "Unmasked"`]),
			"field": concat("", [place.field, "/procMount"]),
		}}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := proc_mount.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must not set procMount to "Unmasked"`,
			"field": concat("", [owner.field, "/containers/0/securityContext/procMount"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := proc_mount.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{
		"msg": `container "web" must not set procMount to "Unmasked"`,
		"field": "/spec/containers/0/securityContext/procMount",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := proc_mount.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_other_settings_are_allowed if {
	every context in [{}, {"procMount": null}, {"procMount": "Default"}] {
		every place in fixtures.contexts(context) {
			messages := proc_mount.deny with input as fixtures.create(place.pod)
			messages == set()
		}
	}
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := proc_mount.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := proc_mount.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
