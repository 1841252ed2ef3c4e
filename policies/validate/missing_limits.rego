# Refuses containers without a limit for CPU and memory, set on the container or on the Pod. Ephemeral containers are
# not looked at: the API takes no resources there.
#
# Parameter `resources`: the resources that need a limit (default cpu and memory).

# METADATA
# title: Missing limits
# description: Every container has a limit for CPU and memory.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.missing_limits

import data.regate.lib.pods

required := object.get(input, ["parameters", "resources"], ["cpu", "memory"])

deny contains {"msg": msg, "field": field} if {
	some entry in unlimited
	msg := sprintf("%s has no %s limit", [entry.title, entry.resource])
	field := concat("", [entry.field, "/resources/limits"])
}

unlimited contains {"title": entry.title, "field": entry.field, "resource": resource} if {
	some entry in pods.containers
	entry.list != "ephemeralContainers"
	some resource in required
	not has_limit(entry.container, resource)
	not resource in pod_limits
	not was_unlimited(entry, resource)
}

pod_limits := {resource |
	some resource in required
	has_limit(pods.spec, resource)
}

old_pod_limits := {resource |
	some resource in required
	has_limit(pods.old_spec, resource)
}

# A limit of zero is none.
has_limit(holder, resource) if {
	limit := holder.resources.limits[resource]
	not limit in {null, "", "0", 0}
}

was_unlimited(entry, resource) if {
	entry.old != {}
	not has_limit(entry.old, resource)
	not resource in old_pod_limits
}
