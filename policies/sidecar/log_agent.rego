# Gives Pods that ask for it a log agent: an init container that stays (restartPolicy Always), before all others, so that
# it is there when they start and ends after them. A Pod asks with the label `logs.regate.dev/agent: "true"`; one that
# has a container of that name already stays as it is.
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
	input.request.object.metadata.labels["logs.regate.dev/agent"] == "true"
	not present
}

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
	some list in ["containers", "initContainers"]
	container := input.request.object.spec[list][_]
	container.name == name
}
