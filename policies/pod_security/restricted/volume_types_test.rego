# What `volume_types` denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.restricted.volume_types_test

import data.kubernetes.admission.pod_security.restricted.volume_types
import data.regate.lib.fixtures

bad := fixtures.pod({"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data", "nfs": {"path": "/"}}]})

test_other_volumes_are_allowed if {
	every type in [
		"configMap",
		"csi",
		"downwardAPI",
		"emptyDir",
		"ephemeral",
		"image",
		"persistentVolumeClaim",
		"projected",
		"secret",
	] {
		pod := fixtures.pod({"volumes": [{"name": "v", type: {}, "nfs": null}]})
		messages := volume_types.deny with input as fixtures.create(pod)
		messages == set()
	}
	without := volume_types.deny with input as fixtures.create(fixtures.pod({"volumes": null}))
	without == set()
}

test_every_other_type_is_denied if {
	every type in ["hostPath", "gitRepo", "iscsi", "flexVolume", "a_new_one"] {
		messages := volume_types.deny with input as fixtures.create(fixtures.pod({"volumes": [{"name": "v", type: {}}]}))
		messages == {{
			"msg": concat("", [`volume "v" must not be of the type `, type]),
			"field": concat("", ["/spec/volumes/0/", type]),
		}}
	}
}

test_an_update_that_changes_a_volume_is_denied if {
	other := fixtures.pod({"volumes": [{"name": "data", "nfs": {"path": "/data"}}]})
	messages := volume_types.deny with input as fixtures.update(other, bad)
	{message.msg | some message in messages} == {`volume "data" must not be of the type nfs`}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := volume_types.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `volume "data" must not be of the type nfs`,
			"field": concat("", [owner.field, "/volumes/1/nfs"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := volume_types.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{"msg": `volume "data" must not be of the type nfs`, "field": "/spec/volumes/1/nfs"}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := volume_types.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := volume_types.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := volume_types.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
