# What `host_path` of the baseline denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.host_path_test

import data.kubernetes.admission.pod_security.baseline.host_path
import data.regate.lib.fixtures

bad := fixtures.pod({"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "etc", "hostPath": {"path": "/etc"}}]})

other := fixtures.pod({"volumes": [{"name": "tmp", "hostPath": {"path": "/tmp"}}]})

test_other_volumes_are_allowed if {
	every volumes in [null, [], [{"name": "tmp", "emptyDir": {}}, {"name": "none", "hostPath": null}]] {
		messages := host_path.deny with input as fixtures.create(fixtures.pod({"volumes": volumes}))
		messages == set()
	}
}

test_a_host_path_without_a_name_or_a_path_is_denied if {
	messages := host_path.deny with input as fixtures.create(fixtures.pod({"volumes": [{"hostPath": {}}]}))
	{message.msg | some message in messages} == {`volume "" must not be the host path ""`}
}

test_an_update_to_another_path_is_denied if {
	messages := host_path.deny with input as fixtures.update(other, bad)
	{message.msg | some message in messages} == {`volume "etc" must not be the host path "/etc"`}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := host_path.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `volume "etc" must not be the host path "/etc"`,
			"field": concat("", [owner.field, "/volumes/1/hostPath"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := host_path.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{"msg": `volume "etc" must not be the host path "/etc"`, "field": "/spec/volumes/1/hostPath"}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := host_path.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := host_path.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := host_path.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
