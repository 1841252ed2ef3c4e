# METADATA
# title: No ConfigMap of the crew without the stamp of its maker, and none that is marked
package kubernetes.admission.stamped

deny contains "nobody says who made it" if {
	input.request.object.kind == "ConfigMap"
	"crew" in input.request.userInfo.groups
	object.get(input.request.object, ["metadata", "labels", "maker"], "") != input.request.userInfo.username
}

deny contains "it is marked" if {
	input.request.object.kind == "ConfigMap"
	input.request.object.data.marked == "yes"
}
