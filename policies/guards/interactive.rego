# Keeps people out of running containers in the namespaces that `match` lists: exec, attach, and containers added to a Pod
# for debugging. Who may all the same leaves a trace: an audit annotation says by which group.
#
# Parameter `groups`: the groups that may (default break-glass).

# METADATA
# title: Interactive access
# description: In namespaces of production, only break-glass gets into a running container.
# custom:
#   match:
#     operations: [CONNECT, UPDATE]
#     resources: [pods/attach, pods/ephemeralcontainers, pods/exec]
#     namespaces: [production, "*-production"]
#   parameters:
#     groups: [break-glass]
package kubernetes.admission.guards.interactive

deny contains msg if {
	count(exempt) == 0
	msg := sprintf("%s in Pods of %s is not allowed", [input.request.subResource, input.request.namespace])
}

audit_annotations := {"group": concat(", ", exempt)} if count(exempt) > 0

exempt contains group if {
	group := input.request.userInfo.groups[_]
	group in input.parameters.groups
}
