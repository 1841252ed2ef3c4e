# Reviews for the tests of the policies beside it: what the API server would post. Loaded by tests only.
package regate.lib.fixtures

# A Pod.
pod(spec) := {
	"apiVersion": "v1",
	"kind": "Pod",
	"metadata": {"name": "web", "namespace": "shop"},
	"spec": spec,
}

# The same Pod spec in everything that makes Pods, each with the JSON Pointer to the spec.
owners(spec) := [
	{"field": "/template/spec", "object": {"apiVersion": "v1", "kind": "PodTemplate", "template": {"spec": spec}}},
	templated("v1", "ReplicationController", spec),
	templated("apps/v1", "DaemonSet", spec),
	templated("apps/v1", "Deployment", spec),
	templated("apps/v1", "ReplicaSet", spec),
	templated("apps/v1", "StatefulSet", spec),
	templated("batch/v1", "Job", spec),
	{"field": "/spec/jobTemplate/spec/template/spec", "object": {
		"apiVersion": "batch/v1",
		"kind": "CronJob",
		"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}},
	}},
]

templated(version, kind, spec) := {
	"field": "/spec/template/spec",
	"object": {"apiVersion": version, "kind": kind, "spec": {"template": {"spec": spec}}},
}

# One security context at every place where one can stand, each with the words and the field of a message about it.
contexts(context) := array.concat(
	[{"title": "the Pod", "field": "/spec/securityContext", "pod": pod({"securityContext": context})}],
	[{
		"title": concat(" ", [place.title, `"web"`]),
		"field": concat("/", ["/spec", place.list, "0/securityContext"]),
		"pod": pod({place.list: [{"name": "web", "securityContext": context}]}),
	} |
		some place in container_lists
	],
)

# The same without that of the Pod.
container_contexts(context) := array.slice(contexts(context), 1, 4)

container_lists := [
	{"list": "containers", "title": "container"},
	{"list": "initContainers", "title": "init container"},
	{"list": "ephemeralContainers", "title": "ephemeral container"},
]

create(object) := review({
	"operation": "CREATE",
	"kind": kind_of(object),
	"object": object,
	"oldObject": null,
})

update(old, object) := review({
	"operation": "UPDATE",
	"kind": kind_of(object),
	"object": object,
	"oldObject": old,
})

delete(object) := review({
	"operation": "DELETE",
	"kind": kind_of(object),
	"object": null,
	"oldObject": object,
})

# The API server sends the Pod as the object of these two.
update_subresource(subresource, old, object) := review({
	"operation": "UPDATE",
	"kind": kind_of(object),
	"subResource": subresource,
	"object": object,
	"oldObject": old,
})

exec := review({
	"operation": "CONNECT",
	"kind": {"group": "", "version": "v1", "kind": "PodExecOptions"},
	"subResource": "exec",
	"object": {"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"]},
	"oldObject": null,
	"options": null,
})

# A copy of an object that is being deleted and waits for its finalizers.
terminating(live) := object.union(live, {"metadata": {
	"deletionTimestamp": "2026-01-01T00:00:00Z",
	"finalizers": ["example.com/wait"],
}})

review(request) := {
	"apiVersion": "admission.k8s.io/v1",
	"kind": "AdmissionReview",
	"request": object.union({"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "userInfo": {"username": "jane"}}, request),
}

kind_of(object) := {"group": parts[0], "version": parts[1], "kind": object.kind} if {
	parts := split(object.apiVersion, "/")
	count(parts) == 2
} else := {"group": "", "version": object.apiVersion, "kind": object.kind}

# Reviews of Pods that the API server would never send: what is missing or of another type holds no Pod spec.
odd := [review(object.union({"operation": "CREATE", "kind": {"group": "", "kind": "Pod"}}, part)) | some part in [
	{},
	{"object": null},
	{"object": "web"},
	{"object": {}},
	{"object": {"spec": null}},
	{"object": {"spec": "web"}},
	{"object": {"spec": {"containers": null, "initContainers": "web", "volumes": 1}}},
	{"object": {"spec": {"containers": ["web", null, 1, []], "volumes": ["web", null, {"hostPath": null}]}}},
	{"object": {"metadata": [], "spec": {}}},
	{"kind": "Pod"},
	{"kind": {"group": 1, "kind": ["Pod"]}},
	{"operation": 1},
	{"operation": "UPDATE", "object": {"metadata": {"deletionTimestamp": null}, "spec": {}}, "oldObject": null},
]]
