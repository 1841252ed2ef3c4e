# METADATA
# title: Fails to say whether an image is good
package kubernetes.image.faulty

deny contains "the image is old" if {
	some container in input.spec.containers
	contains(container.image, "/faulty")
	to_number(container.image) > 1
}
