# What `seccomp` of the restricted level denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.restricted.seccomp_test

import data.kubernetes.admission.pod_security.restricted.seccomp
import data.regate.lib.fixtures

good := {"seccompProfile": {"type": "RuntimeDefault"}}

bad := fixtures.pod({"containers": [{"name": "web"}]})

test_a_container_with_the_setting_is_allowed if {
	every place in fixtures.container_contexts(good) {
		messages := seccomp.deny with input as fixtures.create(place.pod)
		messages == set()
	}
}

test_a_container_without_the_setting_is_denied if {
	every context in [{}, null, {"seccompProfile": null}, {"seccompProfile": {"type": "Unconfined"}}] {
		every place in fixtures.container_contexts(context) {
			messages := seccomp.deny with input as fixtures.create(place.pod)
			messages == {{
				"msg": concat("", [place.title, " needs the seccomp profile RuntimeDefault or Localhost, its own or the Pod's"]),
				"field": concat("", [place.field, "/seccompProfile"]),
			}}
		}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := seccomp.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" needs the seccomp profile RuntimeDefault or Localhost, its own or the Pod's`,
			"field": concat("", [owner.field, "/containers/0/securityContext/seccompProfile"]),
		}}
	}
}

test_an_update_that_takes_the_setting_away_is_denied if {
	old := fixtures.pod({"containers": [{"name": "web", "securityContext": good}]})
	messages := seccomp.deny with input as fixtures.update(old, bad)
	messages == {{
		"msg": `container "web" needs the seccomp profile RuntimeDefault or Localhost, its own or the Pod's`,
		"field": "/spec/containers/0/securityContext/seccompProfile",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := seccomp.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_an_update_that_adds_a_container_is_denied if {
	more := object.union(bad, {"spec": {"ephemeralContainers": [{"name": "debug"}]}})
	messages := seccomp.deny with input as fixtures.update_subresource("ephemeralcontainers", bad, more)
	{message.field | some message in messages} == {"/spec/ephemeralContainers/0/securityContext/seccompProfile"}
}

test_a_pod_for_windows_is_allowed if {
	windows := fixtures.pod({"os": {"name": "windows"}, "containers": [{"name": "web"}]})
	messages := seccomp.deny with input as fixtures.create(windows)
	messages == set()
}

test_the_profile_of_the_pod_holds_for_containers_without_one if {
	own := {"seccompProfile": {"type": "Localhost", "localhostProfile": "web.json"}}
	every context in [{}, null, own] {
		pod := fixtures.pod({"securityContext": good, "containers": [{"name": "web", "securityContext": context}]})
		messages := seccomp.deny with input as fixtures.create(pod)
		messages == set()
	}
}

test_a_container_may_not_take_back_the_profile_of_the_pod if {
	unconfined := {"seccompProfile": {"type": "Unconfined"}}
	pod := fixtures.pod({"securityContext": good, "containers": [{"name": "web", "securityContext": unconfined}]})
	messages := seccomp.deny with input as fixtures.create(pod)
	{message.field | some message in messages} == {"/spec/containers/0/securityContext/seccompProfile"}
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := seccomp.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := seccomp.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
