# METADATA
# title: Whoever bears a token of the crew is of the crew, by the token's name
package kubernetes.authentication.crew

user := {"username": input.spec.token, "groups": ["crew"]} if startswith(input.spec.token, "crew-")
