# Refuses volumes that are a directory or file of the node. On UPDATE a path counts as new when no volume had it before.

# METADATA
# title: Host paths
# description: No volume is a hostPath.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.host_path

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	volume := pods.spec.volumes[i]
	is_object(volume.hostPath)
	path := object.get(volume.hostPath, "path", "")
	not path in old_paths
	msg := sprintf(`volume "%v" must not be the host path "%v"`, [object.get(volume, "name", ""), path])
	field := sprintf("%s/volumes/%d/hostPath", [pods.pointer, i])
}

old_paths contains path if path := pods.old_spec.volumes[_].hostPath.path
