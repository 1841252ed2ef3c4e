# Denies the members of a team requests for all namespaces at once (`kubectl get pods -A`): they would walk around what
# is denied in the namespaces of other teams. What has no namespace (Nodes, Namespaces) is left to RBAC. A resource that
# is not in the table counts as one in namespaces, so that a new one is not readable for all by accident.
#
# Parameters `teams` and `operators`: see teams.rego.
# Parameter `cluster_scoped`: the resources without a namespace, by API group, `*` for all of a group (default: see below).

# METADATA
# title: All namespaces
# description: Members of a team ask for one namespace at a time.
# custom:
#   match:
#     operations: [list, watch, deletecollection]
#     namespaces: [""]
package kubernetes.authorization.tenants.all_namespaces

import data.regate.lib.teams

cluster_scoped := object.get(input, ["parameters", "cluster_scoped"], {
	"": ["componentstatuses", "namespaces", "nodes", "persistentvolumes"],
	"admissionregistration.k8s.io": ["*"],
	"apiextensions.k8s.io": ["*"],
	"apiregistration.k8s.io": ["*"],
	"certificates.k8s.io": ["certificatesigningrequests", "clustertrustbundles"],
	"flowcontrol.apiserver.k8s.io": ["*"],
	"metrics.k8s.io": ["nodes"],
	"networking.k8s.io": ["ingressclasses", "ipaddresses", "servicecidrs"],
	"node.k8s.io": ["*"],
	"rbac.authorization.k8s.io": ["clusterrolebindings", "clusterroles"],
	"resource.k8s.io": ["deviceclasses", "devicetaintrules", "resourceslices"],
	"scheduling.k8s.io": ["priorityclasses"],
	"storage.k8s.io": ["csidrivers", "csinodes", "storageclasses", "volumeattachments", "volumeattributesclasses"],
})

# The verbs and the namespace are those of `match`; said again for a review that asks for `*`.
deny contains msg if {
	teams.tenant
	teams.namespace == ""
	teams.asked.verb in {"list", "watch", "deletecollection", "*"}
	not without_namespace
	msg := sprintf("%s %s in all namespaces is not for tenants: name a namespace of your team", [
		teams.asked.verb,
		object.get(teams.asked, "resource", ""),
	])
}

without_namespace if {
	names := cluster_scoped[object.get(teams.asked, "group", "")]
	some name in [teams.asked.resource, "*"]
	name in names
}
