# What `capabilities` of the baseline denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.capabilities_test

import data.kubernetes.admission.pod_security.baseline.capabilities
import data.regate.lib.fixtures

bad := fixtures.pod({"containers": [{"name": "web", "securityContext": {"capabilities": {"add": ["CHOWN", "NET_ADMIN"]}}}]})

test_it_is_denied_wherever_it_stands if {
	every place in fixtures.container_contexts({"capabilities": {"add": ["CHOWN", "NET_ADMIN"]}}) {
		messages := capabilities.deny with input as fixtures.create(place.pod)
		messages == {{
			"msg": concat("", [place.title, ` must not add the capability "NET_ADMIN"`]),
			"field": concat("", [place.field, "/capabilities/add/1"]),
		}}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := capabilities.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must not add the capability "NET_ADMIN"`,
			"field": concat("", [owner.field, "/containers/0/securityContext/capabilities/add/1"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := capabilities.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{
		"msg": `container "web" must not add the capability "NET_ADMIN"`,
		"field": "/spec/containers/0/securityContext/capabilities/add/1",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := capabilities.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_other_settings_are_allowed if {
	every context in [
		{},
		{"capabilities": null},
		{"capabilities": {"add": null}},
		{"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "SYS_CHROOT"]}},
	] {
		every place in fixtures.contexts(context) {
			messages := capabilities.deny with input as fixtures.create(place.pod)
			messages == set()
		}
	}
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

test_the_capabilities_of_the_standard_are_allowed if {
	standard := [
		"AUDIT_WRITE",
		"CHOWN",
		"DAC_OVERRIDE",
		"FOWNER",
		"FSETID",
		"KILL",
		"MKNOD",
		"NET_BIND_SERVICE",
		"SETFCAP",
		"SETGID",
		"SETPCAP",
		"SETUID",
		"SYS_CHROOT",
	]
	every place in fixtures.container_contexts({"capabilities": {"add": standard}}) {
		messages := capabilities.deny with input as fixtures.create(place.pod)
		messages == set()
	}
}

test_names_are_compared_as_they_are if {
	every capability in ["ALL", "chown", "CAP_CHOWN", "NET_RAW", "SYS_ADMIN"] {
		pod := fixtures.pod({"containers": [{"name": "web", "securityContext": {"capabilities": {"add": [capability]}}}]})
		messages := capabilities.deny with input as fixtures.create(pod)
		{message.msg | some message in messages} == {sprintf(`container "web" must not add the capability "%s"`, [capability])}
	}
}
