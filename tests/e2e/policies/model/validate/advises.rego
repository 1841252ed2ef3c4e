# METADATA
# title: Warns of Pods without an owner
# custom:
#   enforcement: warn
#   match: {kinds: [Pod], namespaces: [advised], operations: [CREATE]}
package kubernetes.admission.advises

deny contains "say who owns it" if not input.request.object.metadata.labels.owner
