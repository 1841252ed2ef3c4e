# Refuses SELinux users and roles, and types beyond those that are made for containers.

# METADATA
# title: SELinux
# description: SELinux types are those of containers; users and roles are not set.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.baseline.selinux

import data.regate.lib.pods

allowed := {
	"role": {"", null},
	"type": {"", null, "container_engine_t", "container_init_t", "container_kvm_t", "container_t"},
	"user": {"", null},
}

deny contains {"msg": msg, "field": field} if {
	some entry in pods.security_contexts
	some part, values in allowed
	value := object.get(entry.context, ["seLinuxOptions", part], "")
	not value in values
	value != object.get(entry.old, ["seLinuxOptions", part], "")
	msg := sprintf(`%s must not set the SELinux %s "%v"`, [entry.title, part, value])
	field := concat("/", [entry.field, "seLinuxOptions", part])
}
