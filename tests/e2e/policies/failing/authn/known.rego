# METADATA
# title: Knows tokens that say so themselves
package kubernetes.authentication.known

user := {"username": "jane"} if startswith(input.spec.token, "known")
