# METADATA
# title: In the namespace defaults-assigned, Pods have a team of their own
# description: A mutation gives them one that is none.
# custom:
#   match: {kinds: [Pod], namespaces: [defaults-assigned]}
package kubernetes.admission.assigned

deny contains sprintf("the team is %s", [input.request.object.metadata.labels["example.com/team"]]) if {
	input.request.object.metadata.labels["example.com/team"] == "unassigned"
}
