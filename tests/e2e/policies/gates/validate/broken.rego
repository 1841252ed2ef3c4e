# METADATA
# title: In namespaces that begin with broken-validation, a policy that fails while it is evaluated
package kubernetes.admission.broken

deny contains sprintf("%d is too many", [to_number(input.request.object.metadata.labels.count)]) if {
	startswith(input.request.namespace, "broken-validation")
	to_number(input.request.object.metadata.labels.count) > 10
}
