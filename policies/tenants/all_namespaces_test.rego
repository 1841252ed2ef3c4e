# Which requests for all namespaces `all_namespaces` denies to whom, and what it has no opinion about.
package kubernetes.authorization.tenants.all_namespaces_test

import data.kubernetes.authorization.tenants.all_namespaces

review(groups, attributes) := {"spec": {"user": "jane", "groups": groups, "resourceAttributes": attributes}}

denials(document) := messages if {
	messages := all_namespaces.deny with input as document
}

test_members_do_not_ask_for_all_namespaces if {
	every verb in ["list", "watch", "deletecollection", "*"] {
		every attributes in [{"resource": "pods"}, {"resource": "pods", "namespace": "", "group": ""}] {
			messages := denials(review(["team-shop"], object.union(attributes, {"verb": verb})))
			messages == {concat("", [verb, " pods in all namespaces is not for tenants: name a namespace of your team"])}
		}
	}
}

test_what_is_not_in_the_table_counts_as_in_namespaces if {
	every attributes in [
		{"verb": "list", "resource": "widgets", "group": "example.com"},
		{"verb": "list", "resource": "nodes", "group": "example.com"},
		{"verb": "*", "resource": "*", "group": "*"},
		{"verb": "list", "resource": "*"},
		{"verb": "list"},
	] {
		count(denials(review(["team-shop"], attributes))) == 1
	}
}

test_what_has_no_namespace_is_no_business_of_it if {
	every attributes in [
		{"resource": "nodes"},
		{"resource": "namespaces", "group": ""},
		{"resource": "customresourcedefinitions", "group": "apiextensions.k8s.io"},
		{"resource": "clusterroles", "group": "rbac.authorization.k8s.io"},
		{"resource": "validatingadmissionpolicies", "group": "admissionregistration.k8s.io"},
		{"resource": "apiservices", "group": "apiregistration.k8s.io"},
		{"resource": "certificatesigningrequests", "group": "certificates.k8s.io"},
		{"resource": "flowschemas", "group": "flowcontrol.apiserver.k8s.io"},
		{"resource": "nodes", "group": "metrics.k8s.io"},
		{"resource": "ingressclasses", "group": "networking.k8s.io"},
		{"resource": "runtimeclasses", "group": "node.k8s.io"},
		{"resource": "resourceslices", "group": "resource.k8s.io"},
		{"resource": "priorityclasses", "group": "scheduling.k8s.io"},
		{"resource": "storageclasses", "group": "storage.k8s.io"},
	] {
		messages := denials(review(["team-shop"], object.union(attributes, {"verb": "list"})))
		messages == set()
	}
}

test_one_namespace_and_other_verbs_are_no_business_of_it if {
	every attributes in [
		{"verb": "list", "resource": "pods", "namespace": "shop"},
		{"verb": "list", "resource": "pods", "namespace": "default"},
		{"verb": "create", "resource": "selfsubjectaccessreviews", "group": "authorization.k8s.io"},
		{"verb": "get", "resource": "widgets", "group": "example.com"},
	] {
		messages := denials(review(["team-shop"], attributes))
		messages == set()
	}
}

test_others_and_operators_are_no_business_of_it if {
	every groups in [["dev"], ["team-shop", "system:masters"], [], null] {
		messages := denials(review(groups, {"verb": "list", "resource": "pods"}))
		messages == set()
	}
	path := {"path": "/healthz", "verb": "get"}
	none := denials({"spec": {"user": "jane", "groups": ["team-shop"], "nonResourceAttributes": path}})
	none == set()
}

test_the_table_is_a_parameter if {
	parameters := {"cluster_scoped": {"example.com": ["widgets"]}}
	widgets := review(["team-shop"], {"verb": "list", "resource": "widgets", "group": "example.com"})
	none := denials(object.union(widgets, {"parameters": parameters}))
	none == set()
	nodes := review(["team-shop"], {"verb": "list", "resource": "nodes"})
	count(denials(object.union(nodes, {"parameters": parameters}))) == 1
}
