# Wants labels on objects: who owns a workload, who pays for a namespace, which environment a Service serves. Each
# instance says where it asks for which labels. An update is refused only when it takes a good label away.
#
# Parameter `labels`: the labels, each with the regular expression that its value matches.

# METADATA
# title: Required labels
# description: Objects have the labels by which they are found, paid for and asked about.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     excludedNamespaces: ["kube-*"]
#   instances:
#   - name: owner
#     match:
#       kinds: [apps/DaemonSet, apps/Deployment, apps/StatefulSet, batch/CronJob]
#     parameters:
#       labels: {owner: "^[a-z][a-z0-9-]{1,30}$"}
#   - name: cost_center
#     match:
#       kinds: [Namespace]
#     parameters:
#       labels: {cost-center: "^cc-[0-9]{4}$"}
#   - name: environment
#     enforcement: warn
#     match:
#       kinds: [Service]
#     parameters:
#       labels: {environment: "^(development|staging|production)$"}
package kubernetes.admission.required_labels

import data.regate.lib.pods

deny contains {"msg": msg, "field": "/metadata/labels"} if {
	some key in lost
	not key in object.keys(labels("object"))
	msg := sprintf("the label %s is missing", [key])
}

deny contains {"msg": msg, "field": field} if {
	some key in lost
	value := labels("object")[key]
	msg := sprintf(`the label %s is "%v": it must match %s`, [key, value, input.parameters.labels[key]])
	field := concat("/", ["/metadata/labels", replace(key, "/", "~1")])
}

# The labels that are not as they should be, and were before or are new.
lost contains key if {
	is_object(input.request.object)
	not pods.being_deleted
	some key, pattern in input.parameters.labels
	not good(labels("object"), key, pattern)
	not was_bad(key, pattern)
}

good(found, key, pattern) if {
	value := found[key]
	is_string(value)
	regex.match(pattern, value)
}

was_bad(key, pattern) if {
	is_object(input.request.oldObject)
	not good(labels("oldObject"), key, pattern)
}

labels(side) := found if {
	found := input.request[side].metadata.labels
	is_object(found)
} else := {}
