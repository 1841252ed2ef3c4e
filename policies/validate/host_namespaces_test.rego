# What `host_namespaces` denies, with which message, and what it lets through.
package kubernetes.admission.host_namespaces_test

import data.kubernetes.admission.host_namespaces
import data.regate.lib.fixtures

plain := fixtures.pod({"containers": []})

settings := ["hostIPC", "hostNetwork", "hostPID"]

test_an_ordinary_pod_is_allowed if {
	off := fixtures.pod({"hostIPC": false, "hostNetwork": false, "hostPID": "true", "shareProcessNamespace": true})
	every pod in [plain, off] {
		messages := host_namespaces.deny with input as fixtures.create(pod)
		messages == set()
	}
}

test_each_namespace_is_denied if {
	every setting in settings {
		messages := host_namespaces.deny with input as fixtures.create(fixtures.pod({setting: true}))
		messages == {{"msg": concat("", [setting, " must not be true"]), "field": concat("", ["/spec/", setting])}}
	}
}

test_all_namespaces_are_named_at_once if {
	all := fixtures.pod({setting: true | some setting in settings})
	messages := host_namespaces.deny with input as fixtures.create(all)
	{message.msg | some message in messages} == {
		"hostIPC must not be true",
		"hostNetwork must not be true",
		"hostPID must not be true",
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners({"hostPID": true}) {
		messages := host_namespaces.deny with input as fixtures.create(owner.object)
		messages == {{"msg": "hostPID must not be true", "field": concat("", [owner.field, "/hostPID"])}}
	}
}

test_an_update_that_adds_a_namespace_is_denied if {
	old := fixtures.pod({"hostNetwork": true})
	messages := host_namespaces.deny with input as fixtures.update(old, fixtures.pod({
		"hostNetwork": true,
		"hostPID": true,
	}))
	messages == {{"msg": "hostPID must not be true", "field": "/spec/hostPID"}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	old := fixtures.pod({"hostNetwork": true})
	every pod in [object.union(old, {"metadata": {"labels": {"a": "b"}}}), plain] {
		messages := host_namespaces.deny with input as fixtures.update(old, pod)
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.pod({"hostPID": true})
	messages := host_namespaces.deny with input as fixtures.update(fixtures.terminating(plain), fixtures.terminating(pod))
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	reviews := [fixtures.delete(fixtures.pod({"hostPID": true})), fixtures.exec]
	every review in array.concat(reviews, fixtures.odd) {
		messages := host_namespaces.deny with input as review
		messages == set()
	}
}
