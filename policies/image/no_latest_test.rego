# Which images `no_latest` denies, with which message.
package kubernetes.image.no_latest_test

import data.kubernetes.image.no_latest

review(images) := {"spec": {"containers": [{"image": image} | some image in images]}}

test_tags_and_digests_are_allowed if {
	messages := no_latest.deny with input as review([
		"nginx:1.27",
		"registry.example:443/app:v1",
		"nginx@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"nginx:latest@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	])
	messages == set()
}

test_latest_and_no_tag_are_denied_by_name if {
	messages := no_latest.deny with input as review(["nginx", "nginx:latest", "registry.example:443/app", "nginx:1.27"])
	messages == {
		`image "nginx" needs a tag other than latest, or a digest`,
		`image "nginx:latest" needs a tag other than latest, or a digest`,
		`image "registry.example:443/app" needs a tag other than latest, or a digest`,
	}
}

test_what_is_no_reference_is_denied if {
	every image in ["", "nginx:", "nginx@sha256:12", null, 7] {
		messages := no_latest.deny with input as review([image])
		messages == {sprintf(`image "%v" needs a tag other than latest, or a digest`, [image])}
	}
	messages := no_latest.deny with input as {"spec": {"containers": [{}]}}
	messages == {`image "" needs a tag other than latest, or a digest`}
}

test_a_review_without_containers_is_allowed if {
	every spec in [{}, {"containers": null}, {"containers": []}] {
		messages := no_latest.deny with input as {"spec": spec}
		messages == set()
	}
}
