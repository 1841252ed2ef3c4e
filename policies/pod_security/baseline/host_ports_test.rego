# What `host_ports` denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.host_ports_test

import data.kubernetes.admission.pod_security.baseline.host_ports
import data.regate.lib.fixtures

bad := fixtures.pod({"containers": [object.union({"name": "web"}, part)]})

part := {"ports": [{"containerPort": 80}, {"containerPort": 443, "hostPort": 8443}]}

test_every_list_of_containers_is_judged if {
	every place in fixtures.container_lists {
		pod := fixtures.pod({place.list: [{"name": "first"}, object.union({"name": "web"}, part)]})
		messages := host_ports.deny with input as fixtures.create(pod)
		messages == {{
			"msg": concat(" ", [place.title, `"web" must not use the host port 8443`]),
			"field": concat("", ["/spec/", place.list, "/1/ports/1/hostPort"]),
		}}
	}
}

test_other_containers_are_allowed if {
	every part in [
		{},
		{"ports": null},
		{"ports": [{"containerPort": 80, "hostPort": 0}, {"containerPort": 81, "hostPort": null}]},
	] {
		pod := fixtures.pod({"containers": [object.union({"name": "web"}, part)]})
		messages := host_ports.deny with input as fixtures.create(pod)
		messages == set()
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := host_ports.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must not use the host port 8443`,
			"field": concat("", [owner.field, "/containers/0/ports/1/hostPort"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := host_ports.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{
		"msg": `container "web" must not use the host port 8443`,
		"field": "/spec/containers/0/ports/1/hostPort",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := host_ports.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := host_ports.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := host_ports.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
