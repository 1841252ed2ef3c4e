# METADATA
# title: In namespaces that begin with owned, Pods name their owner
# description: An object that is being deleted is left alone, and an update may keep what was there before.
package kubernetes.admission.owner

deny contains {"msg": "an owner is missing", "code": 422, "field": "/metadata/labels/owner"} if {
	startswith(input.request.namespace, "owned")
	input.request.object.kind == "Pod"
	not input.request.object.metadata.deletionTimestamp
	not input.request.object.metadata.labels.owner
	not inherited
}

inherited if {
	input.request.operation == "UPDATE"
	not input.request.oldObject.metadata.labels.owner
}
