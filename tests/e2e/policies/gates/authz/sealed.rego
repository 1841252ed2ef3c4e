# METADATA
# title: Secrets of the namespace sealed, and those of all namespaces at once, are not for quinn
# custom:
#   match:
#     resources: [secrets]
#     namespaces: [sealed, ""]
package kubernetes.authorization.sealed

deny contains "quinn may not see what is sealed" if input.spec.user == "quinn"
