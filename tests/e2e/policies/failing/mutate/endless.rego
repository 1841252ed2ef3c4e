# METADATA
# title: Does not come to an end in any reasonable time
# custom:
#   match: {resources: [configmaps], operations: [CREATE]}
package kubernetes.mutation.endless

patch contains {"op": "add", "path": "/data", "value": {}} if {
	startswith(input.request.name, "endless")
	some a in numbers.range(1, 5000)
	some b in numbers.range(1, 5000)
	a * b < 0
}
