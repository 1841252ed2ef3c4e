# METADATA
# title: A Pod belongs to the owner of its namespace
# custom:
#   match:
#     operations: [CREATE]
#     resources: [pods]
package kubernetes.admission.owned

deny contains msg if {
	owner := input.regate.namespace.labels.owner
	object.get(input.request.object.metadata, ["labels", "owner"], "nobody") != owner
	msg := sprintf("what runs in %s belongs to %s", [input.regate.namespace.name, owner])
}
