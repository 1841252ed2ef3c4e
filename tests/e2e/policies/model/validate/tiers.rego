# METADATA
# title: One rule for two tiers
# custom:
#   match: {kinds: [ConfigMap], operations: [CREATE]}
#   instances:
#   - {name: front, match: {namespaces: [front]}, parameters: {key: host}}
#   - {name: back, match: {namespaces: [back]}, parameters: {key: store}, enforcement: warn}
package kubernetes.admission.tiers

deny contains sprintf("the key %s is missing", [input.parameters.key]) if {
	not input.request.object.data[input.parameters.key]
}
