# METADATA
# title: In the namespace broken-access, an allowance of Pods that fails unless their name is a number
package kubernetes.authorization.broken_allowance

allow if {
	asked := input.spec.resourceAttributes
	asked.namespace == "broken-access"
	asked.resource == "pods"
	to_number(asked.name) > 10
}
