# Lets the members of a team work in the namespaces of their team: with workloads and what belongs to them, Secrets
# included, and not with quotas, roles or network policies, which are the operators'. What is not listed is left to RBAC.
#
# Parameter `teams`: see teams.rego.

# METADATA
# title: Own namespaces
# description: Members of a team work with the workloads in the namespaces of their team.
# custom:
#   match:
#     operations: [get, list, watch, create, update, patch, delete, deletecollection]
#     apiGroups: ["", apps, autoscaling, batch]
#     resources: [configmaps, events, persistentvolumeclaims, pods, pods/attach, pods/ephemeralcontainers, pods/exec,
#       pods/log, pods/portforward, secrets, services, daemonsets, deployments, deployments/scale, replicasets,
#       statefulsets, statefulsets/scale, horizontalpodautoscalers, cronjobs, jobs]
#     excludedNamespaces: ["kube-*"]
package kubernetes.authorization.tenants.own_namespaces

import data.regate.lib.teams

allow if count(own) > 0

reason := sprintf("namespace %s belongs to %s", [teams.namespace, concat(", ", own)]) if allow

own := teams.mine & teams.owners
