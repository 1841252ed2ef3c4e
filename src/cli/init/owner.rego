# Who may own what is deployed is said once, in teams/data.json.

# METADATA
# title: Owner
# description: Every Deployment names the team that answers for it.
# custom:
#   enforcement: deny
#   match:
#     kinds: [apps/Deployment]
#     operations: [CREATE, UPDATE]
#   parameters:
#     label: owner
#   needs: [data.teams.names]
#   exceptions:
#   - match: {namespaces: [sandbox]}
#     reason: what is tried out there has no owner yet
#     until: "@UNTIL@"
package kubernetes.admission.owner

deny contains {"msg": msg, "field": "/metadata/labels"} if {
	not owner in data.teams.names
	msg := sprintf("the label %s must name a team: %s", [input.parameters.label, concat(", ", data.teams.names)])
}

owner := object.get(input.request.object, ["metadata", "labels", input.parameters.label], "")
