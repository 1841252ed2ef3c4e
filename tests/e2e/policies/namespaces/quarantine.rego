# METADATA
# title: Nothing runs in a quarantined namespace, whatever its images
# custom:
#   match:
#     namespaces: [marked, unmarked]
#     namespaceSelector:
#       matchLabels: {mark: quarantine}
package kubernetes.image.quarantine

deny contains sprintf("no image runs in %s", [input.spec.namespace])
