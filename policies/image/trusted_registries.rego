# Refuses images from anywhere but the trusted registries, or paths of a registry.
#
# Parameter `registries`: what is trusted (default registry.k8s.io and Docker Hub's official images).

# METADATA
# title: Trusted registries
# description: Images come from trusted registries only.
package kubernetes.image.trusted_registries

import data.regate.lib.images

registries := object.get(input, ["parameters", "registries"], ["docker.io/library", "registry.k8s.io"])

deny contains sprintf(`image "%v" is not from a trusted registry`, [image]) if {
	container := input.spec.containers[_]
	image := object.get(container, "image", "")
	not trusted(image)
}

trusted(image) if {
	some registry in registries
	images.within(image, registry)
}
