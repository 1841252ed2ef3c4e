# METADATA
# title: Says of every container when its image is pulled
# custom:
#   match: {kinds: [Pod], namespaces: [ordered], operations: [CREATE]}
package kubernetes.mutation.pull

patch contains {"op": "add", "path": ["spec", "containers", i, "imagePullPolicy"], "value": "Never"} if {
	some i, container in input.request.object.spec.containers
	not container.imagePullPolicy
}
