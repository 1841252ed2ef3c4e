# METADATA
# title: Readers may read ConfigMaps of the namespace library
package kubernetes.authorization.library

allow if {
	asked := input.spec.resourceAttributes
	asked.namespace == "library"
	asked.resource == "configmaps"
	asked.verb in {"get", "list", "watch"}
	"readers" in input.spec.groups
}

reason := "readers may read the library"
