# Refuses HostProcess containers: on Windows they run as a process of the node, with its rights.

# METADATA
# title: HostProcess
# description: No Pod and no container for Windows is a HostProcess container.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.baseline.host_process

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some entry in pods.security_contexts
	entry.context.windowsOptions.hostProcess == true
	not entry.old.windowsOptions.hostProcess == true
	msg := sprintf("%s must not set hostProcess to true", [entry.title])
	field := concat("", [entry.field, "/windowsOptions/hostProcess"])
}
