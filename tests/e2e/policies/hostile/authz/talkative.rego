# METADATA
# title: Refuses in ten million characters
# custom:
#   match: {resources: [pods], namespaces: ["", talkative]}
package kubernetes.authorization.talkative

thousand := concat("", ["x" | some _ in numbers.range(1, 1000)])

million := concat("", [thousand | some _ in numbers.range(1, 1000)])

deny contains sprintf("%d: %s", [number, million]) if {
	input.spec.resourceAttributes.namespace == "talkative"
	some number in numbers.range(0, 9)
}
