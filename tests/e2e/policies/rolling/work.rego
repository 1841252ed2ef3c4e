# METADATA
# title: The crew may create ConfigMaps
package kubernetes.authorization.work

allow if {
	asked := input.spec.resourceAttributes
	asked.resource == "configmaps"
	asked.verb == "create"
	"crew" in input.spec.groups
}
