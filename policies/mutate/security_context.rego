# Gives new Pods the safe settings of their security context that break next to nothing: the runtime's seccomp profile,
# and no privilege escalation in containers. What somebody set stays as it is. Containers that the API would refuse
# with the setting (privileged ones and those with SYS_ADMIN) are left alone, and so are Pods for Windows.

# METADATA
# title: Safe security context
# description: Pods run under the runtime's seccomp profile, their containers without privilege escalation.
# custom:
#   match:
#     operations: [CREATE]
#     kinds: [Pod]
package kubernetes.mutation.security_context

mutated := object.union(input.request.object, {"spec": spec}) if new_pod

pod := input.request.object.spec if is_object(input.request.object.spec)

# The object's side of a union wins, so the defaults stand on the left.
spec := object.union({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, object.union(pod, lists))

lists := {list: [hardened(container) | some container in pod[list]] |
	some list in ["containers", "initContainers"]
	is_array(pod[list])
}

hardened(container) := object.union({"securityContext": {"allowPrivilegeEscalation": false}}, container) if {
	is_object(container)
	not may_escalate(container)
} else := container

may_escalate(container) if container.securityContext.privileged == true

may_escalate(container) if {
	some capability in container.securityContext.capabilities.add
	capability in {"SYS_ADMIN", "CAP_SYS_ADMIN"}
}

new_pod if {
	input.request.operation == "CREATE"
	input.request.kind.kind == "Pod"
	input.request.kind.group == ""
	object.get(input.request, "subResource", "") == ""
	not pod.os.name == "windows"
}
