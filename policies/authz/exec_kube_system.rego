# Denies getting into the Pods of kube-system: exec, attach, port forwarding and ephemeral containers. A request without
# a namespace asks for all namespaces (`-A`) or for the whole cluster, so it is judged too; so is a `*` of a review that
# asks for everything.
#
# Parameter `namespaces`: the namespaces nobody may enter (default kube-system).
# Parameter `groups`: the groups that may all the same (default system:masters).

# METADATA
# title: Exec into kube-system
# description: Only system:masters gets into the Pods of kube-system.
# custom:
#   match:
#     operations: [create, get, patch, update]
#     apiGroups: [""]
package kubernetes.authorization.exec_kube_system

namespaces := object.get(input, ["parameters", "namespaces"], ["kube-system"])

exempt_groups := object.get(input, ["parameters", "groups"], ["system:masters"])

# The verbs with which each subresource of a Pod lets somebody in; exec, attach and portforward are a GET or a POST.
ways_in := {
	"attach": {"create", "get"},
	"ephemeralcontainers": {"patch", "update"},
	"exec": {"create", "get"},
	"portforward": {"create", "get"},
}

deny contains msg if {
	some subresource, verbs in ways_in
	some verb in verbs
	object.get(asked, "verb", "") in {verb, "*"}
	object.get(asked, "group", "") in {"", "*"}
	asks_for(subresource)
	some namespace in namespaces
	object.get(asked, "namespace", "") in {namespace, ""}
	not exempt
	msg := sprintf("%s into pods of %s is not allowed", [subresource, namespace])
}

asked := input.spec.resourceAttributes if is_object(input.spec.resourceAttributes)

asks_for(subresource) if {
	asked.resource in {"pods", "*"}
	asked.subresource in {subresource, "*"}
}

# As in RBAC, all resources are also all subresources.
asks_for(_) if {
	asked.resource == "*"
	object.get(asked, "subresource", "") == ""
}

# As in RBAC, a resource may be written with its subresource.
asks_for(subresource) if {
	asked.resource in {concat("/", [resource, part]) |
		some resource in ["pods", "*"]
		some part in [subresource, "*"]
	}
	object.get(asked, "subresource", "") == ""
}

exempt if {
	group := input.spec.groups[_]
	group in exempt_groups
}
