# METADATA
# title: In namespaces that begin with broken-images, a policy that fails unless the tag is a number
package kubernetes.image.broken

deny contains "the version is too high" if {
	startswith(input.spec.namespace, "broken-images")
	some container in input.spec.containers
	to_number(split(container.image, ":")[1]) > 10
}
