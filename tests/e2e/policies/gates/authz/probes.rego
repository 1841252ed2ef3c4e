# METADATA
# title: Probers may read the API server's metrics
package kubernetes.authorization.probes

allow if {
	input.spec.nonResourceAttributes == {"path": "/metrics", "verb": "get"}
	"probers" in input.spec.groups
}
