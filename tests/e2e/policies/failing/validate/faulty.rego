# METADATA
# title: Fails to say whether a name is good
# custom:
#   match: {resources: [configmaps], operations: [CREATE]}
package kubernetes.admission.faulty

deny contains "the name is too high" if {
	startswith(input.request.name, "faulty")
	to_number(input.request.name) > 1
}
