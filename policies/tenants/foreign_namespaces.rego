# Denies the members of a team whatever they ask for in the namespaces of other teams, also where RBAC would allow it. A
# namespace that is no team's is left to RBAC.
#
# Parameters `teams` and `operators`: see teams.rego.

# METADATA
# title: Foreign namespaces
# description: Members of a team get nowhere in the namespaces of other teams.
package kubernetes.authorization.tenants.foreign_namespaces

import data.regate.lib.teams

deny contains msg if {
	teams.tenant
	count(teams.owners) > 0
	count(teams.mine & teams.owners) == 0
	msg := sprintf("namespace %s belongs to another team", [teams.namespace])
}
