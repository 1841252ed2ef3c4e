# METADATA
# title: In namespaces that begin with broken, a mutation that cannot be applied
package kubernetes.mutation.broken

patch contains {"op": "remove", "path": "/metadata/labels/never-there"} if {
	startswith(input.request.namespace, "broken-mutation")
	input.request.operation == "CREATE"
	input.request.object.kind == "Pod"
}
