# What members of the group may read, and that nothing else is allowed to anybody.
package kubernetes.authorization.readonly_group_test

import data.kubernetes.authorization.readonly_group

review(groups, attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": "jane", "groups": groups, "resourceAttributes": attributes},
}

members := ["read-only", "system:authenticated"]

no_opinion(document) if {
	not readonly_group.allow with input as document
	not readonly_group.reason with input as document
}

test_members_read_the_listed_resources if {
	every verb in ["get", "list", "watch"] {
		every attributes in [
			{"resource": "pods", "namespace": "shop", "name": "web"},
			{"resource": "pods"},
			{"resource": "pods", "subresource": "status"},
			{"resource": "nodes", "group": ""},
			{"resource": "deployments", "group": "apps"},
			{"resource": "cronjobs", "group": "batch", "subresource": ""},
		] {
			asked := review(members, object.union(attributes, {"verb": verb}))
			readonly_group.allow with input as asked
		}
	}
}

test_the_reason_names_the_resource if {
	asked := review(members, {"verb": "get", "resource": "pods", "subresource": "status"})
	reason := readonly_group.reason with input as asked
	reason == "read-only access to pods/status"
}

test_secrets_and_what_opens_them_are_not_listed if {
	every attributes in [
		{"resource": "secrets"},
		{"resource": "configmaps"},
		{"resource": "pods", "subresource": "exec"},
		{"resource": "pods", "subresource": "attach"},
		{"resource": "pods", "subresource": "portforward"},
		{"resource": "pods", "subresource": "proxy"},
		{"resource": "pods", "subresource": "log"},
		{"resource": "pods/exec"},
		{"resource": "nodes", "subresource": "proxy"},
		{"resource": "services", "subresource": "proxy"},
		{"resource": "serviceaccounts", "subresource": "token"},
		{"resource": "*"},
		{"resource": "*", "group": "*"},
		{"resource": "pods", "subresource": "*"},
		{"resource": "pods", "group": "*"},
		{"resource": "pods", "group": "example.com"},
		{"resource": "deployments"},
		{"resource": ""},
		{},
	] {
		no_opinion(review(members, object.union(attributes, {"verb": "get"})))
	}
}

test_members_write_nothing if {
	every verb in ["create", "update", "patch", "delete", "deletecollection", "impersonate", "proxy", "*", "", "GET"] {
		no_opinion(review(members, {"resource": "pods", "verb": verb}))
	}
	no_opinion(review(members, {"resource": "pods"}))
}

test_others_get_no_opinion if {
	every groups in [[], ["read-only-2", "readonly"], null, "read-only", {"read-only": true}] {
		no_opinion(review(groups, {"resource": "pods", "verb": "get"}))
	}
	no_opinion({"spec": {"user": "read-only", "resourceAttributes": {"resource": "pods", "verb": "get"}}})
}

test_paths_get_no_opinion if {
	no_opinion({"spec": {"groups": members, "nonResourceAttributes": {"path": "/metrics", "verb": "get"}}})
	no_opinion({"spec": {"groups": members, "resourceAttributes": "pods"}})
}

test_groups_and_resources_are_parameters if {
	parameters := {"groups": ["auditors"], "resources": {"example.com": ["reports"]}}
	asked := review(["auditors"], {"verb": "get", "group": "example.com", "resource": "reports"})
	readonly_group.allow with input as object.union(asked, {"parameters": parameters})
	pods := review(["auditors"], {"verb": "get", "resource": "pods"})
	no_opinion(object.union(pods, {"parameters": parameters}))
	member := review(members, {"verb": "get", "group": "example.com", "resource": "reports"})
	no_opinion(object.union(member, {"parameters": parameters}))
}
