# Wants the kubelet to refuse containers whose image runs as root: runAsNonRoot is true for each, its own or the
# Pod's. Pods in a user namespace are refused too, which the standard lets pass since Kubernetes 1.35.

# METADATA
# title: Non-root
# description: Every container runs with runAsNonRoot, its own or that of the Pod.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.restricted.run_as_non_root

import data.regate.lib.pods

deny contains {"msg": "the Pod must not set runAsNonRoot to false", "field": field} if {
	pods.spec.securityContext.runAsNonRoot == false
	not pods.old_spec.securityContext.runAsNonRoot == false
	field := concat("", [pods.pointer, "/securityContext/runAsNonRoot"])
}

deny contains {"msg": msg, "field": field} if {
	some entry in pods.containers
	not non_root(entry.container, pods.spec)
	not could_be_root(entry.old)
	msg := sprintf("%s needs runAsNonRoot: true, its own or the Pod's", [entry.title])
	field := concat("", [entry.field, "/securityContext/runAsNonRoot"])
}

non_root(container, _) if container.securityContext.runAsNonRoot == true

non_root(container, spec) if {
	object.get(container, ["securityContext", "runAsNonRoot"], null) == null
	spec.securityContext.runAsNonRoot == true
}

could_be_root(old) if {
	old != {}
	not non_root(old, pods.old_spec)
}
