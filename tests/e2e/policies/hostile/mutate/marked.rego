# METADATA
# title: What is marked is not taken
# custom:
#   match: {resources: [configmaps], operations: [CREATE], namespaces: [hostile-*]}
package kubernetes.mutation.marked

deny contains sprintf("marked, with %d annotations", [count(input.request.object.metadata.annotations)]) if {
	input.request.object.metadata.annotations.marked
}
