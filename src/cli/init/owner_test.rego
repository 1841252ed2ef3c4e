package kubernetes.admission.owner_test

import data.kubernetes.admission.owner

create(labels) := {
	"request": {"operation": "CREATE", "object": {"metadata": {"name": "web", "labels": labels}}},
	"parameters": {"label": "owner"},
}

denied := {{"msg": "the label owner must name a team: shop, cart", "field": "/metadata/labels"}}

test_a_team_may_own_it if {
	messages := owner.deny with input as create({"owner": "shop"}) with data.teams.names as ["shop", "cart"]
	messages == set()
}

test_somebody_else_may_not if {
	messages := owner.deny with input as create({"owner": "jane"}) with data.teams.names as ["shop", "cart"]
	messages == denied
}

test_nobody_may_not if {
	messages := owner.deny with input as create({}) with data.teams.names as ["shop", "cart"]
	messages == denied
}
