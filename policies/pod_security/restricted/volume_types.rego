# Refuses volumes that are neither configuration, storage behind a claim or driver, nor scratch space. A kind of
# volume that is newer than this list is refused. On UPDATE a volume counts as new when it is not as it was.

# METADATA
# title: Volume types
# description: Volumes are of the kinds that need no trust in who writes Pods.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
#   exceptions:
#   - reason: the node exporter reads /proc, /sys and the file systems of its node
#     match: {namespaces: [monitoring], names: ["node-exporter*"]}
package kubernetes.admission.pod_security.restricted.volume_types

import data.regate.lib.pods

allowed := {
	"configMap",
	"csi",
	"downwardAPI",
	"emptyDir",
	"ephemeral",
	"image",
	"persistentVolumeClaim",
	"projected",
	"secret",
}

deny contains {"msg": msg, "field": field} if {
	volume := pods.spec.volumes[i]
	is_object(volume)
	not volume in old_volumes
	some type, source in volume
	type != "name"
	source != null
	not type in allowed
	msg := sprintf(`volume "%v" must not be of the type %v`, [object.get(volume, "name", ""), type])
	field := sprintf("%s/volumes/%d/%s", [pods.pointer, i, type])
}

old_volumes contains volume if volume := pods.old_spec.volumes[_]
