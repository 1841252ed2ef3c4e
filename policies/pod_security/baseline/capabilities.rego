# Refuses capabilities beyond those that container runtimes give by default, NET_RAW excepted. The list is the
# standard's.

# METADATA
# title: Capabilities
# description: Containers add no capability beyond the usual ones of container runtimes.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.baseline.capabilities

import data.regate.lib.pods

allowed := {
	"AUDIT_WRITE",
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"MKNOD",
	"NET_BIND_SERVICE",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYS_CHROOT",
}

deny contains {"msg": msg, "field": field} if {
	some entry in pods.containers
	capability := entry.container.securityContext.capabilities.add[i]
	not capability in allowed
	not capability in added(entry.old)
	msg := sprintf(`%s must not add the capability "%v"`, [entry.title, capability])
	field := sprintf("%s/securityContext/capabilities/add/%d", [entry.field, i])
}

added(container) := {capability | capability := container.securityContext.capabilities.add[_]}
