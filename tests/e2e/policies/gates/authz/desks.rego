# METADATA
# title: A desk may list the Pods that carry its label, by label selector
package kubernetes.authorization.desks

allow if {
	asked := input.spec.resourceAttributes
	asked.resource == "pods"
	asked.verb == "list"
	some requirement in asked.labelSelector.requirements
	requirement == {"key": "desk", "operator": "In", "values": ["7"]}
	"desks" in input.spec.groups
}
