# METADATA
# title: In the namespace statuses, nobody says that replicas are ready
# custom:
#   match: {resources: [deployments/status], namespaces: [statuses]}
package kubernetes.admission.statuses

deny contains sprintf("%d replicas cannot be ready", [input.request.object.status.readyReplicas])
