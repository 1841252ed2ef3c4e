# What `host_probes` denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.host_probes_test

import data.kubernetes.admission.pod_security.baseline.host_probes
import data.regate.lib.fixtures

bad := fixtures.pod({"containers": [object.union({"name": "web"}, part)]})

part := {"livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 80}}}

test_every_list_of_containers_is_judged if {
	every place in fixtures.container_lists {
		pod := fixtures.pod({place.list: [{"name": "first"}, object.union({"name": "web"}, part)]})
		messages := host_probes.deny with input as fixtures.create(pod)
		messages == {{
			"msg": concat(" ", [place.title, `"web" must not name the host "10.0.0.1" in livenessProbe`]),
			"field": concat("", ["/spec/", place.list, "/1/livenessProbe/httpGet/host"]),
		}}
	}
}

test_other_containers_are_allowed if {
	every part in [
		{},
		{"livenessProbe": null, "lifecycle": null},
		{"livenessProbe": {"httpGet": {"port": 80, "host": null}}},
		{"startupProbe": {"tcpSocket": {"port": 80}}},
		{"readinessProbe": {"exec": {"command": ["true"]}}},
	] {
		pod := fixtures.pod({"containers": [object.union({"name": "web"}, part)]})
		messages := host_probes.deny with input as fixtures.create(pod)
		messages == set()
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := host_probes.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must not name the host "10.0.0.1" in livenessProbe`,
			"field": concat("", [owner.field, "/containers/0/livenessProbe/httpGet/host"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := host_probes.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{
		"msg": `container "web" must not name the host "10.0.0.1" in livenessProbe`,
		"field": "/spec/containers/0/livenessProbe/httpGet/host",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := host_probes.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := host_probes.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := host_probes.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}

test_every_probe_and_hook_is_judged if {
	every hook in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"] {
		every handler in ["httpGet", "tcpSocket"] {
			host := concat("/", ["/spec/containers/0", hook, handler, "host"])
			pod := json.patch(
				fixtures.pod({"containers": [{"name": "web", "lifecycle": {}}]}),
				[
					{"op": "add", "path": concat("/", ["/spec/containers/0", hook]), "value": {}},
					{"op": "add", "path": concat("/", ["/spec/containers/0", hook, handler]), "value": {"host": "localhost"}},
				],
			)
			messages := host_probes.deny with input as fixtures.create(pod)
			messages == {{
				"msg": sprintf(`container "web" must not name the host "localhost" in %s`, [replace(hook, "/", ".")]),
				"field": host,
			}}
		}
	}
}
