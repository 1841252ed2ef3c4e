# METADATA
# title: Accounts of the tests, by token in plain text, since they guard nothing
package kubernetes.authentication.accounts

account := data.accounts[input.spec.token]

user := account.user if not account.revoked

audiences := account.audiences

deny contains "the token is revoked" if account.revoked
