# METADATA
# title: Fails to say whose a token is
package kubernetes.authentication.faulty

user := {"username": sprintf("%d", [to_number(input.spec.token)])} if startswith(input.spec.token, "faulty")
