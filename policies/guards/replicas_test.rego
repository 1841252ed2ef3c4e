# What `replicas` denies by the labels of the namespace, and what it lets through.
package kubernetes.admission.guards.replicas_test

import data.kubernetes.admission.guards.replicas
import data.regate.lib.fixtures

deployment(count) := {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": count}}

scale(count) := {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": count}}

parameters := {"label": "environment", "minimum": {"production": 2, "staging": 1}}

judge(review, labels) := messages if {
	namespace := {"name": "shop", "labels": labels, "annotations": {}}
	messages := replicas.deny with input as object.union(
		review,
		{"parameters": parameters, "regate": {"namespace": namespace}},
	)
}

production := {"environment": "production"}

denied(count) := {{
	"msg": sprintf("namespaces of production need 2 replicas, not %v", [count]),
	"field": "/spec/replicas",
}}

test_too_few_replicas_are_denied if {
	every count in [0, 1] {
		messages := judge(fixtures.create(deployment(count)), production)
		messages == denied(count)
	}
	one := judge(fixtures.create({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {}}), production)
	one == denied(1)
}

test_enough_replicas_are_allowed if {
	every count in [2, 3] {
		messages := judge(fixtures.create(deployment(count)), production)
		messages == set()
	}
}

test_scaling_down_below_the_minimum_is_denied if {
	every old, new in {deployment(3): deployment(1), scale(2): scale(1)} {
		messages := judge(fixtures.update(old, new), production)
		messages == denied(1)
	}
}

test_an_update_that_keeps_or_adds_replicas_is_allowed if {
	every new in [deployment(0), deployment(1), deployment(5)] {
		messages := judge(fixtures.update(deployment(0), new), production)
		messages == set()
	}
}

test_scaling_down_to_the_minimum_is_allowed if {
	every old, new in {deployment(5): deployment(2), scale(9): scale(3)} {
		messages := judge(fixtures.update(old, new), production)
		messages == set()
	}
}

test_other_namespaces_are_no_business_of_it if {
	every labels in [{}, null, {"environment": "staging"}, {"environment": "Production"}, {"env": "production"}] {
		messages := judge(fixtures.create(deployment(1)), labels)
		messages == set()
	}
}

test_label_and_minimum_are_parameters if {
	namespace := {"name": "shop", "labels": {"tier": "gold"}, "annotations": {}}
	messages := replicas.deny with input as object.union(fixtures.create(deployment(2)), {
		"parameters": {"label": "tier", "minimum": {"gold": 3}},
		"regate": {"namespace": namespace},
	})
	{message.msg | some message in messages} == {"namespaces of gold need 3 replicas, not 2"}
}

test_without_a_namespace_or_an_object_nothing_is_said if {
	without := replicas.deny with input as object.union(fixtures.create(deployment(1)), {"parameters": parameters})
	without == set()
	odd := judge(fixtures.review({"operation": "CREATE", "object": null}), production)
	odd == set()
}
