# Refuses images that are not from an approved registry when a Pod is about to be created. The API server asks about Pods
# only and keeps the answers for a while; `kubernetes.admission.approved_registries` says the same, earlier and with the
# field.
#
# Parameters `approved` and `by_digest`: see registries.rego.

# METADATA
# title: Approved registries
# description: Images of Pods come from approved registries, from some of them only by digest.
package kubernetes.image.approved_registries

import data.regate.lib.registries

deny contains msg if {
	container := input.spec.containers[_]
	image := object.get(container, "image", "")
	msg := registries.refusal(image)
}
