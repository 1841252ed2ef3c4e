# METADATA
# title: In the namespace broken-access, a denial of ConfigMaps that fails unless their name is a number
package kubernetes.authorization.broken_denial

deny contains "the number is too high" if {
	asked := input.spec.resourceAttributes
	asked.namespace == "broken-access"
	asked.resource == "configmaps"
	to_number(asked.name) > 10
}
