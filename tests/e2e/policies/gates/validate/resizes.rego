# METADATA
# title: In the namespace resizes, no container asks for two CPUs
# custom:
#   match: {kinds: [Pod], namespaces: [resizes]}
package kubernetes.admission.resizes

deny contains "two CPUs are too many" if {
	some container in input.request.object.spec.containers
	container.resources.requests.cpu == "2"
}
