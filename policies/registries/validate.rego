# Refuses images that are not from an approved registry, of containers and of image volumes, in Pods and in what makes
# Pods. An image that was there before the update stays.
#
# Parameters `approved` and `by_digest`: see registries.rego.

# METADATA
# title: Approved registries
# description: Images come from approved registries, from some of them only by digest.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.approved_registries

import data.regate.lib.pods
import data.regate.lib.registries

deny contains {"msg": concat(": ", [entry.title, msg]), "field": concat("", [entry.field, "/image"])} if {
	some entry in pods.containers
	image := object.get(entry.container, "image", "")
	image != object.get(entry.old, "image", null)
	msg := registries.refusal(image)
}

deny contains {"msg": msg, "field": field} if {
	volume := pods.spec.volumes[i]
	image := volume.image.reference
	not image in old_references
	refusal := registries.refusal(image)
	msg := sprintf(`volume "%v": %s`, [object.get(volume, "name", ""), refusal])
	field := sprintf("%s/volumes/%d/image/reference", [pods.pointer, i])
}

old_references contains image if image := pods.old_spec.volumes[_].image.reference
