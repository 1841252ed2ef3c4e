# Gives new Pods the labels that they lack. A label that is there stays as it is, even an empty one.
#
# Parameter `labels`: the labels and their values (default: see below).

# METADATA
# title: Default labels
# description: Pods have the labels by which they are counted, with a value that shows who has set none.
# custom:
#   match:
#     operations: [CREATE]
#     kinds: [Pod]
package kubernetes.mutation.default_labels

labels := object.get(input, ["parameters", "labels"], {
	"app.kubernetes.io/part-of": "unassigned",
	"team": "unassigned",
})

patch contains {"op": "add", "path": ["metadata", "labels", key], "value": value} if {
	new_pod
	some key, value in labels
	object.get(input.request, ["object", "metadata", "labels", key], null) == null
}

new_pod if {
	input.request.operation == "CREATE"
	input.request.kind.kind == "Pod"
	input.request.kind.group == ""
	object.get(input.request, "subResource", "") == ""
}
