# Which images `approved_registries` of the image gate denies.
package kubernetes.image.approved_registries_test

import data.kubernetes.image.approved_registries

review(images) := {"spec": {"containers": [{"image": image} | some image in images], "namespace": "shop"}}

test_approved_images_are_allowed if {
	messages := approved_registries.deny with input as review(["registry.k8s.io/pause:3.10", "registry.example.com/app"])
	messages == set()
}

test_every_other_image_is_denied_by_name if {
	messages := approved_registries.deny with input as review(["quay.io/app", "registry.k8s.io/pause:3.10", "nginx:1.29"])
	messages == {
		`image "quay.io/app" is not from an approved registry`,
		`image "nginx:1.29" needs a digest: its registry may give the tag to another image`,
	}
}

test_a_container_without_an_image_is_denied if {
	messages := approved_registries.deny with input as {"spec": {"containers": [{}]}}
	messages == {`image "" is not from an approved registry`}
}

test_a_review_without_containers_is_allowed if {
	every spec in [{}, {"containers": null}, {"containers": []}] {
		messages := approved_registries.deny with input as {"spec": spec}
		messages == set()
	}
}
