# Wants a seccomp profile for every container, its own or the Pod's. Pods for Windows cannot have one.

# METADATA
# title: Seccomp
# description: Every container runs under a seccomp profile of the runtime or the node.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.restricted.seccomp

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	not pods.windows
	some entry in pods.containers
	not filtered(entry.container, pods.spec)
	not was_unfiltered(entry.old)
	msg := sprintf("%s needs the seccomp profile RuntimeDefault or Localhost, its own or the Pod's", [entry.title])
	field := concat("", [entry.field, "/securityContext/seccompProfile"])
}

filtered(container, spec) if {
	inherited := object.get(spec, ["securityContext", "seccompProfile", "type"], "")
	own := object.get(container, ["securityContext", "seccompProfile", "type"], inherited)
	own in {"Localhost", "RuntimeDefault"}
}

was_unfiltered(old) if {
	old != {}
	not filtered(old, pods.old_spec)
}
