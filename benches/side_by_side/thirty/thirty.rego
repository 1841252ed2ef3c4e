# Thirty deny rules such as a cluster has for its Pods, over containers, labels, volumes, capabilities, probes, images
# and resources. Regate and OPA serve this same file; the shared filters are rules, as either engine's authors advise.
package kubernetes.admission.thirty

spec := input.request.object.spec if {
	input.request.kind.kind == "Pod"
	input.request.operation in {"CREATE", "UPDATE"}
}

long_running := [container | some container in spec.containers]

containers := array.concat(long_running, [container | some container in object.get(spec, "initContainers", [])])

labels := object.get(input.request.object, ["metadata", "labels"], {})

allowed_capabilities := {"NET_BIND_SERVICE"}

trusted_registries := {"docker.io", "quay.io", "registry.k8s.io"}

required_labels := {"app.kubernetes.io/name", "app.kubernetes.io/part-of", "team"}

registry(image) := split(image, "/")[0] if {
	contains(image, "/")
	regex.match(`^[^/]*[.:]`, image)
} else := "docker.io"

tag(image) := parts[1] if {
	last := regex.replace(image, "^.*/", "")
	parts := split(last, ":")
	count(parts) > 1
} else := "latest"

# Security contexts.

deny contains sprintf("container %s is privileged", [container.name]) if {
	some container in containers
	container.securityContext.privileged
}

deny contains sprintf("container %s may escalate its privileges", [container.name]) if {
	some container in containers
	not container.securityContext.allowPrivilegeEscalation == false
}

deny contains sprintf("container %s may run as root", [container.name]) if {
	some container in containers
	not container.securityContext.runAsNonRoot
	not spec.securityContext.runAsNonRoot
}

deny contains sprintf("container %s runs as user 0", [container.name]) if {
	some container in containers
	container.securityContext.runAsUser == 0
}

deny contains sprintf("container %s can write to its root file system", [container.name]) if {
	some container in containers
	not container.securityContext.readOnlyRootFilesystem
}

deny contains sprintf("container %s adds the capability %s", [container.name, capability]) if {
	some container in containers
	some capability in container.securityContext.capabilities.add
	not capability in allowed_capabilities
}

deny contains sprintf("container %s does not drop all capabilities", [container.name]) if {
	some container in containers
	dropped := {capability | some capability in container.securityContext.capabilities.drop}
	not "ALL" in dropped
}

deny contains sprintf("container %s has no seccomp profile", [container.name]) if {
	some container in containers
	not container.securityContext.seccompProfile
	not spec.securityContext.seccompProfile
}

deny contains sprintf("container %s unmasks /proc", [container.name]) if {
	some container in containers
	container.securityContext.procMount == "Unmasked"
}

# Images.

deny contains sprintf("image %s is from an untrusted registry", [container.image]) if {
	some container in containers
	host := registry(container.image)
	not host in trusted_registries
}

deny contains sprintf("image %s has the tag latest", [container.image]) if {
	some container in containers
	not contains(container.image, "@sha256:")
	tag(container.image) == "latest"
}

deny contains sprintf("image %s is never pulled", [container.image]) if {
	some container in containers
	container.imagePullPolicy == "Never"
}

# Resources.

deny contains sprintf("container %s has no CPU limit", [container.name]) if {
	some container in containers
	not container.resources.limits.cpu
}

deny contains sprintf("container %s has no memory limit", [container.name]) if {
	some container in containers
	not container.resources.limits.memory
}

deny contains sprintf("container %s has no CPU request", [container.name]) if {
	some container in containers
	not container.resources.requests.cpu
}

deny contains sprintf("container %s has no memory request", [container.name]) if {
	some container in containers
	not container.resources.requests.memory
}

# Probes, ports, environment, names.

deny contains sprintf("container %s has no liveness probe", [container.name]) if {
	some container in long_running
	not container.livenessProbe
}

deny contains sprintf("container %s has no readiness probe", [container.name]) if {
	some container in long_running
	not container.readinessProbe
}

deny contains sprintf("container %s takes port %d of its node", [container.name, port.hostPort]) if {
	some container in containers
	some port in container.ports
	port.hostPort > 0
}

deny contains sprintf("variable %s of container %s holds a secret", [variable.name, container.name]) if {
	some container in containers
	some variable in container.env
	variable.value
	regex.match(`(?i)(password|secret|token)$`, variable.name)
}

deny contains sprintf("container %s does not have an ordinary name", [container.name]) if {
	some container in containers
	not regex.match(`^[a-z][a-z0-9-]{1,40}$`, container.name)
}

# The Pod.

deny contains "hostNetwork is set" if spec.hostNetwork

deny contains "hostPID is set" if spec.hostPID

deny contains "hostIPC is set" if spec.hostIPC

deny contains sprintf("volume %s is the host path %s", [volume.name, volume.hostPath.path]) if {
	some volume in spec.volumes
	volume.hostPath
}

deny contains sprintf("the label %s is missing", [label]) if {
	spec
	some label in required_labels
	not labels[label]
}

deny contains "the default service account's token is mounted" if {
	object.get(spec, "serviceAccountName", "default") == "default"
	not spec.automountServiceAccountToken == false
}

deny contains "nodeName is set" if spec.nodeName

deny contains sprintf("the priority class %s is the system's", [spec.priorityClassName]) if {
	startswith(spec.priorityClassName, "system-")
}

deny contains sprintf("the taint %s is tolerated", [toleration.key]) if {
	some toleration in spec.tolerations
	startswith(toleration.key, "node-role.kubernetes.io/")
}
