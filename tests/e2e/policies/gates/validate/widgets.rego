# METADATA
# title: Widgets are at most 10 wide
package kubernetes.admission.widgets

deny contains {"msg": "wider than 10", "code": 422, "field": "/spec/width"} if {
	input.request.kind == {"group": "e2e.example.com", "version": "v1", "kind": "Widget"}
	input.request.object.spec.width > 10
}
