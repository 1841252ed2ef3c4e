# Whom `tokens` knows, whom it refuses, and that it says nothing about the tokens of others.
package kubernetes.authentication.tokens_test

import data.kubernetes.authentication.tokens

# Digests of jane-token and bob-token, as `printf %s jane-token | sha256sum` prints them.
jane := "af358a732b79e9b3831540140ca5399bde23121786af773c9f4f520824828a1c"

bob := "97dd3707015dcf069cf73022ed7173b1165db6eff24b441cb57fd069a8c4e525"

jane_entry := {
	"username": "jane",
	"uid": "42",
	"groups": ["dev"],
	"extra": {"example.com/team": ["a"]},
	"audiences": ["https://kubernetes.default.svc"],
	"comment": "no part of the user",
}

list := {"digests": {jane: jane_entry, bob: {"username": "bob"}}, "revoked": {}}

review(token) := {
	"apiVersion": "authentication.k8s.io/v1",
	"kind": "TokenReview",
	"spec": {"token": token, "audiences": ["https://kubernetes.default.svc"]},
}

nothing_about(token, entries) if {
	not tokens.user with input as review(token) with data.regate.tokens as entries
	not tokens.audiences with input as review(token) with data.regate.tokens as entries
	messages := tokens.deny with input as review(token) with data.regate.tokens as entries
	messages == set()
}

test_a_known_token_is_its_user if {
	user := tokens.user with input as review("jane-token") with data.regate.tokens as list
	user == {"username": "jane", "uid": "42", "groups": ["dev"], "extra": {"example.com/team": ["a"]}}
	messages := tokens.deny with input as review("jane-token") with data.regate.tokens as list
	messages == set()
}

test_audiences_are_those_of_the_token if {
	audiences := tokens.audiences with input as review("jane-token") with data.regate.tokens as list
	audiences == ["https://kubernetes.default.svc"]
}

test_a_token_without_audiences_leaves_them_out if {
	user := tokens.user with input as review("bob-token") with data.regate.tokens as list
	user == {"username": "bob"}
	not tokens.audiences with input as review("bob-token") with data.regate.tokens as list
}

test_what_is_revoked_has_to_be_readable if {
	every revoked in [[jane], jane] {
		entries := object.union(list, {"revoked": revoked})
		messages := tokens.deny with input as review("jane-token") with data.regate.tokens as entries
		messages == {"what is revoked cannot be read"}
		nothing_about("other-token", entries)
	}
	every entries in [object.remove(list, ["revoked"]), object.union(list, {"revoked": null})] {
		messages := tokens.deny with input as review("jane-token") with data.regate.tokens as entries
		messages == set()
	}
}

test_an_unknown_token_is_none_of_ours if {
	every token in ["other-token", "jane-token ", "Jane-token", "", jane] {
		nothing_about(token, list)
	}
}

test_a_token_of_another_type_is_none_of_ours if {
	every token in [null, 7, ["jane-token"], {}] {
		nothing_about(token, list)
	}
	not tokens.user with input as {"spec": {}} with data.regate.tokens as list
}

test_a_revoked_token_is_denied if {
	revoked := object.union(list, {"revoked": {jane: "laptop lost"}})
	messages := tokens.deny with input as review("jane-token") with data.regate.tokens as revoked
	messages == {"the token is revoked: laptop lost"}
	not tokens.user with input as review("jane-token") with data.regate.tokens as revoked
	bob := tokens.user with input as review("bob-token") with data.regate.tokens as revoked
	bob == {"username": "bob"}
}

test_a_token_stays_revoked_without_a_reason_or_a_user if {
	every why in ["", false, null] {
		messages := tokens.deny with input as review("jane-token")
			with data.regate.tokens as {"digests": {}, "revoked": {jane: why}}
		count(messages) == 1
	}
}

test_without_lists_no_token_is_known if {
	every entries in [{}, {"digests": {}}, {"digests": null, "revoked": null}] {
		nothing_about("jane-token", entries)
	}
}

test_the_demo_token_has_no_groups_and_an_audience_that_no_api_server_asks_for if {
	user := tokens.user with input as review("regate-demo-token")
	user == {"username": "demo-user"}
	audiences := tokens.audiences with input as review("regate-demo-token")
	audiences == ["regate-demo"]
}

test_the_revoked_demo_token_is_denied if {
	messages := tokens.deny with input as review("regate-revoked-token")
	messages == {"the token is revoked: it was published"}
	not tokens.user with input as review("regate-revoked-token")
}

test_the_data_file_holds_only_digests_in_lower_case if {
	every digest, _ in object.union(data.regate.tokens.digests, data.regate.tokens.revoked) {
		regex.match(`^[0-9a-f]{64}$`, digest)
	}
}
