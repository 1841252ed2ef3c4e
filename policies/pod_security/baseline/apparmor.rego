# Refuses Pods and containers that switch AppArmor off, in their security context or with the older annotations.

# METADATA
# title: AppArmor
# description: AppArmor profiles are those of the runtime or of the node, never Unconfined.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.baseline.apparmor

import data.regate.lib.pods

deny contains {"msg": msg, "field": field} if {
	some entry in pods.security_contexts
	is_object(entry.context.appArmorProfile)
	type := object.get(entry.context.appArmorProfile, "type", "")
	not type in {"Localhost", "RuntimeDefault"}
	type != object.get(entry.old, ["appArmorProfile", "type"], null)
	msg := sprintf(`%s must not set the AppArmor profile "%v"`, [entry.title, type])
	field := concat("", [entry.field, "/appArmorProfile/type"])
}

deny contains {"msg": msg, "field": field} if {
	some key, profile in annotations("object")
	startswith(key, "container.apparmor.security.beta.kubernetes.io/")
	not allowed_profile(profile)
	profile != object.get(annotations("oldObject"), key, null)
	msg := sprintf(`the annotation "%v" must not be the AppArmor profile "%v"`, [key, profile])
	field := concat("/", [parent_pointer, "metadata/annotations", replace(key, "/", "~1")])
}

allowed_profile(profile) if profile in {"", "runtime/default"}

allowed_profile(profile) if startswith(profile, "localhost/")

# What holds the Pod spec: the Pod, or the template.
parent := array.slice(pods.spec_path, 0, count(pods.spec_path) - 1) if is_object(pods.spec)

parent_pointer := concat("", [concat("", ["/", key]) | some key in parent])

annotations(side) := found if {
	found := object.get(input.request, array.concat([side], array.concat(parent, ["metadata", "annotations"])), {})
	is_object(found)
} else := {}
