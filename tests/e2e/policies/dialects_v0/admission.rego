package kubernetes.admission

deny[msg] {
  input.request.namespace == "opa"
  input.request.kind.kind == "Pod"
  image := input.request.object.spec.containers[_].image
  not startswith(image, "hooli.example/")
  msg := sprintf("image '%v' comes from an untrusted registry", [image])
}
