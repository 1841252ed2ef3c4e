# METADATA
# title: At most five replicas, however they are asked for
package kubernetes.admission.replicas

deny contains sprintf("%d replicas are more than 5", [input.request.object.spec.replicas]) if {
	input.request.object.kind in {"Deployment", "Scale"}
	input.request.object.spec.replicas > 5
}
