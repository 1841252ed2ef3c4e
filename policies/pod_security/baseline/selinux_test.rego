# What `selinux` denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.selinux_test

import data.kubernetes.admission.pod_security.baseline.selinux
import data.regate.lib.fixtures

bad := fixtures.pod({"containers": [{"name": "web", "securityContext": {"seLinuxOptions": {"type": "spc_t"}}}]})

test_it_is_denied_wherever_it_stands if {
	every place in fixtures.contexts({"seLinuxOptions": {"type": "spc_t"}}) {
		messages := selinux.deny with input as fixtures.create(place.pod)
		messages == {{
			"msg": concat("", [place.title, ` must not set the SELinux type "spc_t"`]),
			"field": concat("", [place.field, "/seLinuxOptions/type"]),
		}}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := selinux.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must not set the SELinux type "spc_t"`,
			"field": concat("", [owner.field, "/containers/0/securityContext/seLinuxOptions/type"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := selinux.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{
		"msg": `container "web" must not set the SELinux type "spc_t"`,
		"field": "/spec/containers/0/securityContext/seLinuxOptions/type",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := selinux.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_other_settings_are_allowed if {
	every context in [
		{},
		{"seLinuxOptions": null},
		{"seLinuxOptions": {"type": "", "user": "", "role": null}},
		{"seLinuxOptions": {"type": "container_engine_t", "level": "s0:c1,c2"}},
		{"seLinuxOptions": {"type": "container_t"}},
	] {
		every place in fixtures.contexts(context) {
			messages := selinux.deny with input as fixtures.create(place.pod)
			messages == set()
		}
	}
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := selinux.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := selinux.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}

test_users_and_roles_are_denied if {
	pod := fixtures.pod({"securityContext": {"seLinuxOptions": {"user": "system_u", "role": "sysadm_r"}}})
	messages := selinux.deny with input as fixtures.create(pod)
	messages == {
		{"msg": `the Pod must not set the SELinux user "system_u"`, "field": "/spec/securityContext/seLinuxOptions/user"},
		{"msg": `the Pod must not set the SELinux role "sysadm_r"`, "field": "/spec/securityContext/seLinuxOptions/role"},
	}
}
