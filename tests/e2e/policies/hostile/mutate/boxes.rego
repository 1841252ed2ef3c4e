# METADATA
# title: The weight of a box is written on it
# custom:
#   match: {apiGroups: [e2e.example.com], resources: [boxes], operations: [CREATE, UPDATE]}
package kubernetes.mutation.boxes

patch contains {"op": "add", "path": "/spec/weight", "value": count(input.request.object.spec.content)} if {
	not input.request.object.spec.weight
}
