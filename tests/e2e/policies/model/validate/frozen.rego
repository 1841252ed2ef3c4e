# METADATA
# title: Takes nothing new, with exceptions
# custom:
#   match: {kinds: [ConfigMap], namespaces: [frozen], operations: [CREATE]}
#   exceptions:
#   - {match: {names: [still-*]}, reason: it has time, until: "2999-12-31"}
#   - {match: {names: [late-*]}, reason: it had time, until: "2020-01-31"}
package kubernetes.admission.frozen

deny contains "nothing new comes in here" if input.request.operation == "CREATE"
