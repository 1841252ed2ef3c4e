# Reads image references the way container runtimes do, so that a policy compares whole registries and repositories and
# never bare prefixes: `nginx` is `docker.io/library/nginx`, `host:5000/app` has a port and no tag, and
# `registry.k8s.io.evil.example/app` is not in `registry.k8s.io`. Read by the policies of the image gate.
#
# A string that is no image reference has no `name` and is neither in a registry nor pinned.

# METADATA
# title: Image references
# description: Registry, repository, tag and digest of an image, with the defaults that container runtimes add.
package regate.lib.images

# What follows the registry: a repository, then a tag, a digest or both.
rest_pattern := concat("", [
	`^([a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)`,
	`(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?`,
	`(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
])

registry_pattern := concat("", [
	`^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[a-f0-9:]+\])`,
	`(?::[0-9]+)?$`,
])

# The parts of an image reference: `name` (registry and repository), `tag` and `digest` (empty when there is none).
# Undefined for what is no reference.
parse(image) := {"name": name, "tag": tag, "digest": digest} if {
	is_string(image)
	parts := split_registry(image)
	regex.match(registry_pattern, parts.registry)
	[[_, repository, tag, digest]] := regex.find_all_string_submatch_n(rest_pattern, parts.rest, -1)
	name := concat("/", [parts.registry, with_library(parts.registry, repository)])
}

# Whether an image is in a registry or below a path of it: `registry.k8s.io`, `docker.io/library`.
within(image, place) if {
	name := parse(image).name
	startswith(name, concat("", [trim_right(place, "/"), "/"]))
}

within(image, place) if parse(image).name == place

# Whether an image names one version: by digest, or by a tag other than `latest`.
pinned(image) if parse(image).digest != ""

pinned(image) if {
	tag := parse(image).tag
	not tag in {"", "latest"}
}

# The first segment is a registry only if it could be a host; else the registry is Docker Hub.
split_registry(image) := {"registry": canonical(lower(first)), "rest": substring(image, count(first) + 1, -1)} if {
	contains(image, "/")
	first := split(image, "/")[0]
	is_host(first)
} else := {"registry": "docker.io", "rest": image}

is_host(segment) if regex.match("[.:A-Z]|^localhost$", segment)

canonical(registry) := "docker.io" if {
	registry == "index.docker.io"
} else := registry

with_library(registry, repository) := concat("/", ["library", repository]) if {
	registry == "docker.io"
	not contains(repository, "/")
} else := repository
