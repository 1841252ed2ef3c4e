# Whom `oidc` logs in, whom it refuses, and that it says nothing about the tokens of others. The issuer of these tests
# signs with a secret that it shares, so that no private key has to stand here; real issuers never do.
package kubernetes.authentication.oidc_test

import data.kubernetes.authentication.oidc

issuer := "https://issuer.example"

secret := {"kty": "oct", "kid": "1", "k": base64url.encode_no_pad("a secret of these tests")}

keys(name, _) := json.marshal({"keys": [secret]}) if name == "corp"

parameters := {"issuer": issuer, "keys": "corp", "audiences": ["kubernetes", "kubectl"]}

# Both engines judge the time of tokens by their own clocks.
now := floor(time.now_ns() / 1000000000)

claims := {
	"iss": issuer,
	"aud": "kubernetes",
	"sub": "42",
	"exp": now + 60,
	"iat": now - 60,
	"jti": "t-1",
	"groups": ["dev", "ops"],
}

token(payload) := io.jwt.encode_sign({"alg": "HS256", "kid": "1", "typ": "JWT"}, payload, secret)

review(text, options) := {
	"apiVersion": "authentication.k8s.io/v1",
	"kind": "TokenReview",
	"spec": {"token": text},
	"parameters": object.union(parameters, options),
}

decision(document, revoked) := result if {
	messages := oidc.deny with input as document
		with data.regate.oidc.revoked as revoked
		with regate.jwks as keys
	users := [user |
		user := oidc.user with input as document
			with data.regate.oidc.revoked as revoked
			with regate.jwks as keys
	]
	audiences := [audience |
		audience := oidc.audiences with input as document
			with data.regate.oidc.revoked as revoked
			with regate.jwks as keys
	]
	result := {"deny": messages, "users": users, "audiences": audiences}
}

says(payload, options) := decision(review(token(object.union(claims, payload)), options), {})

denied(message) := {"deny": {message}, "users": [], "audiences": []}

silent := {"deny": set(), "users": [], "audiences": []}

test_a_token_is_its_user_with_groups if {
	says({}, {}) == {
		"deny": set(),
		"users": [{"username": "oidc:42", "groups": ["oidc:dev", "oidc:ops"]}],
		"audiences": [],
	}
}

test_a_token_without_groups_gives_none if {
	payload := object.remove(claims, ["groups"])
	decision(review(token(payload), {}), {}).users == [{"username": "oidc:42", "groups": []}]
}

test_one_group_may_be_a_text_and_what_is_no_text_is_none if {
	says({"groups": "dev"}, {}).users[0].groups == ["oidc:dev"]
	says({"groups": ["dev", 7, null]}, {}).users[0].groups == ["oidc:dev"]
	says({"groups": 7}, {}).users[0].groups == []
}

test_the_user_is_named_by_the_claim_with_the_prefix if {
	options := {"username": {"claim": "email", "prefix": "corp/"}}
	says({"email": "jane@corp.example"}, options).users[0].username == "corp/jane@corp.example"
	says({"email": "jane@corp.example", "email_verified": true}, options).users[0].username == "corp/jane@corp.example"
	unverified := {"email": "jane@corp.example", "email_verified": false}
	says(unverified, options) == denied("the address of mail is not verified")
	says({}, options) == denied("the token has no claim email that names a user")
	says({"email": ""}, options) == denied("the token has no claim email that names a user")
	says({"email": 7}, options) == denied("the token has no claim email that names a user")
}

test_groups_are_mapped_and_the_others_get_the_prefix if {
	mapping := {"ops": "cluster-operators"}
	groups := {"mapping": mapping, "prefix": "g:"}
	says({}, {"groups": groups}).users[0].groups == ["cluster-operators", "g:dev"]
	only := object.union(groups, {"only_mapped": true})
	says({}, {"groups": only}).users[0].groups == ["cluster-operators"]
	says({"roles": ["a"]}, {"groups": {"claim": "roles"}}).users[0].groups == ["oidc:a"]
}

test_a_user_is_good_for_the_audiences_that_are_said if {
	says({}, {"good_for": ["https://kubernetes.default.svc"]}).audiences == [["https://kubernetes.default.svc"]]
}

