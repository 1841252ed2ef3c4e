# METADATA
# title: Namespaces that are labelled so take no new Pods
# custom:
#   match:
#     operations: [CREATE]
#     resources: [pods]
#     namespaceSelector:
#       matchLabels: {closed: "yes"}
package kubernetes.admission.closed

deny contains "this namespace takes no new Pods"
