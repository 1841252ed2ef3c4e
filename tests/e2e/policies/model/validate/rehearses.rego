# METADATA
# title: Would take no Pods at all
# custom:
#   enforcement: dryrun
#   match: {kinds: [Pod], namespaces: [rehearsed], operations: [CREATE]}
package kubernetes.admission.rehearses

deny contains "no Pods here" if input.request.operation == "CREATE"

warn contains "never shown" if input.request.operation == "CREATE"
