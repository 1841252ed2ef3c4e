# Whom `own_namespaces` allows what; `match` says which resources and verbs it is asked about.
package kubernetes.authorization.tenants.own_namespaces_test

import data.kubernetes.authorization.tenants.own_namespaces

review(groups, namespace) := {"spec": {"user": "jane", "groups": groups, "resourceAttributes": {
	"verb": "create",
	"group": "apps",
	"resource": "deployments",
	"namespace": namespace,
}}}

no_opinion(document) if {
	not own_namespaces.allow with input as document
	not own_namespaces.reason with input as document
}

test_members_are_allowed_in_the_namespaces_of_their_team if {
	every namespace in ["shop", "shop-test"] {
		own_namespaces.allow with input as review(["dev", "team-shop"], namespace)
	}
}

test_the_reason_names_the_team if {
	reason := own_namespaces.reason with input as review(["team-shop"], "shop")
	reason == "namespace shop belongs to shop"
}

test_a_namespace_of_two_teams_is_one_of_each if {
	parameters := {"teams": {
		"a": {"groups": ["team"], "namespaces": ["both"]},
		"b": {"groups": ["team"], "namespaces": ["both"]},
	}}
	reason := own_namespaces.reason with input as object.union(review(["team"], "both"), {"parameters": parameters})
	reason == "namespace both belongs to a, b"
}

test_other_namespaces_are_no_business_of_it if {
	every namespace in ["payments", "default", ""] {
		no_opinion(review(["team-shop"], namespace))
	}
	everywhere := {"verb": "list", "resource": "pods"}
	no_opinion({"spec": {"user": "jane", "groups": ["team-shop"], "resourceAttributes": everywhere}})
}

test_others_are_no_business_of_it if {
	every groups in [["dev"], [], null] {
		no_opinion(review(groups, "shop"))
	}
	no_opinion({"spec": {"user": "team-shop", "nonResourceAttributes": {"path": "/healthz", "verb": "get"}}})
}
