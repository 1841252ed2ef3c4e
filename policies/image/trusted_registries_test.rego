# Which images `trusted_registries` denies, with which message.
package kubernetes.image.trusted_registries_test

import data.kubernetes.image.trusted_registries

review(images) := {
	"apiVersion": "imagepolicy.k8s.io/v1alpha1",
	"kind": "ImageReview",
	"spec": {"containers": [{"image": image} | some image in images], "namespace": "shop"},
}

test_trusted_images_are_allowed if {
	messages := trusted_registries.deny with input as review([
		"nginx",
		"docker.io/library/nginx:1.27",
		"index.docker.io/library/nginx:1.27",
		"registry.k8s.io/pause:3.10",
		"registry.k8s.io/e2e-test-images/agnhost:2.53",
		"registry.k8s.io/pause@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	])
	messages == set()
}

test_other_images_are_denied_by_name if {
	messages := trusted_registries.deny with input as review(["nginx", "quay.io/team/app:v1", "team/app"])
	messages == {
		`image "quay.io/team/app:v1" is not from a trusted registry`,
		`image "team/app" is not from a trusted registry`,
	}
}

test_look_alikes_are_denied if {
	images := [
		"registry.k8s.io.evil.example/pause",
		"evil.example/registry.k8s.io/pause",
		"registry.k8s.io@evil.example/pause",
		"registry.k8s.io:5000/pause",
		"docker.io.evil.example/library/nginx",
		"library.evil.example/nginx",
		"registry.k8s.io/../evil",
		"REGISTRY.K8S.IO.evil.example/pause",
	]
	every image in images {
		messages := trusted_registries.deny with input as review([image])
		messages == {sprintf(`image "%v" is not from a trusted registry`, [image])}
	}
}

test_what_is_no_reference_is_denied if {
	every image in ["", "not an image", null, 7] {
		messages := trusted_registries.deny with input as review([image])
		messages == {sprintf(`image "%v" is not from a trusted registry`, [image])}
	}
	messages := trusted_registries.deny with input as {"spec": {"containers": [{}]}}
	messages == {`image "" is not from a trusted registry`}
}

test_a_review_without_containers_is_allowed if {
	every spec in [{}, {"containers": null}, {"containers": []}] {
		messages := trusted_registries.deny with input as {"spec": spec}
		messages == set()
	}
}

test_registries_are_a_parameter if {
	review_of_both := review(["registry.example:5000/app:v1", "nginx"])
	messages := trusted_registries.deny with input as object.union(
		review_of_both,
		{"parameters": {"registries": ["registry.example:5000"]}},
	)
	messages == {`image "nginx" is not from a trusted registry`}
}
