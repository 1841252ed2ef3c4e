# METADATA
# title: Wants to change what is being deleted, which has no object to change
package kubernetes.mutation.farewell

patch contains {"op": "add", "path": "/metadata/annotations", "value": {"example.com/farewell": "yes"}} if {
	input.request.operation == "DELETE"
	startswith(input.request.namespace, "deletes")
}
