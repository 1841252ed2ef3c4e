# METADATA
# title: In namespaces that begin with defaults, Pods and widgets have a team
package kubernetes.mutation.team

patch contains {"op": "add", "path": ["metadata", "labels", "example.com/team"], "value": "unassigned"} if {
	startswith(input.request.namespace, "defaults")
	input.request.object.kind in {"Pod", "Widget"}
	not input.request.object.metadata.labels["example.com/team"]
}
