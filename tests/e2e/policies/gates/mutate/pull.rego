# METADATA
# title: In namespaces that begin with defaults, images are always pulled
package kubernetes.mutation.pull

mutated := object.union(input.request.object, {"spec": {"containers": containers}}) if {
	startswith(input.request.namespace, "defaults")
	input.request.object.kind == "Pod"
}

containers := [object.union(container, {"imagePullPolicy": "Always"}) |
	some container in input.request.object.spec.containers
]
