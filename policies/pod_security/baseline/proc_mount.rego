# Refuses containers that see all of /proc. Pods in a user namespace are refused too, which the standard lets pass
# since Kubernetes 1.35.

# METADATA
# title: /proc
# description: /proc is mounted with the masks of the container runtime.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.baseline.proc_mount

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some entry in pods.containers
	mount := entry.container.securityContext.procMount
	not mount in {"Default", null}
	not entry.old.securityContext.procMount == mount
	msg := sprintf(`%s must not set procMount to "%v"`, [entry.title, mount])
	field := concat("", [entry.field, "/securityContext/procMount"])
}
