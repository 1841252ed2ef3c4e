# Refuses probes and lifecycle hooks that name a host: the kubelet asks from the node, and would ask any host for the
# author of the Pod.

# METADATA
# title: Probes and hooks of other hosts
# description: No probe and no lifecycle hook names a host; they ask the Pod itself.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.baseline.host_probes

import data.regate.lib.pods

# Where a container can have the kubelet ask something.
hooks := [
	["livenessProbe"],
	["readinessProbe"],
	["startupProbe"],
	["lifecycle", "postStart"],
	["lifecycle", "preStop"],
]

deny contains {"msg": msg, "field": field} if {
	some entry in pods.containers
	some hook in hooks
	some handler in ["httpGet", "tcpSocket"]
	path := array.concat(hook, [handler, "host"])
	host := object.get(entry.container, path, "")
	not host in {"", null}
	host != object.get(entry.old, path, "")
	msg := sprintf(`%s must not name the host "%v" in %s`, [entry.title, host, concat(".", hook)])
	field := concat("/", array.concat([entry.field], path))
}
