# Which Pods `log_agent` changes, and how.
package kubernetes.mutation.log_agent_test

import data.kubernetes.mutation.log_agent
import data.regate.lib.fixtures

asking(spec) := object.union(fixtures.pod(spec), {"metadata": {"labels": {"logs.regate.dev/agent": "true"}}})

web := {"name": "web", "image": "nginx:1"}

test_a_pod_that_asks_gets_the_agent if {
	mutated := log_agent.mutated with input as fixtures.create(asking({"containers": [web]}))
	[agent] := mutated.spec.initContainers
	{key: agent[key] | some key in ["name", "image", "restartPolicy"]} == {
		"name": "log-agent",
		"image": "registry.example.com/log-agent:1.0",
		"restartPolicy": "Always",
	}
	agent.resources == {
		"requests": {"cpu": "10m", "memory": "32Mi"},
		"limits": {"cpu": "100m", "memory": "64Mi"},
	}
	object.remove(mutated.spec, ["initContainers"]) == {"containers": [web]}
	mutated.metadata == asking({}).metadata
}

test_the_agent_stands_before_the_other_init_containers if {
	pod := asking({"containers": [web], "initContainers": [{"name": "a"}, {"name": "b"}]})
	mutated := log_agent.mutated with input as fixtures.create(pod)
	[container.name | some container in mutated.spec.initContainers] == ["log-agent", "a", "b"]
}

test_a_pod_with_an_agent_stays_as_it_is if {
	once := log_agent.mutated with input as fixtures.create(asking({"containers": [web]}))
	not log_agent.mutated with input as fixtures.create(once)
	count(log_agent.deny) == 0 with input as fixtures.create(once)
}

test_a_pod_that_has_the_agents_name_for_something_else_is_denied if {
	pod := asking({"containers": [web, {"name": "log-agent", "image": "other:1"}]})
	log_agent.deny == {{
		"msg": `the name "log-agent" is that of the log agent, which the Pod asks for: call the container otherwise`,
		"field": "/spec/containers/1/name",
		"code": 422,
	}} with input as fixtures.create(pod)

	silent := fixtures.pod({"containers": [{"name": "log-agent", "image": "other:1"}]})
	count(log_agent.deny) == 0 with input as fixtures.create(silent)
}

test_a_volume_of_that_name_is_no_agent if {
	pod := asking({"containers": [web], "volumes": [{"name": "log-agent"}]})
	mutated := log_agent.mutated with input as fixtures.create(pod)
	count(mutated.spec.initContainers) == 1
}

test_other_pods_stay_as_they_are if {
	every labels in [{}, null, {"logs.regate.dev/agent": "false"}, {"logs.regate.dev/agent": true}] {
		pod := object.union(fixtures.pod({"containers": [web]}), {"metadata": {"labels": labels}})
		not log_agent.mutated with input as fixtures.create(pod)
	}
	not log_agent.mutated with input as fixtures.create(fixtures.pod({"containers": [web]}))
}

test_odd_lists_are_replaced if {
	mutated := log_agent.mutated with input as fixtures.create(asking({"containers": null, "initContainers": null}))
	[container.name | some container in mutated.spec.initContainers] == ["log-agent"]
}

test_name_image_and_resources_are_parameters if {
	parameters := {"name": "tail", "image": "registry.example.com/tail:2", "resources": {}}
	mutated := log_agent.mutated with input as object.union(
		fixtures.create(asking({"containers": [web]})),
		{"parameters": parameters},
	)
	mutated.spec.initContainers == [{
		"name": "tail",
		"image": "registry.example.com/tail:2",
		"resources": {},
		"restartPolicy": "Always",
	}]
}
