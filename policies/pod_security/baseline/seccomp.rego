# Refuses Pods and containers that switch seccomp off. One that sets no profile is let through: see restricted.

# METADATA
# title: Seccomp
# description: Seccomp profiles are those of the runtime or of the node, never Unconfined.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.baseline.seccomp

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some entry in pods.security_contexts
	is_object(entry.context.seccompProfile)
	type := object.get(entry.context.seccompProfile, "type", "")
	not type in {"Localhost", "RuntimeDefault"}
	type != object.get(entry.old, ["seccompProfile", "type"], null)
	msg := sprintf(`%s must not set the seccomp profile "%v"`, [entry.title, type])
	field := concat("", [entry.field, "/seccompProfile/type"])
}
