# What OPA needs to answer an AdmissionReview posted to `/`: the whole response, as Regate writes it.
package system

import data.kubernetes.admission.thirty

main := {
	"apiVersion": input.apiVersion,
	"kind": "AdmissionReview",
	"response": response,
}

response := {"uid": input.request.uid, "allowed": true} if {
	count(thirty.deny) == 0
} else := {
	"uid": input.request.uid,
	"allowed": false,
	"status": {"code": 403, "reason": "Forbidden", "message": concat("; ", sort(thirty.deny))},
}
