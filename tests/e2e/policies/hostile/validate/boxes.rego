# METADATA
# title: Boxes that are not sealed are refused, with what is in them
# custom:
#   match: {apiGroups: [e2e.example.com], resources: [boxes], operations: [CREATE, UPDATE]}
package kubernetes.admission.boxes

spec := input.request.object.spec

deny contains "not sealed" if object.get(spec, "sealed", "no") == "no"

deny contains sprintf("%d characters", [count(spec.content)]) if spec.sealed == "weighed"

deny contains sprintf("%d attributes, %s", [count(spec.attributes), type_name(spec.attributes)]) if spec.sealed == "counted"

deny contains sprintf("the number is %v", [spec.number]) if spec.sealed == "numbered"

deny contains sprintf("it says: %s!", [spec.content]) if spec.sealed == "read aloud"

deny contains sprintf("%d: %s", [number, spec.content]) if {
	spec.sealed == "read four times"
	some number in numbers.range(1, 4)
}

warn contains sprintf("it says: %s!", [spec.content]) if spec.sealed == "whispered"
