# Lets a group read the resources listed here, in every namespace, and nothing else: no Secrets, no ConfigMaps, no logs,
# and no subresource that is not listed (`get pods/exec` opens a shell).
#
# Parameter `groups`: the groups that may read (default read-only).
# Parameter `resources`: what they may read, by API group (default: the table below).

# METADATA
# title: Read-only group
# description: Members of the group read-only may get, list and watch what is no secret.
# custom:
#   match:
#     operations: [get, list, watch]
package kubernetes.authorization.readonly_group

groups := object.get(input, ["parameters", "groups"], ["read-only"])

resources := object.get(input, ["parameters", "resources"], {
	"": [
		"endpoints",
		"events",
		"limitranges",
		"namespaces",
		"nodes",
		"persistentvolumeclaims",
		"persistentvolumes",
		"pods",
		"pods/status",
		"replicationcontrollers",
		"resourcequotas",
		"serviceaccounts",
		"services",
	],
	"apps": [
		"daemonsets",
		"daemonsets/status",
		"deployments",
		"deployments/status",
		"replicasets",
		"replicasets/status",
		"statefulsets",
		"statefulsets/status",
	],
	"autoscaling": ["horizontalpodautoscalers"],
	"batch": ["cronjobs", "cronjobs/status", "jobs", "jobs/status"],
	"discovery.k8s.io": ["endpointslices"],
	"networking.k8s.io": ["ingresses", "networkpolicies"],
	"policy": ["poddisruptionbudgets"],
	"storage.k8s.io": ["storageclasses"],
})

allow if {
	asked.verb in {"get", "list", "watch"}
	resource in resources[object.get(asked, "group", "")]
	group := input.spec.groups[_]
	group in groups
}

reason := sprintf("read-only access to %s", [resource]) if allow

asked := input.spec.resourceAttributes if is_object(input.spec.resourceAttributes)

# The resource with its subresource, if there is one.
resource := concat("/", [part |
	some part in [asked.resource, object.get(asked, "subresource", "")]
	part != ""
])
