# Refuses Pods in the network, process or IPC namespace of their node. As in every policy with such an exception, who
# may write to the namespace monitoring may choose the name.

# METADATA
# title: Host namespaces
# description: hostNetwork, hostPID and hostIPC are not true.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
#   exceptions:
#   - reason: the node exporter reads the processes and interfaces of its node
#     match: {namespaces: [monitoring], names: ["node-exporter*"]}
#     until: "2036-12-31"
package kubernetes.admission.pod_security.baseline.host_namespaces

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some setting in ["hostIPC", "hostNetwork", "hostPID"]
	pods.spec[setting] == true
	not pods.old_spec[setting] == true
	msg := sprintf("%s must not be true", [setting])
	field := concat("/", [pods.pointer, setting])
}
