# Which settings `security_context` adds, and what it leaves alone.
package kubernetes.mutation.security_context_test

import data.kubernetes.mutation.security_context
import data.regate.lib.fixtures

safe := {"allowPrivilegeEscalation": false}

runtime_default := {"seccompProfile": {"type": "RuntimeDefault"}}

container(context) := {"name": "web", "image": "nginx:1", "securityContext": context}

bare := {"name": "web", "image": "nginx:1"}

test_a_bare_pod_gets_the_safe_settings if {
	pod := fixtures.pod({"containers": [bare], "initContainers": [bare, bare], "volumes": [{"name": "tmp"}]})
	mutated := security_context.mutated with input as fixtures.create(pod)
	mutated == fixtures.pod({
		"containers": [container(safe)],
		"initContainers": [container(safe), container(safe)],
		"volumes": [{"name": "tmp"}],
		"securityContext": runtime_default,
	})
}

test_what_is_set_stays if {
	pod := fixtures.pod({
		"securityContext": {"seccompProfile": {"type": "Unconfined"}, "runAsUser": 1},
		"containers": [container({"allowPrivilegeEscalation": true, "readOnlyRootFilesystem": true})],
	})
	mutated := security_context.mutated with input as fixtures.create(pod)
	mutated == pod
}

test_settings_beside_the_safe_ones_stay if {
	pod := fixtures.pod({"securityContext": {"fsGroup": 7}, "containers": [container({"runAsUser": 5})]})
	mutated := security_context.mutated with input as fixtures.create(pod)
	mutated == fixtures.pod({
		"securityContext": {"fsGroup": 7, "seccompProfile": {"type": "RuntimeDefault"}},
		"containers": [container({"runAsUser": 5, "allowPrivilegeEscalation": false})],
	})
}

test_containers_that_the_api_would_refuse_are_left_alone if {
	every context in [
		{"privileged": true},
		{"capabilities": {"add": ["SYS_ADMIN"]}},
		{"capabilities": {"add": ["NET_BIND_SERVICE", "CAP_SYS_ADMIN"]}},
	] {
		mutated := security_context.mutated with input as fixtures.create(fixtures.pod({"containers": [container(context)]}))
		mutated.spec.containers == [container(context)]
	}
}

test_other_capabilities_are_no_reason_to_escalate if {
	context := {"privileged": false, "capabilities": {"add": ["NET_BIND_SERVICE"]}}
	mutated := security_context.mutated with input as fixtures.create(fixtures.pod({"containers": [container(context)]}))
	mutated.spec.containers == [container(object.union(context, safe))]
}

test_the_mutated_pod_stays_as_it_is if {
	pod := fixtures.pod({"containers": [bare, container({"privileged": true})]})
	once := security_context.mutated with input as fixtures.create(pod)
	twice := security_context.mutated with input as fixtures.create(once)
	once == twice
}

test_a_pod_for_windows_is_left_alone if {
	pod := fixtures.pod({"os": {"name": "windows"}, "containers": [bare]})
	not security_context.mutated with input as fixtures.create(pod)
	linux := fixtures.pod({"os": {"name": "linux"}, "containers": [bare]})
	security_context.mutated.spec.securityContext == runtime_default with input as fixtures.create(linux)
}

test_no_list_is_added_and_none_loses_a_member if {
	pod := fixtures.pod({"containers": ["web", null, bare], "initContainers": null})
	mutated := security_context.mutated with input as fixtures.create(pod)
	mutated.spec.containers == ["web", null, container(safe)]
	mutated.spec.initContainers == null
	empty := security_context.mutated with input as fixtures.create(fixtures.pod({}))
	empty.spec == {"securityContext": runtime_default}
}

test_only_new_pods_are_changed if {
	pod := fixtures.pod({"containers": [bare]})
	every review in [
		fixtures.update(pod, pod),
		fixtures.delete(pod),
		fixtures.exec,
		fixtures.create({"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": {}}),
		fixtures.create({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": pod.spec}}}),
		fixtures.create({"apiVersion": "example.com/v1", "kind": "Pod", "spec": pod.spec}),
		object.union(fixtures.create(pod), {"request": {"subResource": "binding"}}),
	] {
		not security_context.mutated with input as review
	}
}

test_odd_pods_are_not_changed if {
	every spec in [null, "web", 1] {
		pod := {"apiVersion": "v1", "kind": "Pod", "spec": spec}
		not security_context.mutated with input as fixtures.create(pod)
	}
}
