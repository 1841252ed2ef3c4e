# Which images `approved_registries` of the validate gate denies, with which field, and what it lets through.
package kubernetes.admission.approved_registries_test

import data.kubernetes.admission.approved_registries
import data.regate.lib.fixtures

running(image) := fixtures.pod({"containers": [{"name": "web", "image": image}]})

mounting(image) := fixtures.pod({"volumes": [{"name": "files", "image": {"reference": image}}]})

bad := running("quay.io/app")

denied := `container "web": image "quay.io/app" is not from an approved registry`

test_an_approved_image_is_allowed if {
	every pod in [running("registry.k8s.io/pause:3.10"), mounting("registry.k8s.io/pause:3.10")] {
		messages := approved_registries.deny with input as fixtures.create(pod)
		messages == set()
	}
}

test_every_list_of_containers_is_judged if {
	every place in fixtures.container_lists {
		pod := fixtures.pod({place.list: [{"name": "web", "image": "quay.io/app"}]})
		messages := approved_registries.deny with input as fixtures.create(pod)
		messages == {{
			"msg": concat(" ", [place.title, `"web": image "quay.io/app" is not from an approved registry`]),
			"field": concat("/", ["/spec", place.list, "0/image"]),
		}}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := approved_registries.deny with input as fixtures.create(owner.object)
		messages == {{"msg": denied, "field": concat("", [owner.field, "/containers/0/image"])}}
	}
}

test_image_volumes_are_denied if {
	messages := approved_registries.deny with input as fixtures.create(mounting("quay.io/files:1"))
	messages == {{
		"msg": `volume "files": image "quay.io/files:1" is not from an approved registry`,
		"field": "/spec/volumes/0/image/reference",
	}}
}

test_an_image_volume_without_a_name_is_denied if {
	pod := fixtures.pod({"volumes": [{"image": {"reference": "quay.io/files:1"}}]})
	messages := approved_registries.deny with input as fixtures.create(pod)
	{message.msg | some message in messages} == {`volume "": image "quay.io/files:1" is not from an approved registry`}
}

test_an_update_to_another_image_is_denied if {
	messages := approved_registries.deny with input as fixtures.update(running("registry.k8s.io/pause:3.10"), bad)
	messages == {{"msg": denied, "field": "/spec/containers/0/image"}}
}

test_an_update_that_keeps_an_image_is_allowed if {
	every pod in [bad, mounting("quay.io/files:1")] {
		messages := approved_registries.deny with input as fixtures.update(pod, pod)
		messages == set()
	}
}

test_a_container_without_an_image_is_denied if {
	messages := approved_registries.deny with input as fixtures.create(fixtures.pod({"containers": [{"name": "web"}]}))
	{message.msg | some message in messages} == {`container "web": image "" is not from an approved registry`}
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := approved_registries.deny with input as review
		messages == set()
	}
}
