# Refuses kernel parameters beyond those that hold for one Pod alone and harm no other.

# METADATA
# title: Sysctls
# description: Pods set no kernel parameter but the safe ones.
# custom:
#   match:
#     operations: [CREATE, UPDATE]
#     kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet,
#       apps/StatefulSet, batch/CronJob, batch/Job]
package kubernetes.admission.pod_security.baseline.sysctls

import data.regate.lib.pods

allowed := {
	"kernel.shm_rmid_forced",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_syncookies",
	"net.ipv4.tcp_wmem",
}

deny contains {"msg": msg, "field": field} if {
	name := pods.spec.securityContext.sysctls[i].name
	not name in allowed
	not name in old_names
	msg := sprintf(`the Pod must not set the sysctl "%v"`, [name])
	field := sprintf("%s/securityContext/sysctls/%d", [pods.pointer, i])
}

old_names contains name if name := pods.old_spec.securityContext.sysctls[_].name
