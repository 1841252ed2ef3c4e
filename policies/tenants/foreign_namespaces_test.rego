# Whom `foreign_namespaces` denies what, and what it has no opinion about.
package kubernetes.authorization.tenants.foreign_namespaces_test

import data.kubernetes.authorization.tenants.foreign_namespaces

review(groups, attributes) := {"spec": {"user": "jane", "groups": groups, "resourceAttributes": attributes}}

denials(document) := messages if {
	messages := foreign_namespaces.deny with input as document
}

test_members_are_denied_in_the_namespaces_of_other_teams if {
	every attributes in [
		{"verb": "get", "resource": "pods"},
		{"verb": "*", "group": "*", "resource": "*"},
		{"verb": "create", "resource": "pods", "subresource": "exec", "name": "api"},
		{"verb": "get", "resource": "namespaces", "name": "payments"},
	] {
		messages := denials(review(["dev", "team-shop"], object.union(attributes, {"namespace": "payments"})))
		messages == {"namespace payments belongs to another team"}
	}
}

test_their_own_namespaces_and_those_of_nobody_are_no_business_of_it if {
	every namespace in ["shop", "shop-test", "default", "kube-system", "payments-2", ""] {
		messages := denials(review(["team-shop"], {"verb": "get", "resource": "pods", "namespace": namespace}))
		messages == set()
	}
}

test_who_is_in_both_teams_is_not_denied if {
	messages := denials(review(["team-shop", "team-payments"], {"verb": "get", "resource": "pods", "namespace": "payments"}))
	messages == set()
}

test_others_and_operators_are_no_business_of_it if {
	every groups in [["dev"], ["team-shop", "system:masters"], [], null] {
		messages := denials(review(groups, {"verb": "get", "resource": "pods", "namespace": "payments"}))
		messages == set()
	}
}

test_paths_are_no_business_of_it if {
	path := {"path": "/healthz", "verb": "get"}
	messages := denials({"spec": {"user": "jane", "groups": ["team-shop"], "nonResourceAttributes": path}})
	messages == set()
}
