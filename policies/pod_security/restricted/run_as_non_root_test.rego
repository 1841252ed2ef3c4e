# What `run_as_non_root` denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.restricted.run_as_non_root_test

import data.kubernetes.admission.pod_security.restricted.run_as_non_root
import data.regate.lib.fixtures

good := {"runAsNonRoot": true}

bad := fixtures.pod({"containers": [{"name": "web"}]})

test_a_container_with_the_setting_is_allowed if {
	every place in fixtures.container_contexts(good) {
		messages := run_as_non_root.deny with input as fixtures.create(place.pod)
		messages == set()
	}
}

test_a_container_without_the_setting_is_denied if {
	every context in [{}, null, {"runAsNonRoot": false}, {"runAsNonRoot": null}, {"runAsUser": 1000}] {
		every place in fixtures.container_contexts(context) {
			messages := run_as_non_root.deny with input as fixtures.create(place.pod)
			messages == {{
				"msg": concat("", [place.title, " needs runAsNonRoot: true, its own or the Pod's"]),
				"field": concat("", [place.field, "/runAsNonRoot"]),
			}}
		}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := run_as_non_root.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" needs runAsNonRoot: true, its own or the Pod's`,
			"field": concat("", [owner.field, "/containers/0/securityContext/runAsNonRoot"]),
		}}
	}
}

test_an_update_that_takes_the_setting_away_is_denied if {
	old := fixtures.pod({"containers": [{"name": "web", "securityContext": good}]})
	messages := run_as_non_root.deny with input as fixtures.update(old, bad)
	messages == {{
		"msg": `container "web" needs runAsNonRoot: true, its own or the Pod's`,
		"field": "/spec/containers/0/securityContext/runAsNonRoot",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := run_as_non_root.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_an_update_that_adds_a_container_is_denied if {
	more := object.union(bad, {"spec": {"ephemeralContainers": [{"name": "debug"}]}})
	messages := run_as_non_root.deny with input as fixtures.update_subresource("ephemeralcontainers", bad, more)
	{message.field | some message in messages} == {"/spec/ephemeralContainers/0/securityContext/runAsNonRoot"}
}

test_the_setting_of_the_pod_holds_for_containers_without_one if {
	every context in [{}, null, {"runAsNonRoot": null}, {"runAsNonRoot": true}] {
		pod := fixtures.pod({"securityContext": good, "containers": [{"name": "web", "securityContext": context}]})
		messages := run_as_non_root.deny with input as fixtures.create(pod)
		messages == set()
	}
}

test_a_container_may_not_take_back_the_setting_of_the_pod if {
	pod := fixtures.pod({"securityContext": good, "containers": [{"name": "web", "securityContext": {"runAsNonRoot": false}}]})
	messages := run_as_non_root.deny with input as fixtures.create(pod)
	{message.field | some message in messages} == {"/spec/containers/0/securityContext/runAsNonRoot"}
}

test_a_pod_may_not_say_no_even_where_its_containers_say_yes if {
	containers := [{"name": "web", "securityContext": good}]
	pod := fixtures.pod({"securityContext": {"runAsNonRoot": false}, "containers": containers})
	messages := run_as_non_root.deny with input as fixtures.create(pod)
	messages == {{"msg": "the Pod must not set runAsNonRoot to false", "field": "/spec/securityContext/runAsNonRoot"}}
	kept := run_as_non_root.deny with input as fixtures.update(pod, pod)
	kept == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := run_as_non_root.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := run_as_non_root.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
