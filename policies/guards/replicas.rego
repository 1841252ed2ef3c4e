# Wants as many replicas as the label of a namespace calls for, whether they are asked for with the workload itself or
# with its scale. Asking for no fewer than there were is never refused.
#
# Parameter `label`: the label of namespaces that is read (default environment).
# Parameter `minimum`: the least number of replicas by the value of that label.

# METADATA
# title: Replicas
# description: Workloads have the replicas that the label of their namespace asks for.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     apiGroups: [apps]
#     resources: [deployments, deployments/scale, statefulsets, statefulsets/scale]
#   parameters:
#     label: environment
#     minimum: {production: 2}
package kubernetes.admission.guards.replicas

environment := input.regate.namespace.labels[input.parameters.label]

minimum := input.parameters.minimum[environment]

deny contains {"msg": msg, "field": "/spec/replicas"} if {
	is_object(input.request.object)
	replicas := object.get(input.request.object, ["spec", "replicas"], 1)
	replicas < minimum
	not replicas >= old_replicas
	msg := sprintf("namespaces of %s need %v replicas, not %v", [environment, minimum, replicas])
}

# On CREATE there is nothing to keep, so the minimum counts.
old_replicas := object.get(input.request.oldObject, ["spec", "replicas"], 1) if {
	is_object(input.request.oldObject)
} else := minimum
