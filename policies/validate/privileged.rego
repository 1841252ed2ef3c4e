# Refuses privileged containers: such a container has every capability and all devices of its node.

# METADATA
# title: Privileged containers
# description: No container, init container or ephemeral container is privileged.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.privileged

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some entry in pods.containers
	entry.container.securityContext.privileged == true
	not entry.old.securityContext.privileged == true
	msg := sprintf("%s must not be privileged", [entry.title])
	field := concat("", [entry.field, "/securityContext/privileged"])
}
