# Logs in with the ID tokens of one OpenID Connect issuer. A token of another issuer is none of ours: no rule is defined
# for it. One instance of the package (`instances`, or `policies.settings` of the server) for each further issuer, with
# prefixes of its own: what two issuers give the same name is the same user to the API server.
#
# Parameter `issuer`: the claim `iss` of its tokens, letter for letter. Without it this policy has nothing to say.
# Parameter `keys`: the name of the issuer's set of keys, given to the server as `--jwks NAME=https://…` (default oidc).
# Parameter `audiences`: a token is for one of these at least: the client IDs that the issuer knows you by.
# Parameter `good_for`: audiences of the TokenReview that the user is good for (default: those of the API server itself).
# Parameter `username`: `claim` (default sub) and `prefix` (default oidc:).
# Parameter `groups`: `claim` (default groups), `prefix` (default oidc:), `mapping` from values of the claim to groups
# that are given without the prefix, and `only_mapped` (default false): whether other values give no group.
# Parameter `required`: claims that a token must have, and their values; a claim that is a list must contain it.
#
# `data.regate.oidc.revoked` has what is denied, by issuer: `subjects` and `ids` (the claims `sub` and `jti`), each with
# the reason (objects: a list is refused), and `issued_before`: seconds since 1970 before which no token counts. It is data, so that a change counts at
# once; the API server may know a token for its cache time after that (two minutes by default).

# METADATA
# title: OIDC
# description: Users and groups from the ID tokens of an OpenID Connect issuer.
package kubernetes.authentication.oidc

user := {"username": username, "groups": groups} if count(deny) == 0

audiences := good_for if {
	count(good_for) > 0
	count(deny) == 0
}

good_for := object.get(input, ["parameters", "good_for"], []) if claimed

# What the token says before anybody has looked at its signature: enough to know whose it is, and good for nothing else.
claimed := claims if {
	issuer := input.parameters.issuer
	issuer != ""
	[_, claims, _] := io.jwt.decode(input.spec.token)
	claims.iss == issuer
}

# What it says, signed by a key of its issuer, in its time, for us.
claims := payload if {
	keys := regate.jwks(set_of_keys, input.spec.token)
	constraints := {"cert": keys, "iss": claimed.iss, "aud": min(wanted_audiences)}
	[verified, _, payload] := io.jwt.decode_verify(input.spec.token, constraints)
	verified
}

# Nobody asks for keys because of a token that is not for us.
set_of_keys := object.get(input, ["parameters", "keys"], "oidc") if is_for_us

wanted_audiences := claimed_audiences & {audience | audience := input.parameters.audiences[_]}

claimed_audiences := {claimed.aud} if is_string(claimed.aud)

claimed_audiences := {audience | audience := claimed.aud[_]} if is_array(claimed.aud)

username := concat("", [object.get(input, ["parameters", "username", "prefix"], "oidc:"), claims[username_claim]]) if {
	is_string(claims[username_claim])
}

username_claim := object.get(input, ["parameters", "username", "claim"], "sub")

groups := [group | some group in (mapped | prefixed)]

mapped := {group |
	some value in group_values
	group := input.parameters.groups.mapping[value]
}

prefixed := {group |
	object.get(input, ["parameters", "groups", "only_mapped"], false) == false
	some value in group_values
	not value in object.keys(object.get(input, ["parameters", "groups", "mapping"], {}))
	group := concat("", [object.get(input, ["parameters", "groups", "prefix"], "oidc:"), value])
}

default group_values := set()

group_values := {value | value := claims[groups_claim][_]; is_string(value)} if is_array(claims[groups_claim])

group_values := {claims[groups_claim]} if is_string(claims[groups_claim])

groups_claim := object.get(input, ["parameters", "groups", "claim"], "groups")

deny contains "the token is for another audience" if {
	claimed
	not is_for_us
}

is_for_us if count(wanted_audiences) > 0

deny contains "the token is not signed by its issuer, or it is not its time" if {
	is_for_us
	not claims
}

deny contains "the token has no end" if {
	claims
	not is_number(object.get(claims, "exp", null))
}

deny contains sprintf("the token has no claim %s that names a user", [username_claim]) if {
	claims
	not names_a_user
}

names_a_user if {
	is_string(claims[username_claim])
	claims[username_claim] != ""
}

deny contains "the address of mail is not verified" if {
	username_claim == "email"
	object.get(claims, "email_verified", true) != true
}

deny contains sprintf("the claim %s of the token is not as it has to be", [claim]) if {
	claims
	some claim, value in object.get(input, ["parameters", "required"], {})
	not has(claim, value)
}

has(claim, value) if claims[claim] == value

has(claim, value) if {
	is_array(claims[claim])
	value in claims[claim]
}

revoked := data.regate.oidc.revoked[claims.iss]

# Where these are lists nobody would be found in them.
deny contains "what is revoked cannot be read" if {
	some place in [[], ["subjects"], ["ids"]]
	held := object.get(data.regate.oidc.revoked, array.concat([claims.iss], place), null)
	not type_name(held) in {"null", "object"}
}

# The keys of an object of JSON are texts; some issuers count their tokens.
deny contains sprintf("the subject is revoked: %v", [why]) if why := revoked.subjects[sprintf("%v", [claims.sub])]

deny contains sprintf("the token is revoked: %v", [why]) if why := revoked.ids[sprintf("%v", [claims.jti])]

deny contains "the token was issued before all of them were revoked" if {
	revoked.issued_before
	not is_newer
}

is_newer if {
	is_number(claims.iat)
	claims.iat >= revoked.issued_before
}
