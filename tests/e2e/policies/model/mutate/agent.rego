# METADATA
# title: Adds a container; the policy after it by name completes containers, so this one asks to come first
# custom:
#   order: -1
#   match: {kinds: [Pod], namespaces: [ordered], operations: [CREATE]}
package kubernetes.mutation.z_agent

patch contains {"op": "add", "path": "/spec/containers/-", "value": {"name": "agent", "image": "agent:1"}} if {
	every container in input.request.object.spec.containers { container.name != "agent" }
}
