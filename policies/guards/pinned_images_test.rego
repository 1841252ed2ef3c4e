# Which images `pinned_images` denies; `match` says in which namespaces it is asked.
package kubernetes.admission.guards.pinned_images_test

import data.kubernetes.admission.guards.pinned_images
import data.regate.lib.fixtures

running(image) := fixtures.pod({"containers": [{"name": "web", "image": image}]})

test_images_with_a_version_are_allowed if {
	digest := "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	every image in ["nginx:1.29", concat("@", ["nginx", digest])] {
		messages := pinned_images.deny with input as fixtures.create(running(image))
		messages == set()
	}
}

test_images_without_a_version_are_denied if {
	every image in ["nginx", "nginx:latest", ""] {
		messages := pinned_images.deny with input as fixtures.create(running(image))
		messages == {{
			"msg": sprintf(`container "web": image "%s" needs a tag other than latest, or a digest`, [image]),
			"field": "/spec/containers/0/image",
		}}
	}
}

test_every_list_of_containers_is_judged if {
	every place in fixtures.container_lists {
		pod := fixtures.pod({place.list: [{"name": "web", "image": "nginx"}]})
		messages := pinned_images.deny with input as fixtures.create(pod)
		{message.field | some message in messages} == {concat("/", ["/spec", place.list, "0/image"])}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(running("nginx").spec) {
		messages := pinned_images.deny with input as fixtures.create(owner.object)
		{message.field | some message in messages} == {concat("", [owner.field, "/containers/0/image"])}
	}
}

test_an_update_that_keeps_the_image_is_allowed_and_another_is_denied if {
	kept := pinned_images.deny with input as fixtures.update(running("nginx"), running("nginx"))
	kept == set()
	changed := pinned_images.deny with input as fixtures.update(running("nginx:1.29"), running("nginx"))
	count(changed) == 1
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(running("nginx")), fixtures.exec], fixtures.odd) {
		messages := pinned_images.deny with input as review
		messages == set()
	}
}
