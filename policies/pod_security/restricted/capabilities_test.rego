# What `capabilities` of the restricted level denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.restricted.capabilities_test

import data.kubernetes.admission.pod_security.restricted.capabilities
import data.regate.lib.fixtures

good := {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}

bad := fixtures.pod({"containers": [{"name": "web"}]})

test_a_container_with_the_setting_is_allowed if {
	every place in fixtures.container_contexts(good) {
		messages := capabilities.deny with input as fixtures.create(place.pod)
		messages == set()
	}
}

test_a_container_without_the_setting_is_denied if {
	every context in [{}, null, {"capabilities": null}, {"capabilities": {"drop": ["NET_RAW", "all"]}}] {
		every place in fixtures.container_contexts(context) {
			messages := capabilities.deny with input as fixtures.create(place.pod)
			messages == {{
				"msg": concat("", [place.title, " must drop ALL capabilities"]),
				"field": concat("", [place.field, "/capabilities/drop"]),
			}}
		}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := capabilities.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must drop ALL capabilities`,
			"field": concat("", [owner.field, "/containers/0/securityContext/capabilities/drop"]),
		}}
	}
}

test_an_update_that_takes_the_setting_away_is_denied if {
	old := fixtures.pod({"containers": [{"name": "web", "securityContext": good}]})
	messages := capabilities.deny with input as fixtures.update(old, bad)
	messages == {{
		"msg": `container "web" must drop ALL capabilities`,
		"field": "/spec/containers/0/securityContext/capabilities/drop",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := capabilities.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_an_update_that_adds_a_container_is_denied if {
	more := object.union(bad, {"spec": {"ephemeralContainers": [{"name": "debug"}]}})
	messages := capabilities.deny with input as fixtures.update_subresource("ephemeralcontainers", bad, more)
	{message.field | some message in messages} == {"/spec/ephemeralContainers/0/securityContext/capabilities/drop"}
}

test_a_pod_for_windows_is_allowed if {
	windows := fixtures.pod({"os": {"name": "windows"}, "containers": [{"name": "web", "securityContext": {
		"capabilities": {"add": ["CHOWN"]},
	}}]})
	messages := capabilities.deny with input as fixtures.create(windows)
	messages == set()
}

test_other_capabilities_are_denied if {
	every capability in ["CHOWN", "ALL", "CAP_NET_BIND_SERVICE"] {
		every place in fixtures.container_contexts({"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", capability]}}) {
			messages := capabilities.deny with input as fixtures.create(place.pod)
			messages == {{
				"msg": sprintf(`%s must not add the capability "%s"`, [place.title, capability]),
				"field": concat("", [place.field, "/capabilities/add/1"]),
			}}
		}
	}
}

test_an_update_that_keeps_a_capability_is_allowed if {
	pod := fixtures.pod({"containers": [{"name": "web", "securityContext": {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}}]})
	messages := capabilities.deny with input as fixtures.update(pod, pod)
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := capabilities.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := capabilities.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
