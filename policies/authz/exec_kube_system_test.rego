# Which ways into kube-system `exec_kube_system` denies, to whom, and what it has no opinion about.
package kubernetes.authorization.exec_kube_system_test

import data.kubernetes.authorization.exec_kube_system

review(attributes) := {
	"apiVersion": "authorization.k8s.io/v1",
	"kind": "SubjectAccessReview",
	"spec": {"user": "jane", "groups": ["dev", "system:authenticated"], "resourceAttributes": attributes},
}

exec(namespace) := {
	"verb": "create",
	"version": "v1",
	"resource": "pods",
	"subresource": "exec",
	"namespace": namespace,
	"name": "etcd",
}

exec_denied := {"exec into pods of kube-system is not allowed"}

test_exec_into_kube_system_is_denied if {
	every verb in ["create", "get", "*"] {
		messages := exec_kube_system.deny with input as review(object.union(exec("kube-system"), {"verb": verb}))
		messages == exec_denied
	}
}

test_attach_and_port_forwarding_are_denied if {
	every subresource in ["attach", "portforward"] {
		every verb in ["create", "get"] {
			attributes := object.union(exec("kube-system"), {"verb": verb, "subresource": subresource})
			messages := exec_kube_system.deny with input as review(attributes)
			messages == {concat("", [subresource, " into pods of kube-system is not allowed"])}
		}
	}
}

test_ephemeral_containers_are_denied if {
	every verb in ["patch", "update"] {
		attributes := object.union(exec("kube-system"), {"verb": verb, "subresource": "ephemeralcontainers"})
		messages := exec_kube_system.deny with input as review(attributes)
		messages == {"ephemeralcontainers into pods of kube-system is not allowed"}
	}
}

test_a_request_for_all_namespaces_is_denied if {
	everywhere := object.remove(exec("kube-system"), ["namespace"])
	every attributes in [everywhere, exec("")] {
		messages := exec_kube_system.deny with input as review(attributes)
		messages == exec_denied
	}
}

test_a_review_that_asks_for_everything_is_denied if {
	every part in [
		{"verb": "*", "group": "*", "version": "*", "resource": "*"},
		{"verb": "*", "resource": "*", "namespace": "kube-system"},
		{"verb": "create", "resource": "*", "subresource": "*"},
		{"verb": "create", "resource": "*", "subresource": "exec"},
		{"verb": "create", "resource": "pods", "subresource": "*"},
		{"verb": "create", "resource": "pods/exec"},
		{"verb": "create", "resource": "*/exec"},
		{"verb": "create", "resource": "pods/*"},
		{"verb": "create", "resource": "*/*"},
	] {
		messages := exec_kube_system.deny with input as review(part)
		exec_denied & messages == exec_denied
	}
}

test_other_namespaces_are_no_business_of_it if {
	every namespace in ["shop", "kube-system-2", "Kube-System"] {
		messages := exec_kube_system.deny with input as review(exec(namespace))
		messages == set()
	}
}

test_other_requests_are_no_business_of_it if {
	every part in [
		{"subresource": ""},
		{"subresource": "log", "verb": "get"},
		{"subresource": "status", "verb": "update"},
		{"subresource": "ephemeralcontainers", "verb": "get"},
		{"verb": "delete", "subresource": ""},
		{"verb": "list", "resource": "*", "subresource": ""},
		{"resource": "deployments"},
		{"resource": "*", "subresource": "log"},
		{"resource": "pods/exec", "subresource": "log"},
		{"group": "metrics.k8s.io"},
	] {
		messages := exec_kube_system.deny with input as review(object.union(exec("kube-system"), part))
		messages == set()
	}
}

test_masters_are_exempt if {
	masters := object.union(review(exec("kube-system")), {"spec": {"groups": ["dev", "system:masters"]}})
	messages := exec_kube_system.deny with input as masters
	messages == set()
}

test_a_user_of_that_name_is_not_exempt if {
	user := object.union(review(exec("kube-system")), {"spec": {"user": "system:masters", "groups": []}})
	messages := exec_kube_system.deny with input as user
	messages == exec_denied
}

test_missing_groups_exempt_nobody if {
	every groups in [null, "system:masters", {}] {
		messages := exec_kube_system.deny with input as object.union(review(exec("kube-system")), {"spec": {"groups": groups}})
		messages == exec_denied
	}
}

test_namespaces_and_groups_are_parameters if {
	parameters := {"namespaces": ["vault"], "groups": ["admins"]}
	denied := exec_kube_system.deny with input as object.union(review(exec("vault")), {"parameters": parameters})
	denied == {"exec into pods of vault is not allowed"}
	elsewhere := exec_kube_system.deny with input as object.union(review(exec("kube-system")), {"parameters": parameters})
	elsewhere == set()
	admin := object.union(review(exec("vault")), {"spec": {"groups": ["admins"]}, "parameters": parameters})
	exempt := exec_kube_system.deny with input as admin
	exempt == set()
}

test_paths_and_odd_reviews_are_no_business_of_it if {
	every spec in [
		{},
		{"user": "jane", "nonResourceAttributes": {"path": "/healthz", "verb": "get"}},
		{"resourceAttributes": null},
		{"resourceAttributes": "pods"},
		{"resourceAttributes": {}},
	] {
		messages := exec_kube_system.deny with input as {"spec": spec}
		messages == set()
	}
}
