# METADATA
# title: A replaced ConfigMap has to differ
# custom:
#   match: {resources: [configmaps], operations: [UPDATE], namespaces: [hostile-*]}
package kubernetes.admission.maps

deny contains sprintf("the same %d characters as before", [count(input.request.object.data.content)]) if {
	input.request.object.data.content == input.request.oldObject.data.content
}
