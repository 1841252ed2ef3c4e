# METADATA
# title: Wardens may list the Pods of node n1, by field selector
package kubernetes.authorization.wardens

allow if {
	asked := input.spec.resourceAttributes
	asked.resource == "pods"
	asked.verb == "list"
	some requirement in asked.fieldSelector.requirements
	requirement == {"key": "spec.nodeName", "operator": "In", "values": ["n1"]}
	"wardens" in input.spec.groups
}
