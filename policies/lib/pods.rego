# What a Pod policy has to look at: the Pod spec that an AdmissionReview writes, on its own or as the template of a
# controller, with every container in it. Read by the policies of the validate gate.
#
# Undefined or empty for a review that writes no Pod spec: other kinds and subresources, DELETE, CONNECT, and updates of
# what is being deleted (nothing may keep such an object from losing its finalizers). On UPDATE the old state stands
# beside the new one, so that a policy refuses only what the update makes worse.

# METADATA
# title: Pod specs
# description: All containers of Pods and of every controller's template, each with its old state.
package regate.lib.pods

# Where the Pod spec is, by API group and kind.
spec_paths := {
	"": {
		"Pod": ["spec"],
		"PodTemplate": ["template", "spec"],
		"ReplicationController": ["spec", "template", "spec"],
	},
	"apps": {
		"DaemonSet": ["spec", "template", "spec"],
		"Deployment": ["spec", "template", "spec"],
		"ReplicaSet": ["spec", "template", "spec"],
		"StatefulSet": ["spec", "template", "spec"],
	},
	"batch": {
		"CronJob": ["spec", "jobTemplate", "spec", "template", "spec"],
		"Job": ["spec", "template", "spec"],
	},
}

# The lists of containers in a Pod spec, and what a message calls their members.
container_lists := {
	"containers": "container",
	"ephemeralContainers": "ephemeral container",
	"initContainers": "init container",
}

# The subresources that write a Pod spec; the empty one is the Pod or controller itself.
subresources := {"", "ephemeralcontainers", "resize"}

spec_path := path if {
	group := object.get(input.request, ["kind", "group"], "")
	kind := object.get(input.request, ["kind", "kind"], "")
	path := spec_paths[group][kind]
}

# Where the Pod spec is, as a JSON Pointer into the object.
pointer := concat("", [concat("", ["/", key]) | some key in spec_path])

being_deleted if {
	input.request.operation == "UPDATE"
	is_string(input.request.object.metadata.deletionTimestamp)
}

# The Pod spec that is about to be written.
spec := object.get(input.request, array.concat(["object"], spec_path), {}) if {
	input.request.operation in {"CREATE", "UPDATE"}
	object.get(input.request, "subResource", "") in subresources
	not being_deleted
}

# The Pod spec that it replaces; empty on CREATE.
old_spec := object.get(input.request, array.concat(["oldObject"], spec_path), {})

# Every container of the Pod spec: the `list` it is in, a `title` for messages, its JSON Pointer as `field`, and the
# container of that name in the same list before, as `old`, which is empty when there was none.
containers := [entry |
	some list, title in container_lists
	container := spec[list][i]
	is_object(container)
	name := object.get(container, "name", "")
	entry := {
		"list": list,
		"title": sprintf(`%s "%v"`, [title, name]),
		"field": sprintf("%s/%s/%d", [pointer, list, i]),
		"container": container,
		"old": old_container(list, name),
	}
]

# The security contexts of the Pod and of every container, each as `context` with a `title` for messages, its JSON
# Pointer as `field` and, as `old`, what it was before. What is not set is empty.
security_contexts := array.concat(
	[{"title": "the Pod", "field": field, "context": context, "old": security_context(old_spec)} |
		context := security_context(spec)
		field := sprintf("%s/securityContext", [pointer])
	],
	[{
		"title": entry.title,
		"field": sprintf("%s/securityContext", [entry.field]),
		"context": security_context(entry.container),
		"old": security_context(entry.old),
	} |
		some entry in containers
	],
)

security_context(holder) := holder.securityContext if {
	is_object(holder.securityContext)
} else := {}

# A Pod for Windows has none of the settings of Linux: the API refuses them there.
windows if spec.os.name == "windows"

old_container(list, name) := old if {
	same := [container |
		container := old_spec[list][_]
		container.name == name
	]
	old := same[0]
} else := {}
