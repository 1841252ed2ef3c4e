# METADATA
# title: Fails to say what to change
# custom:
#   match: {resources: [configmaps], operations: [CREATE]}
package kubernetes.mutation.faulty

patch contains {"op": "add", "path": "/data", "value": {}} if {
	startswith(input.request.name, "faulty")
	to_number(input.request.name) > 1
}
