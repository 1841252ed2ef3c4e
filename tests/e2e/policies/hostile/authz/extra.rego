# METADATA
# title: Whoever brings a flag may not see Pods
package kubernetes.authorization.extra

deny contains sprintf("a flag among %d extras", [count(input.spec.extra)]) if {
	input.spec.resourceAttributes.resource == "pods"
	input.spec.extra.flag
}
