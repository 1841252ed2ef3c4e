# Refuses the user 0. Pods in a user namespace are refused too, which the standard lets pass since Kubernetes 1.35.

# METADATA
# title: Root user
# description: No Pod and no container runs as user 0.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.restricted.run_as_user

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some entry in pods.security_contexts
	entry.context.runAsUser == 0
	not entry.old.runAsUser == 0
	msg := sprintf("%s must not run as user 0", [entry.title])
	field := concat("", [entry.field, "/runAsUser"])
}
