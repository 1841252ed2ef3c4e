# Wants images with a version in the namespaces of production: there, what runs tomorrow is what ran today.

# METADATA
# title: Pinned images in production
# description: In namespaces of production, images are pinned by a tag other than latest, or by digest.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
#     namespaceSelector:
#       matchLabels: {environment: production}
package kubernetes.admission.guards.pinned_images

import data.regate.lib.images
import data.regate.lib.pods

deny contains {"msg": msg, "field": concat("", [entry.field, "/image"])} if {
	some entry in pods.containers
	image := object.get(entry.container, "image", "")
	not images.pinned(image)
	image != object.get(entry.old, "image", null)
	msg := sprintf(`%s: image "%v" needs a tag other than latest, or a digest`, [entry.title, image])
}
