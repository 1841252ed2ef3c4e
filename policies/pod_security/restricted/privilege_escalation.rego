# Wants containers to forbid that a process gains more rights than its parent. Pods for Windows cannot and need not.

# METADATA
# title: Privilege escalation
# description: Every container sets allowPrivilegeEscalation to false.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.restricted.privilege_escalation

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	not pods.windows
	some entry in pods.containers
	not confined(entry.container)
	not was_unconfined(entry.old)
	msg := sprintf("%s must set allowPrivilegeEscalation to false", [entry.title])
	field := concat("", [entry.field, "/securityContext/allowPrivilegeEscalation"])
}

confined(container) if container.securityContext.allowPrivilegeEscalation == false

was_unconfined(old) if {
	old != {}
	not confined(old)
}
