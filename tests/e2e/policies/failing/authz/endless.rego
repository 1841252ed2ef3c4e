# METADATA
# title: Does not come to an end in any reasonable time
package kubernetes.authorization.endless

deny contains "found" if {
	startswith(input.spec.resourceAttributes.namespace, "endless")
	some a in numbers.range(1, 5000)
	some b in numbers.range(1, 5000)
	a * b < 0
}
