# METADATA
# title: Does not come to an end in any reasonable time
package kubernetes.image.endless

deny contains "found" if {
	some container in input.spec.containers
	contains(container.image, "/endless")
	some a in numbers.range(1, 5000)
	some b in numbers.range(1, 5000)
	a * b < 0
}
