# METADATA
# title: Pods of marked namespaces are marked, too
# custom:
#   match:
#     resources: [pods]
#     namespaces: [marked, unmarked]
#     namespaceSelector:
#       matchExpressions: [{key: mark, operator: Exists}]
package kubernetes.mutation.marked

patch contains {"op": "add", "path": ["metadata", "labels", "mark"], "value": "set"} if {
	not input.request.object.metadata.labels.mark
}
