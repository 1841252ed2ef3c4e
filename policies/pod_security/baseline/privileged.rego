# Refuses privileged containers, for which most of what isolates containers is switched off.

# METADATA
# title: Privileged containers
# description: No container is privileged.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.baseline.privileged

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some entry in pods.containers
	entry.container.securityContext.privileged == true
	not entry.old.securityContext.privileged == true
	msg := sprintf("%s must not be privileged", [entry.title])
	field := concat("", [entry.field, "/securityContext/privileged"])
}
