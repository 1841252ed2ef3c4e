# Whom `interactive` keeps out, and the trace of those whom it lets in; `match` says where it is asked.
package kubernetes.admission.guards.interactive_test

import data.kubernetes.admission.guards.interactive
import data.regate.lib.fixtures

asking(subresource, groups) := object.union(fixtures.exec, {
	"parameters": {"groups": ["break-glass", "on-call"]},
	"request": {"namespace": "production", "subResource": subresource, "userInfo": {"groups": groups}},
})

test_others_are_kept_out if {
	every subresource in ["attach", "ephemeralcontainers", "exec"] {
		every groups in [[], ["dev"], ["Break-Glass"], null] {
			messages := interactive.deny with input as asking(subresource, groups)
			messages == {concat("", [subresource, " in Pods of production is not allowed"])}
			not interactive.audit_annotations with input as asking(subresource, groups)
		}
	}
}

test_break_glass_is_let_in_and_leaves_a_trace if {
	review := asking("exec", ["dev", "on-call", "break-glass"])
	messages := interactive.deny with input as review
	messages == set()
	trace := interactive.audit_annotations with input as review
	trace == {"group": "break-glass, on-call"}
}

test_without_parameters_nobody_is_let_in if {
	every parameters in [{}, {"groups": null}, {"groups": []}] {
		review := object.union(object.remove(asking("exec", ["break-glass"]), ["parameters"]), {"parameters": parameters})
		messages := interactive.deny with input as review
		count(messages) == 1
	}
}
