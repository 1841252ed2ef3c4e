# METADATA
# title: In namespaces that begin with endless, a policy that does not come to an end in any reasonable time
package kubernetes.admission.endless

deny contains "found" if {
	input.request.object.kind == "Pod"
	startswith(input.request.namespace, "endless")
	some a in numbers.range(1, 5000)
	some b in numbers.range(1, 5000)
	a * b < 0
}
