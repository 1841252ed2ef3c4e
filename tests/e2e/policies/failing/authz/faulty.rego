# METADATA
# title: Fails to say whether a namespace is closed
package kubernetes.authorization.faulty

deny contains "the namespace is closed" if {
	startswith(input.spec.resourceAttributes.namespace, "faulty")
	to_number(input.spec.resourceAttributes.namespace) > 1
}
