# Refuses Pods in the network, process or IPC namespace of their node: they see, and can reach, what runs beside them.

# METADATA
# title: Host namespaces
# description: hostNetwork, hostPID and hostIPC are not set.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.host_namespaces

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some setting in ["hostIPC", "hostNetwork", "hostPID"]
	pods.spec[setting] == true
	not pods.old_spec[setting] == true
	msg := sprintf("%s must not be true", [setting])
	field := concat("/", [pods.pointer, setting])
}
