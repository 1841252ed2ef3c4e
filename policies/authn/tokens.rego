# Knows tokens by their SHA-256 digest, so that no token is stored anywhere; `data.json` under regate/tokens has them:
#
#   digests: digest -> {username, uid?, groups?, extra?, audiences?}
#   revoked: digest -> why
#
# A token in neither is none of ours: no rule is defined for it, and other authenticators are asked.

# METADATA
# title: Token list
# description: Users by the SHA-256 digest of their token, with a revocation list.
package kubernetes.authentication.tokens

user := object.filter(entry, ["username", "uid", "groups", "extra"]) if count(deny) == 0

audiences := entry.audiences

deny contains sprintf("the token is revoked: %v", [why]) if why := data.regate.tokens.revoked[digest]

# Where it is a list nobody would be found in it.
deny contains "what is revoked cannot be read" if {
	entry
	not type_name(object.get(data.regate.tokens, "revoked", null)) in {"null", "object"}
}

entry := data.regate.tokens.digests[digest]

digest := crypto.sha256(input.spec.token) if is_string(input.spec.token)
