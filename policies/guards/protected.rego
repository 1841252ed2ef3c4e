# Keeps what is marked with the label `regate.dev/protected: "true"` from being deleted, alone or with all others. Taking
# the label away first is the way to mean it; who may do that is for RBAC to say.

# METADATA
# title: Protected objects
# description: What has the label regate.dev/protected is not deleted.
# custom:
#   match:
#     operations: [DELETE]
#     kinds: [ConfigMap, Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service, apps/DaemonSet,
#       apps/Deployment, apps/StatefulSet, batch/CronJob]
package kubernetes.admission.guards.protected

deny contains {"msg": msg, "field": "/metadata/labels/regate.dev~1protected"} if {
	input.request.operation == "DELETE"
	input.request.oldObject.metadata.labels["regate.dev/protected"] == "true"
	msg := sprintf(`%s "%v" is protected: take its label regate.dev/protected away first`, [
		input.request.kind.kind,
		object.get(input.request.oldObject, ["metadata", "name"], ""),
	])
}
