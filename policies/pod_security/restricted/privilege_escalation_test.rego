# What `privilege_escalation` denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.restricted.privilege_escalation_test

import data.kubernetes.admission.pod_security.restricted.privilege_escalation
import data.regate.lib.fixtures

good := {"allowPrivilegeEscalation": false}

bad := fixtures.pod({"containers": [{"name": "web"}]})

test_a_container_with_the_setting_is_allowed if {
	every place in fixtures.container_contexts(good) {
		messages := privilege_escalation.deny with input as fixtures.create(place.pod)
		messages == set()
	}
}

test_a_container_without_the_setting_is_denied if {
	every context in [{}, null, {"allowPrivilegeEscalation": true}, {"allowPrivilegeEscalation": null}] {
		every place in fixtures.container_contexts(context) {
			messages := privilege_escalation.deny with input as fixtures.create(place.pod)
			messages == {{
				"msg": concat("", [place.title, " must set allowPrivilegeEscalation to false"]),
				"field": concat("", [place.field, "/allowPrivilegeEscalation"]),
			}}
		}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := privilege_escalation.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must set allowPrivilegeEscalation to false`,
			"field": concat("", [owner.field, "/containers/0/securityContext/allowPrivilegeEscalation"]),
		}}
	}
}

test_an_update_that_takes_the_setting_away_is_denied if {
	old := fixtures.pod({"containers": [{"name": "web", "securityContext": good}]})
	messages := privilege_escalation.deny with input as fixtures.update(old, bad)
	messages == {{
		"msg": `container "web" must set allowPrivilegeEscalation to false`,
		"field": "/spec/containers/0/securityContext/allowPrivilegeEscalation",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := privilege_escalation.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_an_update_that_adds_a_container_is_denied if {
	more := object.union(bad, {"spec": {"ephemeralContainers": [{"name": "debug"}]}})
	messages := privilege_escalation.deny with input as fixtures.update_subresource("ephemeralcontainers", bad, more)
	{message.field | some message in messages} == {"/spec/ephemeralContainers/0/securityContext/allowPrivilegeEscalation"}
}

test_a_pod_for_windows_is_allowed if {
	windows := fixtures.pod({"os": {"name": "windows"}, "containers": [{"name": "web"}]})
	messages := privilege_escalation.deny with input as fixtures.create(windows)
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := privilege_escalation.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := privilege_escalation.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
