# Wants containers to drop all capabilities and to take back none but that of binding low ports. Pods for Windows have
# none.

# METADATA
# title: Capabilities
# description: Every container drops ALL capabilities and adds none but NET_BIND_SERVICE.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.restricted.capabilities

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	not pods.windows
	some entry in pods.containers
	not "ALL" in listed(entry.container, "drop")
	not kept_some(entry.old)
	msg := sprintf("%s must drop ALL capabilities", [entry.title])
	field := concat("", [entry.field, "/securityContext/capabilities/drop"])
}

deny contains {"msg": msg, "field": field} if {
	not pods.windows
	some entry in pods.containers
	capability := entry.container.securityContext.capabilities.add[i]
	capability != "NET_BIND_SERVICE"
	not capability in listed(entry.old, "add")
	msg := sprintf(`%s must not add the capability "%v"`, [entry.title, capability])
	field := sprintf("%s/securityContext/capabilities/add/%d", [entry.field, i])
}

listed(container, list) := {capability | capability := container.securityContext.capabilities[list][_]}

kept_some(old) if {
	old != {}
	not "ALL" in listed(old, "drop")
}
