# METADATA
# title: Names that are not free; the configuration of the tests names others
# custom:
#   match: {kinds: [ConfigMap], namespaces: [tuned], operations: [CREATE]}
#   parameters: {names: [free]}
package kubernetes.admission.reserved

deny contains sprintf("the name %s is reserved", [input.request.name]) if {
	input.request.name in input.parameters.names
}
