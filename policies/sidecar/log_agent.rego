# Gives Pods that ask for it a log agent: an init container that stays (restartPolicy Always), before all others, so that
# it is there when they start and ends after them. A Pod asks with the label `logs.regate.dev/agent: "true"`; one that
# has an init container of that name already stays as it is, and one whose ordinary container has the name is denied,
# since it would have asked in vain.
#
# Parameter `name`: what the container is called (default log-agent).
# Parameter `image`: what it runs (default: an example, which no registry has).
# Parameter `resources`: its requests and limits (default: see below).

# METADATA
# title: Log agent
# description: Pods that ask for a log agent get one as a sidecar.
# custom:
#   # Before the policies that complete containers (0): the agent is one of those.
#   order: -10
#   match:
#     operations: [CREATE]
#     kinds: [Pod]
package kubernetes.mutation.log_agent

name := object.get(input, ["parameters", "name"], "log-agent")

image := object.get(input, ["parameters", "image"], "registry.example.com/log-agent:1.0")

resources := object.get(input, ["parameters", "resources"], {
	"requests": {"cpu": "10m", "memory": "32Mi"},
	"limits": {"cpu": "100m", "memory": "64Mi"},
})

mutated := object.union(input.request.object, {"spec": {"initContainers": array.concat([agent], others)}}) if {
	asked
	not present
}

deny contains {"msg": msg, "field": field, "code": 422} if {
	asked
	input.request.object.spec.containers[i].name == name
	msg := sprintf("the name %q is that of the log agent, which the Pod asks for: call the container otherwise", [name])
	field := sprintf("/spec/containers/%d/name", [i])
}

asked if input.request.object.metadata.labels["logs.regate.dev/agent"] == "true"

agent := {
	"name": name,
	"image": image,
	"resources": resources,
	"restartPolicy": "Always",
}

others := list if {
	list := input.request.object.spec.initContainers
	is_array(list)
} else := []

present if {
	container := input.request.object.spec.initContainers[_]
	container.name == name
}
