# METADATA
# title: Tells the name and whether it is for real
package kubernetes.admission.names

warn contains sprintf("%s is made, dry run: %v", [input.request.name, input.request.dryRun]) if {
	startswith(input.request.namespace, "names")
	input.request.operation == "CREATE"
	input.request.object.kind == "Pod"
}
