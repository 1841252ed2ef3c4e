# What `host_namespaces` of the baseline denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.host_namespaces_test

import data.kubernetes.admission.pod_security.baseline.host_namespaces
import data.regate.lib.fixtures

bad := fixtures.pod({"containers": [{"name": "web"}], "hostPID": true})

test_each_namespace_is_denied if {
	every setting in ["hostIPC", "hostNetwork", "hostPID"] {
		messages := host_namespaces.deny with input as fixtures.create(fixtures.pod({setting: true}))
		messages == {{"msg": concat("", [setting, " must not be true"]), "field": concat("", ["/spec/", setting])}}
	}
}

test_other_settings_are_allowed if {
	every spec in [{}, {"hostIPC": false, "hostNetwork": null}, {"hostUsers": true, "shareProcessNamespace": true}] {
		messages := host_namespaces.deny with input as fixtures.create(fixtures.pod(spec))
		messages == set()
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := host_namespaces.deny with input as fixtures.create(owner.object)
		messages == {{"msg": "hostPID must not be true", "field": concat("", [owner.field, "/hostPID"])}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := host_namespaces.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{"msg": "hostPID must not be true", "field": "/spec/hostPID"}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := host_namespaces.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := host_namespaces.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := host_namespaces.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
