# METADATA
# title: Knows one token, and fails to say whose it is
package kubernetes.authentication.broken

user := {"username": "bo", "uid": sprintf("%d", [to_number("seven")])} if input.spec.token == "bo-token"
