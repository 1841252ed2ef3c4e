# What `missing_limits` denies, with which message, and what it lets through.
package kubernetes.admission.missing_limits_test

import data.kubernetes.admission.missing_limits
import data.regate.lib.fixtures

limited(name, limits) := {"name": name, "resources": {"limits": limits}}

both := {"cpu": "1", "memory": "1Gi"}

good := fixtures.pod({"containers": [limited("web", both)], "initContainers": [limited("init", both)]})

bare := fixtures.pod({"containers": [{"name": "web"}]})

bare_denied := {
	{"msg": `container "web" has no cpu limit`, "field": "/spec/containers/0/resources/limits"},
	{"msg": `container "web" has no memory limit`, "field": "/spec/containers/0/resources/limits"},
}

test_limited_containers_are_allowed if {
	messages := missing_limits.deny with input as fixtures.create(good)
	messages == set()
}

test_a_container_without_limits_is_denied if {
	messages := missing_limits.deny with input as fixtures.create(bare)
	messages == bare_denied
}

test_one_missing_limit_is_denied if {
	pod := fixtures.pod({"containers": [limited("web", {"cpu": "1"})]})
	messages := missing_limits.deny with input as fixtures.create(pod)
	messages == {{"msg": `container "web" has no memory limit`, "field": "/spec/containers/0/resources/limits"}}
}

test_requests_are_no_limits if {
	pod := fixtures.pod({"containers": [{"name": "web", "resources": {"requests": both}}]})
	messages := missing_limits.deny with input as fixtures.create(pod)
	messages == bare_denied
}

test_a_limit_of_nothing_is_none if {
	every nothing in [null, "", "0", 0] {
		pod := fixtures.pod({"containers": [limited("web", {"cpu": nothing, "memory": nothing})]})
		messages := missing_limits.deny with input as fixtures.create(pod)
		messages == bare_denied
	}
}

test_init_containers_are_denied if {
	pod := fixtures.pod({"containers": [limited("web", both)], "initContainers": [limited("init", {"memory": "1Gi"})]})
	messages := missing_limits.deny with input as fixtures.create(pod)
	messages == {{"msg": `init container "init" has no cpu limit`, "field": "/spec/initContainers/0/resources/limits"}}
}

test_ephemeral_containers_take_no_resources if {
	debugged := object.union(good, {"spec": {"ephemeralContainers": [{"name": "debug"}]}})
	messages := missing_limits.deny with input as fixtures.update_subresource("ephemeralcontainers", good, debugged)
	messages == set()
}

test_limits_of_the_pod_count if {
	pod := object.union(bare, {"spec": {"resources": {"limits": both}}})
	messages := missing_limits.deny with input as fixtures.create(pod)
	messages == set()
}

test_every_owner_is_denied if {
	every owner in fixtures.owners({"containers": [limited("web", {"cpu": "1"})]}) {
		messages := missing_limits.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" has no memory limit`,
			"field": concat("", [owner.field, "/containers/0/resources/limits"]),
		}}
	}
}

test_an_update_that_takes_a_limit_away_is_denied if {
	messages := missing_limits.deny with input as fixtures.update(good, bare)
	messages == bare_denied
}

test_an_update_that_takes_the_limits_of_the_pod_away_is_denied if {
	old := object.union(bare, {"spec": {"resources": {"limits": both}}})
	messages := missing_limits.deny with input as fixtures.update(old, bare)
	messages == bare_denied
}

test_an_update_that_adds_a_container_without_limits_is_denied if {
	two := fixtures.pod({"containers": [{"name": "web"}, limited("two", {"cpu": "1"})]})
	messages := missing_limits.deny with input as fixtures.update(bare, two)
	messages == {{"msg": `container "two" has no memory limit`, "field": "/spec/containers/1/resources/limits"}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	half := fixtures.pod({"containers": [limited("web", {"cpu": "1"})]})
	every pod in [object.union(bare, {"metadata": {"labels": {"a": "b"}}}), half, good] {
		messages := missing_limits.deny with input as fixtures.update(bare, pod)
		messages == set()
	}
}

test_resize_is_judged if {
	messages := missing_limits.deny with input as fixtures.update_subresource("resize", good, bare)
	messages == bare_denied
}

test_the_resources_are_a_parameter if {
	review := object.union(fixtures.create(bare), {"parameters": {"resources": ["memory"]}})
	messages := missing_limits.deny with input as review
	{message.msg | some message in messages} == {`container "web" has no memory limit`}
}

test_what_is_being_deleted_is_let_go if {
	messages := missing_limits.deny with input as fixtures.update(fixtures.terminating(good), fixtures.terminating(bare))
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bare), fixtures.exec], fixtures.odd) {
		messages := missing_limits.deny with input as review
		messages == set()
	}
}
