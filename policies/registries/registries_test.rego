# Which images the shared rule refuses, and why.
package regate.lib.registries_test

import data.regate.lib.registries

digest := "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

test_approved_images_are_not_refused if {
	every image in [
		"registry.k8s.io/pause:3.10",
		"registry.example.com/team/app",
		concat("@", ["nginx:1.29", digest]),
		concat("@", ["docker.io/library/nginx", digest]),
	] {
		not registries.refusal(image) with input as {}
	}
}

test_other_images_are_refused if {
	every image in [
		"quay.io/team/app:v1",
		"team/app",
		"registry.k8s.io.evil.example/pause",
		concat("@", ["team/app", digest]),
		"",
		null,
	] {
		msg := registries.refusal(image) with input as {}
		msg == sprintf(`image "%v" is not from an approved registry`, [image])
	}
}

test_some_registries_need_a_digest if {
	every image in ["nginx", "nginx:1.29"] {
		msg := registries.refusal(image) with input as {}
		msg == sprintf(`image "%v" needs a digest: its registry may give the tag to another image`, [image])
	}
}

test_the_lists_are_parameters if {
	parameters := {"approved": ["quay.io/team"], "by_digest": []}
	not registries.refusal("quay.io/team/app:v1") with input as {"parameters": parameters}
	msg := registries.refusal("registry.k8s.io/pause:3.10") with input as {"parameters": parameters}
	msg == `image "registry.k8s.io/pause:3.10" is not from an approved registry`
}
