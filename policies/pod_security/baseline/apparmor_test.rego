# What `apparmor` denies, with which message, and what it lets through.
package kubernetes.admission.pod_security.baseline.apparmor_test

import data.kubernetes.admission.pod_security.baseline.apparmor
import data.regate.lib.fixtures

bad := fixtures.pod({"containers": [{"name": "web", "securityContext": {"appArmorProfile": {"type": "Unconfined"}}}]})

test_it_is_denied_wherever_it_stands if {
	every place in fixtures.contexts({"appArmorProfile": {"type": "Unconfined"}}) {
		messages := apparmor.deny with input as fixtures.create(place.pod)
		messages == {{
			"msg": concat("", [place.title, ` must not set the AppArmor profile "Unconfined"`]),
			"field": concat("", [place.field, "/appArmorProfile/type"]),
		}}
	}
}

test_every_owner_is_denied if {
	every owner in fixtures.owners(bad.spec) {
		messages := apparmor.deny with input as fixtures.create(owner.object)
		messages == {{
			"msg": `container "web" must not set the AppArmor profile "Unconfined"`,
			"field": concat("", [owner.field, "/containers/0/securityContext/appArmorProfile/type"]),
		}}
	}
}

test_an_update_that_adds_it_is_denied if {
	messages := apparmor.deny with input as fixtures.update(fixtures.pod({"containers": [{"name": "web"}]}), bad)
	messages == {{
		"msg": `container "web" must not set the AppArmor profile "Unconfined"`,
		"field": "/spec/containers/0/securityContext/appArmorProfile/type",
	}}
}

test_an_update_that_makes_nothing_worse_is_allowed if {
	labelled := object.union(bad, {"metadata": {"labels": {"a": "b"}}})
	messages := apparmor.deny with input as fixtures.update(bad, labelled)
	messages == set()
}

test_other_settings_are_allowed if {
	every context in [
		{},
		{"appArmorProfile": null},
		{"appArmorProfile": {"type": "RuntimeDefault"}},
		{"appArmorProfile": {"type": "Localhost", "localhostProfile": "web"}},
	] {
		every place in fixtures.contexts(context) {
			messages := apparmor.deny with input as fixtures.create(place.pod)
			messages == set()
		}
	}
}

test_delete_connect_and_odd_reviews_are_none_of_its_business if {
	every review in array.concat([fixtures.delete(bad), fixtures.exec], fixtures.odd) {
		messages := apparmor.deny with input as review
		messages == set()
	}
}

test_what_is_being_deleted_is_let_go if {
	pod := fixtures.terminating(bad)
	messages := apparmor.deny with input as fixtures.update(fixtures.terminating(fixtures.pod({})), pod)
	messages == set()
}

test_a_profile_without_a_type_is_denied if {
	pod := fixtures.pod({"securityContext": {"appArmorProfile": {}}})
	messages := apparmor.deny with input as fixtures.create(pod)
	{message.msg | some message in messages} == {`the Pod must not set the AppArmor profile ""`}
}

noted(profile) := object.union(
	fixtures.pod({}),
	{"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/web": profile}}},
)

other_annotations := object.union(fixtures.pod({}), {"metadata": {"annotations": {"example.com/profile": "unconfined"}}})

test_annotations_are_denied if {
	messages := apparmor.deny with input as fixtures.create(noted("unconfined"))
	messages == {{
		"msg": `the annotation "container.apparmor.security.beta.kubernetes.io/web" must not be the AppArmor profile "unconfined"`,
		"field": "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1web",
	}}
}

test_annotations_of_templates_are_denied if {
	template := {"metadata": noted("unconfined").metadata, "spec": {}}
	deployment := {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template}}
	messages := apparmor.deny with input as fixtures.create(deployment)
	{message.field | some message in messages} == {
		"/spec/template/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1web",
	}
}

test_other_annotations_are_allowed if {
	every pod in [noted("runtime/default"), noted("localhost/web"), noted(""), other_annotations] {
		messages := apparmor.deny with input as fixtures.create(pod)
		messages == set()
	}
}

test_an_annotation_that_was_there_is_allowed_and_a_changed_one_is_not if {
	kept := apparmor.deny with input as fixtures.update(noted("unconfined"), noted("unconfined"))
	kept == set()
	changed := apparmor.deny with input as fixtures.update(noted("runtime/default"), noted("unconfined"))
	count(changed) == 1
}
