# METADATA
# title: No shells in Pods
package kubernetes.admission.exec

deny contains sprintf("%s in %s is not allowed", [input.request.object.command[0], input.request.name]) if {
	input.request.operation == "CONNECT"
	input.request.subResource == "exec"
	input.request.options == null
	input.request.object.command[0] == "sh"
}
