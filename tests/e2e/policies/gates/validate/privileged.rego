# METADATA
# title: No privileged containers, no host network
package kubernetes.admission.privileged

deny contains sprintf("container %s is privileged", [container.name]) if {
	some container in input.request.object.spec.containers
	container.securityContext.privileged
}

deny contains "the Pod uses the host's network" if {
	input.request.object.kind == "Pod"
	input.request.object.spec.hostNetwork
}
