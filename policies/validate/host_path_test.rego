# What `host_path` denies, with which message, and what it lets through.
package kubernetes.admission.host_path_test

import data.kubernetes.admission.host_path
import data.regate.lib.fixtures

mounting(paths) := fixtures.pod({"volumes": [{"name": "host", "hostPath": {"path": path}} | some path in paths]})

plain := fixtures.pod({"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]})

test_other_volumes_are_allowed if {
	every pod in [plain, fixtures.pod({}), fixtures.pod({"volumes": null})] {
		messages := host_path.deny with input as fixtures.create(pod)
		messages == set()
	}
}

test_a_host_path_is_denied if {
	pod := fixtures.pod({"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "etc", "hostPath": {"path": "/etc"}}]})
	messages := host_path.deny with input as fixtures.create(pod)
	messages == {{"msg": `volume "etc" must not be the host path "/etc"`, "field": "/spec/volumes/1/hostPath"}}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(mounting(["/etc"]).spec) {
		messages := host_path.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `volume "host" must not be the host path "/etc"`,
			"field": concat("", [owner.field, "/volumes/0/hostPath"]),
		}}
	}
}

test_a_host_path_without_name_or_path_is_denied if {
	messages := host_path.deny with input as fixtures.create(fixtures.pod({"volumes": [{"hostPath": {}}]}))
	messages == {{"msg": `volume "" must not be the host path ""`, "field": "/spec/volumes/0/hostPath"}}
}

test_an_update_that_adds_a_path_is_denied if {
	messages := host_path.deny with input as fixtures.update(mounting(["/tmp"]), mounting(["/tmp", "/etc"]))
	messages == {{"msg": `volume "host" must not be the host path "/etc"`, "field": "/spec/volumes/1/hostPath"}}
}

test_an_update_that_changes_a_path_is_denied if {
	messages := host_path.deny with input as fixtures.update(mounting(["/tmp"]), mounting(["/"]))
	messages == {{"msg": `volume "host" must not be the host path "/"`, "field": "/spec/volumes/0/hostPath"}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	old := mounting(["/etc", "/tmp"])
	every pod in [object.union(old, {"metadata": {"labels": {"a": "b"}}}), mounting(["/tmp"]), plain] {
		messages := host_path.deny with input as fixtures.update(old, pod)
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(mounting(["/etc"]))
	messages := host_path.deny with input as fixtures.update(fixtures.terminating(plain), pod)
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(mounting(["/etc"])), fixtures.exec], fixtures.odd) {
		messages := host_path.deny with input as review
		messages == set()
	}
}
