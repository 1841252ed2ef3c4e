# The rule about images that the gates image and validate share: an image comes from an approved place, from some of
# them only by digest.
#
# Parameter `approved`: registries, or paths of a registry (default: those below).
# Parameter `by_digest`: those of them whose images need a digest (default docker.io).

# METADATA
# title: Approved registries
# description: Why an image may not run.
package regate.lib.registries

import data.regate.lib.images

approved := object.get(input, ["parameters", "approved"], [
	"docker.io/library",
	"registry.example.com",
	"registry.k8s.io",
])

by_digest := object.get(input, ["parameters", "by_digest"], ["docker.io"])

# What is wrong with an image; undefined for one that may run.
refusal(image) := msg if {
	not within_any(image, approved)
	msg := sprintf(`image "%v" is not from an approved registry`, [image])
} else := msg if {
	within_any(image, by_digest)
	images.parse(image).digest == ""
	msg := sprintf(`image "%v" needs a digest: its registry may give the tag to another image`, [image])
}

within_any(image, places) if {
	some place in places
	images.within(image, place)
}
