# METADATA
# title: Nobody attaches to Pods or forwards their ports
# custom:
#   match: {resources: [pods/attach, pods/portforward], operations: [CONNECT]}
package kubernetes.admission.connects

deny contains sprintf("no %s to %s", [input.request.subResource, input.request.name])
