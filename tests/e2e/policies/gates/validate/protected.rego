# METADATA
# title: What is labelled as protected is neither deleted nor evicted
package kubernetes.admission.protected

deny contains sprintf("%s is protected", [input.request.name]) if {
	input.request.operation == "DELETE"
	input.request.object == null
	input.request.oldObject.metadata.labels.protected == "yes"
}

deny contains sprintf("%s may not be evicted", [input.request.name]) if {
	input.request.operation == "CREATE"
	input.request.subResource == "eviction"
	startswith(input.request.name, "protected")
}
