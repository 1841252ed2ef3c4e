# Who is a tenant, and whose a namespace is.
package regate.lib.teams_test

import data.regate.lib.teams

review(groups, attributes) := {"spec": {"user": "jane", "groups": groups, "resourceAttributes": attributes}}

test_members_are_told_by_their_groups if {
	mine := teams.mine with input as review(["dev", "team-shop", "team-payments"], {})
	mine == {"payments", "shop"}
	teams.tenant with input as review(["team-shop"], {})
}

test_nobody_else_is_a_tenant if {
	every groups in [[], ["shop"], ["system:serviceaccounts:shop"], null, "team-shop", {}] {
		mine := teams.mine with input as review(groups, {})
		mine == set()
		not teams.tenant with input as review(groups, {})
	}
}

test_operators_are_no_tenants if {
	not teams.tenant with input as review(["team-shop", "system:masters"], {})
}

test_namespaces_have_owners_by_their_whole_name if {
	owners := teams.owners with input as review([], {"namespace": "shop-test"})
	owners == {"shop"}
	every namespace in ["", "shop-2", "Shop", "default"] {
		none := teams.owners with input as review([], {"namespace": namespace})
		none == set()
	}
}

test_a_path_is_in_no_namespace if {
	every attributes in [null, "pods"] {
		not teams.asked with input as review([], attributes)
		owners := teams.owners with input as review([], attributes)
		owners == set()
	}
}

test_teams_and_operators_are_parameters if {
	parameters := {
		"teams": {"ops": {"groups": ["ops", "root"], "namespaces": ["infra"]}},
		"operators": ["root"],
	}
	ops := object.union(review(["ops"], {"namespace": "infra"}), {"parameters": parameters})
	teams.tenant with input as ops
	owners := teams.owners with input as ops
	owners == {"ops"}
	not teams.tenant with input as object.union(ops, {"spec": {"groups": ["ops", "root"]}})
}
