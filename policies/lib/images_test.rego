# References as container runtimes read them, and strings that only look like a trusted one.
package regate.lib.images_test

import data.regate.lib.images

digest := "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

references := {
	"nginx": {"name": "docker.io/library/nginx", "tag": "", "digest": ""},
	"nginx:1.27": {"name": "docker.io/library/nginx", "tag": "1.27", "digest": ""},
	"team/app": {"name": "docker.io/team/app", "tag": "", "digest": ""},
	"docker.io/nginx": {"name": "docker.io/library/nginx", "tag": "", "digest": ""},
	"index.docker.io/nginx:1": {"name": "docker.io/library/nginx", "tag": "1", "digest": ""},
	"docker.io/library/nginx": {"name": "docker.io/library/nginx", "tag": "", "digest": ""},
	"localhost/app": {"name": "localhost/app", "tag": "", "digest": ""},
	"registry:5000/app": {"name": "registry:5000/app", "tag": "", "digest": ""},
	"registry.example:443/team/app:v2": {"name": "registry.example:443/team/app", "tag": "v2", "digest": ""},
	"Registry.K8S.io/pause:3.10": {"name": "registry.k8s.io/pause", "tag": "3.10", "digest": ""},
	"[2001:db8::1]:5000/app:v1": {"name": "[2001:db8::1]:5000/app", "tag": "v1", "digest": ""},
	concat("@", ["quay.io/a/b/c", digest]): {"name": "quay.io/a/b/c", "tag": "", "digest": digest},
	concat("@", ["quay.io/a/b:v1", digest]): {"name": "quay.io/a/b", "tag": "v1", "digest": digest},
	"app__x/y-z.w": {"name": "docker.io/app__x/y-z.w", "tag": "", "digest": ""},
}

test_references_are_read_as_runtimes_do if {
	every image, parts in references {
		read := images.parse(image)
		read == parts
	}
}

garbage := [
	"", " ", "nginx ", " nginx", "nginx:", "nginx:a b", "nginx@", "nginx@sha256:12", "Nginx", "a//b", "/nginx", "nginx/",
	"registry.k8s.io/../evil/app", "registry.k8s.io/", "https://registry.k8s.io/app", "registry.k8s.io./app", "-host.io/app",
	"registry.k8s.io/app\n", "registry.k8s.io\n/app", "registry.k8s.io/a:1:2", "user@registry.k8s.io/app", ".io/app",
	"registry.k8s.io:/app", "ngіnx", null, 7, ["nginx:1"], {},
]

test_what_is_no_reference_is_not_read if {
	every image in garbage {
		not images.parse(image)
		not images.pinned(image)
		not images.within(image, "docker.io")
		not images.within(image, "registry.k8s.io")
	}
}

test_a_place_is_a_registry_or_a_path_of_it if {
	images.within("registry.k8s.io/pause", "registry.k8s.io")
	images.within("registry.k8s.io/pause", "registry.k8s.io/")
	images.within("nginx", "docker.io/library")
	images.within("quay.io/team/app:v1", "quay.io/team/app")
	images.within("registry:5000/app", "registry:5000")
}

test_a_look_alike_is_not_within if {
	not images.within("registry.k8s.io.evil.example/pause", "registry.k8s.io")
	not images.within("registry.k8s.io-evil.example/pause", "registry.k8s.io")
	not images.within("evil.example/registry.k8s.io/pause", "registry.k8s.io")
	not images.within("evil/nginx", "docker.io/library")
	not images.within("docker.io/libraryx/nginx", "docker.io/library")
	not images.within("quay.io/team/app-evil", "quay.io/team/app")
	not images.within("registry:5000/app", "registry")
	not images.within("registry:50001/app", "registry:5000")
	not images.within("nginx", "")
}

test_tags_and_digests_pin if {
	images.pinned("nginx:1.27")
	images.pinned("registry:5000/app:v1")
	images.pinned(concat("@", ["nginx", digest]))
	images.pinned(concat("@", ["nginx:latest", digest]))
}

test_latest_and_nothing_do_not_pin if {
	not images.pinned("nginx")
	not images.pinned("nginx:latest")
	not images.pinned("registry:5000/app")
	not images.pinned("registry:5000/app:latest")
}