test_a_token_is_for_one_of_our_audiences if {
	count(says({"aud": ["other", "kubectl"]}, {}).users) == 1
	every audience in ["other", ["other"], [], "", 7] {
		says({"aud": audience}, {}) == denied("the token is for another audience")
	}
	payload := object.remove(claims, ["aud"])
	decision(review(token(payload), {}), {}) == denied("the token is for another audience")
}

test_the_audience_of_nobody_is_no_audience if {
	without := {"audiences": []}
	says({}, without) == denied("the token is for another audience")
}

bad := "the token is not signed by its issuer, or it is not its time"

test_a_token_counts_in_its_time if {
	says({"exp": now}, {}) == denied(bad)
	says({"nbf": now + 60}, {}) == denied(bad)
	count(says({"nbf": now}, {}).users) == 1
	payload := object.remove(claims, ["exp"])
	decision(review(token(payload), {}), {}) == denied("the token has no end")
}

test_a_token_that_somebody_else_signed_is_denied if {
	other := {"kty": "oct", "k": base64url.encode_no_pad("another secret")}
	forged := io.jwt.encode_sign({"alg": "HS256", "kid": "1"}, claims, other)
	decision(review(forged, {}), {}) == denied(bad)
	[header, payload, _] := split(token(claims), ".")
	decision(review(sprintf("%s.%s.", [header, payload]), {}), {}) == denied(bad)
	unsigned := base64url.encode_no_pad(json.marshal({"alg": "none"}))
	decision(review(sprintf("%s.%s.", [unsigned, payload]), {}), {}) == denied(bad)
}

test_required_claims_have_their_values if {
	options := {"required": {"tenant": "a", "roles": "dev"}}
	count(says({"tenant": "a", "roles": ["ops", "dev"]}, options).users) == 1
	says({"tenant": "b", "roles": ["dev"]}, options) == denied("the claim tenant of the token is not as it has to be")
	says({"tenant": "a"}, options) == denied("the claim roles of the token is not as it has to be")
	says({"tenant": "a", "roles": ["devs"]}, options) == denied("the claim roles of the token is not as it has to be")
}

test_what_is_revoked_is_denied if {
	document := review(token(claims), {})
	decision(document, {issuer: {"subjects": {"42": "left"}}}) == denied("the subject is revoked: left")
	decision(document, {issuer: {"ids": {"t-1": "lost"}}}) == denied("the token is revoked: lost")
	before := denied("the token was issued before all of them were revoked")
	decision(document, {issuer: {"issued_before": now}}) == before
	count(decision(document, {issuer: {"issued_before": now - 60}}).users) == 1
	undated := review(token(object.remove(claims, ["iat"])), {})
	decision(undated, {issuer: {"issued_before": 1}}) == before
	others := {"https://other.example": {"subjects": {"42": "left"}}}
	count(decision(document, others).users) == 1
}

test_a_number_is_revoked_by_its_digits if {
	document := review(token(object.union(claims, {"jti": 7})), {})
	decision(document, {issuer: {"ids": {"7": "lost"}}}) == denied("the token is revoked: lost")
	count(decision(document, {issuer: {"ids": {"8": "lost"}}}).users) == 1
}

test_what_is_revoked_has_to_be_readable if {
	document := review(token(claims), {})
	every revoked in [["42"], "42", {"subjects": ["42"]}, {"subjects": {}, "ids": ["t-1"]}] {
		decision(document, {issuer: revoked}) == denied("what is revoked cannot be read")
	}
	every revoked in [null, {}, {"subjects": {}, "ids": null}] {
		count(decision(document, {issuer: revoked}).users) == 1
	}
}

test_the_tokens_of_others_are_none_of_ours if {
	says({"iss": "https://other.example"}, {}) == silent
	says({"iss": "https://issuer.example/"}, {}) == silent
	every text in ["", "rubbish", "a.b.c", "e30.e30.e30"] {
		decision(review(text, {}), {}) == silent
	}
}

test_without_an_issuer_there_is_nothing_to_say if {
	says({}, {"issuer": ""}) == silent
	says({"iss": ""}, {"issuer": ""}) == silent
	decision(object.remove(review(token(claims), {}), ["parameters"]), {}) == silent
}
