# METADATA
# title: Does not come to an end in any reasonable time
package kubernetes.authentication.endless

user := {"username": "nobody"} if {
	startswith(input.spec.token, "endless")
	some a in numbers.range(1, 5000)
	some b in numbers.range(1, 5000)
	a * b < 0
}
