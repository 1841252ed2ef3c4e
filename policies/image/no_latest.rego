# Refuses images that name no version: without a tag or with the tag `latest`, unless a digest pins them.

# METADATA
# title: No latest
# description: Images are pinned by a tag other than latest, or by digest.
package kubernetes.image.no_latest

import data.regate.lib.images

deny contains sprintf(`image "%v" needs a tag other than latest, or a digest`, [image]) if {
	container := input.spec.containers[_]
	image := object.get(container, "image", "")
	not images.pinned(image)
}
