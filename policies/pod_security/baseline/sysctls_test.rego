# What `sysctls` denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.sysctls_test

import data.kubernetes.admission.pod_security.baseline.sysctls
import data.regate.lib.fixtures

bad := fixtures.pod({"containers": [], "securityContext": {"sysctls": [
	{"name": "net.ipv4.tcp_syncookies", "value": "1"},
	{"name": "kernel.msgmax", "value": "65536"},
]}})

test_safe_sysctls_are_allowed if {
	every name in [
		"kernel.shm_rmid_forced",
		"net.ipv4.ip_local_port_range",
		"net.ipv4.ip_local_reserved_ports",
		"net.ipv4.ip_unprivileged_port_start",
		"net.ipv4.ping_group_range",
		"net.ipv4.tcp_fin_timeout",
		"net.ipv4.tcp_keepalive_intvl",
		"net.ipv4.tcp_keepalive_probes",
		"net.ipv4.tcp_keepalive_time",
		"net.ipv4.tcp_rmem",
		"net.ipv4.tcp_syncookies",
		"net.ipv4.tcp_wmem",
	] {
		pod := fixtures.pod({"securityContext": {"sysctls": [{"name": name, "value": "1"}]}})
		messages := sysctls.deny with input as fixtures.create(pod)
		messages == set()
	}
	without := sysctls.deny with input as fixtures.create(fixtures.pod({"securityContext": {"sysctls": null}}))
	without == set()
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := sysctls.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `the Pod must not set the sysctl "kernel.msgmax"`,
			"field": concat("", [owner.field, "/securityContext/sysctls/1"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := sysctls.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{"msg": `the Pod must not set the sysctl "kernel.msgmax"`, "field": "/spec/securityContext/sysctls/1"}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := sysctls.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := sysctls.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := sysctls.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}
