# METADATA
# title: Advice that stops nobody
package kubernetes.admission.advice

warn contains sprintf("container %s has no tag", [container.name]) if {
	some container in input.request.object.spec.containers
	not contains(container.image, ":")
}

audit_annotations["advised"] := "yes" if count(warn) > 0
