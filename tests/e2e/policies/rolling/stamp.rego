# METADATA
# title: A ConfigMap of the crew says who made it
package kubernetes.mutation.stamp

patch contains {"op": "add", "path": ["metadata", "labels"], "value": {"maker": input.request.userInfo.username}} if {
	input.request.object.kind == "ConfigMap"
	"crew" in input.request.userInfo.groups
	not input.request.object.metadata.labels
}
