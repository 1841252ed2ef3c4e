# METADATA
# title: Secrets of the namespace vault are for keepers
# description: A request without a namespace asks for all namespaces, the vault among them.
package kubernetes.authorization.vault

deny contains "secrets of the vault are for keepers" if {
	asked := input.spec.resourceAttributes
	asked.resource == "secrets"
	object.get(asked, "namespace", "") in {"", "vault"}
	not "keepers" in input.spec.groups
}
