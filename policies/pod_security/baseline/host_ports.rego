# Refuses ports of the node. On UPDATE a port counts as new when the container did not have it before.

# METADATA
# title: Host ports
# description: No container listens on a port of its node.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
#   exceptions:
#   - reason: in the network of its node, a port of the node exporter is one of the node
#     match: {namespaces: [monitoring], names: ["node-exporter*"]}
package kubernetes.admission.pod_security.baseline.host_ports

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some entry in pods.containers
	port := entry.container.ports[i].hostPort
	not port in {0, null}
	not port in used(entry.old)
	msg := sprintf("%s must not use the host port %v", [entry.title, port])
	field := sprintf("%s/ports/%d/hostPort", [entry.field, i])
}

used(container) := {port | port := container.ports[_].hostPort}
