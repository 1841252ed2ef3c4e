package system

import data.kubernetes.admission

main = {
  "apiVersion": "admission.k8s.io/v1",
  "kind": "AdmissionReview",
  "response": response,
}

default uid = ""

uid = input.request.uid

# What no client should ever write.
response = {"uid": uid, "allowed": "yes"} {
  input.request.namespace == "opa-broken"
}

else = {"uid": uid, "allowed": false, "status": {"message": reason}} {
  reason := concat(", ", admission.deny)
  reason != ""
}

else = {"uid": uid, "allowed": true, "patchType": "JSONPatch", "patch": base64.encode(json.marshal(patches))} {
  count(patches) > 0
}

else = {"uid": uid, "allowed": true}

patches = [{"op": "add", "path": "/metadata/labels", "value": {"seen": "by-opa"}}] {
  input.request.namespace == "opa"
  input.request.kind.kind == "ConfigMap"
  input.request.operation == "CREATE"
}
