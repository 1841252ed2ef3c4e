# What counts as a Pod spec, and what stands in an entry of `containers`.
package regate.lib.pods_test

import data.regate.lib.fixtures
import data.regate.lib.pods

spec := {
	"containers": [{"name": "web", "image": "nginx:1"}, {"name": "log"}],
	"initContainers": [{"name": "init"}],
	"ephemeralContainers": [{"name": "debug"}],
}

test_every_list_of_containers_is_seen if {
	entries := pods.containers with input as fixtures.create(fixtures.pod(spec))
	{entry.title: entry.field | some entry in entries} == {
		`container "web"`: "/spec/containers/0",
		`container "log"`: "/spec/containers/1",
		`init container "init"`: "/spec/initContainers/0",
		`ephemeral container "debug"`: "/spec/ephemeralContainers/0",
	}
	{entry.list | some entry in entries} == {"containers", "initContainers", "ephemeralContainers"}
	{entry.container | some entry in entries; entry.title == `container "web"`} == {{"name": "web", "image": "nginx:1"}}
}

test_every_owner_is_seen if {
	every owner in fixtures.owners(spec) {
		entries := pods.containers with input as fixtures.create(owner.object)
		count(entries) == 4
		entries[0].field == concat("", [owner.field, "/containers/0"])
		found := pods.spec with input as fixtures.create(owner.object)
		found == spec
	}
}

test_there_are_eight_owners if count(fixtures.owners(spec)) == 8

test_the_old_container_is_the_one_of_that_name_in_that_list if {
	old := {
		"containers": [{"name": "log", "image": "old"}, {"name": "init", "image": "other list"}],
		"initContainers": [],
	}
	entries := pods.containers with input as fixtures.update(fixtures.pod(old), fixtures.pod(spec))
	{entry.title: entry.old | some entry in entries} == {
		`container "web"`: {},
		`container "log"`: {"name": "log", "image": "old"},
		`init container "init"`: {},
		`ephemeral container "debug"`: {},
	}
}

test_a_container_without_a_name_has_no_old_one if {
	nameless := fixtures.pod({"containers": [{"image": "nginx"}]})
	entries := pods.containers with input as fixtures.update(nameless, nameless)
	entries == [{
		"list": "containers",
		"title": `container ""`,
		"field": "/spec/containers/0",
		"container": {"image": "nginx"},
		"old": {},
	}]
}

test_old_containers_of_one_name_are_no_conflict if {
	old := fixtures.pod({"containers": [{"name": "web", "image": "a"}, {"name": "web", "image": "b"}]})
	entries := pods.containers with input as fixtures.update(old, fixtures.pod({"containers": [{"name": "web"}]}))
	entries[0].old == {"name": "web", "image": "a"}
}

test_ephemeralcontainers_and_resize_write_pod_specs if {
	pod := fixtures.pod(spec)
	every subresource in ["ephemeralcontainers", "resize"] {
		entries := pods.containers with input as fixtures.update_subresource(subresource, pod, pod)
		count(entries) == 4
	}
}

test_other_subresources_write_none if {
	pod := fixtures.pod(spec)
	every subresource in ["status", "binding", "eviction"] {
		entries := pods.containers with input as fixtures.update_subresource(subresource, pod, pod)
		entries == []
	}
}

test_delete_and_connect_write_none if {
	every review in [fixtures.delete(fixtures.pod(spec)), fixtures.exec] {
		entries := pods.containers with input as review
		entries == []
		not pods.spec with input as review
	}
}

test_other_kinds_hold_none if {
	scale := {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 2}}
	custom := {"apiVersion": "example.com/v1", "kind": "Pod", "spec": spec}
	every object in [scale, custom] {
		entries := pods.containers with input as fixtures.create(object)
		entries == []
	}
}

test_a_missing_group_is_the_core_group if {
	review := fixtures.review({"operation": "CREATE", "kind": {"kind": "Pod"}, "object": fixtures.pod(spec)})
	count(pods.containers) == 4 with input as review
}

test_updates_of_what_is_being_deleted_are_not_looked_at if {
	pod := fixtures.terminating(fixtures.pod(spec))
	entries := pods.containers with input as fixtures.update(pod, pod)
	entries == []
}

test_a_deletion_timestamp_does_not_hide_what_is_created if {
	entries := pods.containers with input as fixtures.create(fixtures.terminating(fixtures.pod(spec)))
	count(entries) == 4
}

test_odd_reviews_hold_no_containers if {
	every review in fixtures.odd {
		entries := pods.containers with input as review
		entries == []
	}
}

test_security_contexts_are_those_of_the_pod_and_of_every_container if {
	pod := fixtures.pod(object.union(spec, {"securityContext": {"runAsUser": 1}}))
	old := fixtures.pod({"containers": [{"name": "log", "securityContext": {"runAsUser": 2}}]})
	entries := pods.security_contexts with input as fixtures.update(old, pod)
	{entry.title: [entry.field, entry.context, entry.old] | some entry in entries} == {
		"the Pod": ["/spec/securityContext", {"runAsUser": 1}, {}],
		`container "web"`: ["/spec/containers/0/securityContext", {}, {}],
		`container "log"`: ["/spec/containers/1/securityContext", {}, {"runAsUser": 2}],
		`init container "init"`: ["/spec/initContainers/0/securityContext", {}, {}],
		`ephemeral container "debug"`: ["/spec/ephemeralContainers/0/securityContext", {}, {}],
	}
}

test_a_security_context_of_another_type_is_empty if {
	every context in [null, "root", 0, []] {
		pod := fixtures.pod({"securityContext": context, "containers": [{"name": "web", "securityContext": context}]})
		entries := pods.security_contexts with input as fixtures.update(pod, pod)
		[[entry.context, entry.old] | some entry in entries] == [[{}, {}], [{}, {}]]
	}
}

test_what_writes_no_pod_spec_has_no_security_contexts if {
	every review in [fixtures.delete(fixtures.pod(spec)), fixtures.exec, fixtures.review({"operation": "CREATE"})] {
		entries := pods.security_contexts with input as review
		entries == []
	}
}

test_pods_for_windows_are_told_by_their_name if {
	pods.windows with input as fixtures.create(fixtures.pod({"os": {"name": "windows"}}))
	every os in [{"name": "linux"}, {}, null] {
		not pods.windows with input as fixtures.create(fixtures.pod({"os": os}))
	}
}
