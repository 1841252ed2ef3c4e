# Whose a request is and whose a namespace is, for the policies beside it. Teams are told by the groups of their users.
#
# Parameter `teams`: by name, the `groups` whose members are the team and the `namespaces` that are its own (default: the
# two examples below).
# Parameter `operators`: the groups that are nobody's tenants, whatever else they are in (default system:masters).

# METADATA
# title: Teams
# description: Teams, their members and their namespaces.
package regate.lib.teams

teams := object.get(input, ["parameters", "teams"], {
	"payments": {"groups": ["team-payments"], "namespaces": ["payments", "payments-test"]},
	"shop": {"groups": ["team-shop"], "namespaces": ["shop", "shop-test"]},
})

operators := object.get(input, ["parameters", "operators"], ["system:masters"])

# What is asked for; undefined for a path.
asked := input.spec.resourceAttributes if is_object(input.spec.resourceAttributes)

# The namespace that is asked for; empty for the whole cluster and for all namespaces.
namespace := object.get(asked, "namespace", "")

# The teams that the user is in.
mine contains name if {
	some name, team in teams
	group := input.spec.groups[_]
	group in team.groups
}

# The teams whose the namespace is.
owners contains name if {
	some name, team in teams
	namespace in team.namespaces
}

tenant if {
	count(mine) > 0
	not operator
}

operator if {
	group := input.spec.groups[_]
	group in operators
}
