# What `privileged` denies, with which message, and what it lets through.
package kubernetes.admission.privileged_test

import data.kubernetes.admission.privileged
import data.regate.lib.fixtures

privileged_container(name) := {"name": name, "securityContext": {"privileged": true}}

web := fixtures.pod({"containers": [privileged_container("web")]})

plain := fixtures.pod({"containers": [{"name": "web"}]})

web_denied := {{
	"msg": `container "web" must not be privileged`,
	"field": "/spec/containers/0/securityContext/privileged",
}}

test_an_ordinary_pod_is_allowed if {
	every context in [{}, {"privileged": false}, {"privileged": "true"}, null, "privileged"] {
		pod := fixtures.pod({"containers": [{"name": "web", "securityContext": context}]})
		messages := privileged.deny with input as fixtures.create(pod)
		messages == set()
	}
}

test_a_privileged_container_is_denied if {
	messages := privileged.deny with input as fixtures.create(web)
	messages == web_denied
}

test_init_and_ephemeral_containers_are_denied if {
	pod := fixtures.pod({
		"containers": [{"name": "web"}],
		"initContainers": [{"name": "a"}, object.union(privileged_container("b"), {"restartPolicy": "Always"})],
		"ephemeralContainers": [privileged_container("debug")],
	})
	messages := privileged.deny with input as fixtures.create(pod)
	messages == {
		{
			"msg": `init container "b" must not be privileged`,
			"field": "/spec/initContainers/1/securityContext/privileged",
		},
		{
			"msg": `ephemeral container "debug" must not be privileged`,
			"field": "/spec/ephemeralContainers/0/securityContext/privileged",
		},
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(web.spec) {
		messages := privileged.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must not be privileged`,
			"field": concat("", [owner.field, "/containers/0/securityContext/privileged"]),
		}}
	}
}

test_an_update_that_makes_a_container_privileged_is_denied if {
	messages := privileged.deny with input as fixtures.update(plain, web)
	messages == web_denied
}

test_an_update_of_an_old_privileged_pod_is_allowed if {
	labelled := object.union(web, {"metadata": {"labels": {"a": "b"}, "finalizers": []}})
	messages := privileged.deny with input as fixtures.update(web, labelled)
	messages == set()
}

test_an_update_that_takes_the_privilege_away_is_allowed if {
	messages := privileged.deny with input as fixtures.update(web, plain)
	messages == set()
}

test_a_second_privileged_container_is_denied if {
	both := fixtures.pod({"containers": [privileged_container("web"), privileged_container("two")]})
	messages := privileged.deny with input as fixtures.update(web, both)
	messages == {{
		"msg": `container "two" must not be privileged`,
		"field": "/spec/containers/1/securityContext/privileged",
	}}
}

test_a_privileged_ephemeral_container_is_denied_when_it_is_added if {
	debugged := fixtures.pod({"containers": [{"name": "web"}], "ephemeralContainers": [privileged_container("debug")]})
	messages := privileged.deny with input as fixtures.update_subresource("ephemeralcontainers", plain, debugged)
	messages == {{
		"msg": `ephemeral container "debug" must not be privileged`,
		"field": "/spec/ephemeralContainers/0/securityContext/privileged",
	}}
}

test_what_is_being_deleted_is_let_go if {
	messages := privileged.deny with input as fixtures.update(fixtures.terminating(plain), fixtures.terminating(web))
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(web), fixtures.exec], fixtures.odd) {
		messages := privileged.deny with input as review
		messages == set()
	}
}
