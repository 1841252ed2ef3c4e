# METADATA
# title: In namespaces that begin with images, images come from registry.example.com or with a ticket
package kubernetes.image.registries

deny contains sprintf("%s is not from registry.example.com", [container.image]) if {
	startswith(input.spec.namespace, "images")
	some container in input.spec.containers
	not startswith(container.image, "registry.example.com/")
	not ticket
}

ticket := input.spec.annotations["e2e.image-policy.k8s.io/ticket"]

audit_annotations["ticket"] := ticket
