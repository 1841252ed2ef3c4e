# METADATA
# title: Only warns, and cannot be evaluated
# custom:
#   enforcement: warn
#   match: {kinds: [Pod], namespaces: [faltering], operations: [CREATE]}
package kubernetes.admission.falters

deny contains "never said" if to_number(input.request.name) > 1
