//! What is found where, what is refused, and what the revision depends on.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(&directory.path().join(path), text);
    }
    directory
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn sources<P: AsRef<Path>>(policies: &[P]) -> Sources {
    Sources {
        policies: policies.iter().map(|path| path.as_ref().to_owned()).collect(),
        ..Sources::default()
    }
}

fn read_all(directory: &Path) -> Files {
    Files::read(&sources(&[directory])).unwrap()
}

/// The findings of a directory, as they are printed, below it.
fn findings(directory: &Path) -> Vec<String> {
    let prefix = format!("{}/", directory.display());
    let findings = Files::read(&sources(&[directory])).unwrap_err();
    findings
        .iter()
        .map(|finding| finding.to_string().replace(&prefix, ""))
        .collect()
}

fn below(directory: &Path, paths: &[&str]) -> Vec<String> {
    paths
        .iter()
        .map(|path| directory.join(path).display().to_string())
        .collect()
}

fn modules(files: &Files) -> Vec<String> {
    files.modules.iter().map(|module| module.path.clone()).collect()
}

fn places(files: &Files) -> Vec<String> {
    files.data.iter().map(|data| data.at.join(".")).collect()
}

#[test]
fn directories_are_searched_for_rego_and_data() {
    let files = [
        ("b.rego", "package b"),
        ("lib/a.rego", "package a"),
        ("lib/a_test.rego", "package a_test"),
        ("data.json", "{}"),
        ("x/y/data.yaml", "a: 1"),
        ("x/z/data.yml", "a: 2"),
        ("x/other.json", "{}"),
        ("x/other.yaml", "a: 3"),
        ("README.md", "text"),
        (".git/x.rego", "package git"),
        ("lib/.hidden.rego", "package hidden"),
        ("..data/c.rego", "package c"),
    ];
    let directory = directory(&files);
    let files = read_all(directory.path());
    assert_eq!(
        modules(&files),
        below(directory.path(), &["b.rego", "lib/a.rego", "lib/a_test.rego"])
    );
    assert_eq!(
        files
            .modules
            .iter()
            .map(|module| module.is_test)
            .collect::<Vec<_>>(),
        [false, false, true]
    );
    assert_eq!(files.modules[1].text, "package a");
    assert_eq!(places(&files), ["", "x.y", "x.z"]);
    assert_eq!(
        files.data.iter().map(|data| data.format).collect::<Vec<_>>(),
        [Format::Json, Format::Yaml, Format::Yaml]
    );
    assert_eq!(files.data[2].bytes, b"a: 2");
}

#[test]
fn a_mounted_config_map_is_read_through_its_links() {
    let mount = directory(&[
        ("..2026_01/policy.rego", "package a"),
        ("..2026_01/sub/data.json", "{}"),
    ]);
    symlink("..2026_01", mount.path().join("..data")).unwrap();
    symlink("..data/policy.rego", mount.path().join("policy.rego")).unwrap();
    symlink("..data/sub", mount.path().join("sub")).unwrap();
    let files = read_all(mount.path());
    assert_eq!(modules(&files), below(mount.path(), &["policy.rego"]));
    assert_eq!(places(&files), ["sub"]);
}

#[test]
fn files_by_name_give_data_at_the_root() {
    let directory = directory(&[
        ("p.rego", "package p"),
        ("a.json", "{}"),
        ("sub/b.yaml", "{}"),
        ("c.yml", "{}"),
    ]);
    let named = ["p.rego", "a.json", "sub/b.yaml", "c.yml"].map(|name| directory.path().join(name));
    let files = Files::read(&sources(&named)).unwrap();
    assert_eq!(modules(&files), below(directory.path(), &["p.rego"]));
    assert_eq!(places(&files), ["", "", ""]);
}

#[test]
fn data_sources_give_data_only() {
    let directory = directory(&[("p.rego", "package p"), ("a/data.json", "{}"), ("b.txt", "")]);
    let data = |name: &str| Sources {
        data: vec![directory.path().join(name)],
        ..Sources::default()
    };
    let files = Files::read(&data("")).unwrap();
    assert_eq!((files.modules.len(), places(&files)), (0, vec!["a".to_owned()]));
    let refusal = |name: &str| Files::read(&data(name)).unwrap_err()[0].message.clone();
    assert_eq!(refusal("p.rego"), "is Rego, not data");
    assert_eq!(
        refusal("b.txt"),
        "is neither `*.rego` nor `*.json`, `*.yaml` or `*.yml`"
    );
}

#[test]
fn a_file_that_is_given_twice_counts_once() {
    let directory = directory(&[("p.rego", "package p"), ("a/data.json", "{}")]);
    let named =
        [PathBuf::new(), "p.rego".into(), "a/data.json".into()].map(|name| directory.path().join(name));
    let files = Files::read(&sources(&named)).unwrap();
    assert_eq!(files.modules.len(), 1);
    assert_eq!(places(&files), ["a", ""]);
}

#[test]
fn modules_of_the_old_language_are_marked_even_among_others() {
    let directory = directory(&[("p.rego", "package p"), ("old/q.rego", "package q")]);
    let read = |policies: &[&str], policies_v0: &[&str]| {
        let at = |names: &[&str]| names.iter().map(|name| directory.path().join(name)).collect();
        Files::read(&Sources {
            policies: at(policies),
            policies_v0: at(policies_v0),
            ..Sources::default()
        })
        .unwrap()
    };
    let marks = |files: &Files| files.modules.iter().map(|module| module.v0).collect::<Vec<_>>();
    let mixed = read(&[""], &["old"]);
    assert_eq!(
        modules(&mixed),
        below(directory.path(), &["old/q.rego", "p.rego"])
    );
    assert_eq!(marks(&mixed), [true, false]);
    assert_eq!(marks(&read(&[], &["p.rego"])), [true]);
    // The same text in another language is another policy.
    let today = read(&[""], &[]);
    assert_eq!(marks(&today), [false, false]);
    assert_ne!(mixed.revision, today.revision);
    assert_eq!(mixed.revision, read(&["p.rego"], &["old/q.rego"]).revision);
}

#[test]
fn templates_and_constraints_are_part_of_the_revision_and_suites_are_not() {
    let template = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\n";
    let constraint = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: A\nmetadata: {name: a}\n";
    let suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n";
    let revision = |files: &[(&str, &str)]| read_all(directory(files).path()).revision;
    let first = revision(&[("t.yaml", template), ("c.yaml", constraint)]);
    let renamed = [("a.yaml", template), ("b.yml", constraint), ("suite.yaml", suite)];
    assert_eq!(revision(&renamed), first);
    let other = constraint.replace("name: a", "name: b");
    assert_ne!(revision(&[("t.yaml", template), ("c.yaml", &other)]), first);
    let other = format!("{template}spec: {{}}\n");
    assert_ne!(revision(&[("t.yaml", &other), ("c.yaml", constraint)]), first);
}

#[test]
fn the_revision_is_that_of_the_content() {
    let original = [
        ("a.rego", "package a"),
        ("x/b.rego", "package b"),
        ("x/data.json", "{}"),
    ];
    let one = directory(&original);
    let revision = |files: &[(&str, &str)]| read_all(directory(files).path()).revision;
    let of_original = read_all(one.path()).revision;
    assert_eq!(of_original.len(), 64);
    let moved = one.path().with_extension("moved");
    fs::rename(one.path(), &moved).unwrap();
    assert_eq!(read_all(&moved).revision, of_original);
    fs::rename(&moved, one.path()).unwrap();
    let same = [
        ("z.rego", "package b"),
        ("a.rego", "package a"),
        ("x/data.json", "{}"),
        ("a_test.rego", "package c"),
    ];
    assert_eq!(revision(&same), of_original);
    let others = [
        &[
            ("a.rego", "package a "),
            ("x/b.rego", "package b"),
            ("x/data.json", "{}"),
        ][..],
        &[
            ("a.rego", "package a"),
            ("x/b.rego", "package b"),
            ("y/data.json", "{}"),
        ],
        &[
            ("a.rego", "package a"),
            ("x/b.rego", "package b"),
            ("x/data.yaml", "{}"),
        ],
        &[
            ("a.rego", "package a"),
            ("x/b.rego", "package b"),
            ("x/data.json", "{ }"),
        ],
        &[("a.rego", "package a"), ("x/b.rego", "package b")],
        &[("a.rego", "package apackage b"), ("x/data.json", "{}")],
        &[],
    ];
    for other in others {
        assert_ne!(revision(other), of_original, "{other:?}");
    }
    assert_ne!(
        revision(&[("a/b/data.json", "{}")]),
        revision(&[("ab/data.json", "{}")])
    );
}

#[test]
fn everything_that_cannot_be_read_is_told_at_once() {
    let directory = directory(&[("good.rego", "package good"), ("sub/x", "")]);
    let path = |name: &str| directory.path().join(name);
    fs::write(path("bytes.rego"), b"package a\n\n# \xff\n").unwrap();
    fs::write(path("data.json"), b"\xff").unwrap();
    symlink("nowhere", path("dangling.rego")).unwrap();
    symlink(".", path("itself")).unwrap();
    symlink("..", path("sub/up")).unwrap();
    symlink("round.rego", path("round.rego")).unwrap();
    symlink("/dev/zero", path("zero.rego")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(path("pipe.rego"))
            .status()
            .unwrap()
            .success()
    );
    fs::write(path("long.rego"), "#".repeat(1024 * 1024 + 1)).unwrap();
    fs::create_dir(path("long")).unwrap();
    fs::File::create(path("long/data.yaml"))
        .unwrap()
        .set_len(64 * 1024 * 1024 + 1)
        .unwrap();
    fs::write(
        directory.path().join(std::ffi::OsStr::from_bytes(b"\xff.rego")),
        "package a",
    )
    .unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    let mut found = findings(directory.path());
    found.sort();
    assert_eq!(
        found,
        [
            "bytes.rego:3: is not UTF-8".to_owned(),
            "dangling.rego: cannot be read: No such file or directory (os error 2)".to_owned(),
            "data.json:1: is not UTF-8".to_owned(),
            format!("itself: is a link that leads back to {}", real.display()),
            "long.rego: is longer than 1048576 bytes".to_owned(),
            "long/data.yaml: is longer than 67108864 bytes".to_owned(),
            "pipe.rego: is neither a file nor a directory".to_owned(),
            "round.rego: cannot be read: Too many levels of symbolic links (os error 40)".to_owned(),
            format!("sub/up: is a link that leads back to {}", real.display()),
            "zero.rego: is neither a file nor a directory".to_owned(),
            "\u{fffd}.rego: has a name that is not UTF-8".to_owned(),
        ]
    );
}

#[test]
fn sources_that_are_not_there_are_told() {
    let directory = directory(&[("file.rego", "")]);
    let missing = [
        directory.path().join("none"),
        directory.path().join("file.rego/below"),
    ];
    let findings = Files::read(&sources(&missing)).unwrap_err();
    let told: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert_eq!(
        told,
        [
            format!(
                "{}: cannot be read: No such file or directory (os error 2)",
                missing[0].display()
            ),
            format!(
                "{}: cannot be read: Not a directory (os error 20)",
                missing[1].display()
            ),
        ]
    );
}

#[test]
fn the_number_of_files_is_limited() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..=MAX_FILES {
        fs::write(directory.path().join(format!("{number}.rego")), "").unwrap();
    }
    assert_eq!(
        findings(directory.path()),
        ["there are more than 10000 policy and data files"]
    );
    fs::remove_file(directory.path().join("0.rego")).unwrap();
    assert_eq!(read_all(directory.path()).modules.len(), MAX_FILES);
}

#[test]
fn directories_are_searched_to_a_limit() {
    let deep = directory(&[]);
    let path = (0..40).fold(deep.path().to_owned(), |path, _| path.join("d"));
    write(&path.join("x.rego"), "");
    assert_eq!(
        findings(deep.path()),
        [format!("{}d: is deeper than 32 directories", "d/".repeat(31))]
    );
}

#[test]
fn a_set_is_never_read_from_two_versions() {
    let mount = tempfile::tempdir().unwrap();
    let swap = |version: u32| {
        let old = fs::read_link(mount.path().join("..data"));
        for name in ["a.rego", "b.rego"] {
            write(
                &mount.path().join(format!("..v{version}")).join(name),
                &format!("package v{version}"),
            );
        }
        symlink(format!("..v{version}"), mount.path().join("..data_tmp")).unwrap();
        fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
        if let Ok(old) = old {
            fs::remove_dir_all(mount.path().join(old)).unwrap();
        }
    };
    swap(0);
    for name in ["a.rego", "b.rego"] {
        symlink(Path::new("..data").join(name), mount.path().join(name)).unwrap();
    }
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..=300).for_each(swap));
        while !writer.is_finished() {
            match Files::read(&sources(&[mount.path()])) {
                Ok(files) => {
                    let texts: Vec<_> = files.modules.iter().map(|module| module.text.as_str()).collect();
                    assert_eq!((texts.len(), texts[0]), (2, texts[1]));
                }
                Err(findings) => assert_eq!(
                    findings[0].to_string(),
                    "the policy files change while they are read: try again when they rest"
                ),
            }
        }
    });
    assert_eq!(read_all(mount.path()).modules[0].text, "package v300");
}

/// Where the starters are; what else is under `policies/` is served only where somebody says so.
const STARTERS: [&str; 7] = ["authn", "authz", "image", "lib", "mutate", "regate", "validate"];

#[test]
fn the_builtin_set_is_the_directories_of_the_starters() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let directory = tempfile::tempdir().unwrap();
    for name in STARTERS {
        symlink(policies.join(name), directory.path().join(name)).unwrap();
    }
    let on_disk = read_all(directory.path());
    let builtin = Files::builtin();
    let prefix = format!("{}/", directory.path().display());
    let module = |file: &RegoFile, prefix: &str| {
        (
            file.path.strip_prefix(prefix).unwrap().to_owned(),
            file.text.clone(),
        )
    };
    let served = on_disk
        .modules
        .iter()
        .filter(|file| !file.is_test)
        .map(|file| module(file, &prefix));
    assert_eq!(
        builtin
            .modules
            .iter()
            .map(|file| module(file, "builtin/"))
            .collect::<Vec<_>>(),
        served.collect::<Vec<_>>()
    );
    let data = |files: &Files| {
        files
            .data
            .iter()
            .map(|data| (data.at.clone(), data.bytes.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(data(&builtin), data(&on_disk));
    assert_eq!(builtin.revision, on_disk.revision);
    assert!(builtin.modules.len() > 5);
}

#[test]
fn files_of_objects_are_policies_where_something_of_gatekeepers_is_in_them() {
    let directory = tempfile::tempdir().unwrap();
    let constraint = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: A\n";
    let suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n";
    for (name, text) in [
        ("a.yaml", constraint),
        ("b.json", r#"{"apiVersion": "templates.gatekeeper.sh/v1"}"#),
        ("deployment.yaml", "kind: Deployment\n"),
        ("broken.yml", "{: ["),
        ("suite.yaml", suite),
        ("data.yaml", "text: constraints.gatekeeper.sh/v1beta1\n"),
    ] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let files = read_all(directory.path());
    let names = |paths: Vec<&str>| -> Vec<String> {
        let base = directory.path().display().to_string();
        paths
            .iter()
            .map(|path| path.replace(&format!("{base}/"), ""))
            .collect()
    };
    assert_eq!(
        names(files.manifests.iter().map(|file| file.path.as_str()).collect()),
        ["a.yaml", "b.json"]
    );
    assert_eq!(
        names(files.data.iter().map(|file| file.path.as_str()).collect()),
        ["data.yaml"]
    );
    assert_eq!(files.gatekeeper_suites, [directory.path().join("suite.yaml")]);
    // What is none of ours changes nothing, a constraint does.
    std::fs::write(directory.path().join("deployment.yaml"), "kind: Job\n").unwrap();
    std::fs::write(directory.path().join("suite.yaml"), format!("{suite}tests: []\n")).unwrap();
    assert_eq!(read_all(directory.path()).revision, files.revision);
    std::fs::write(
        directory.path().join("a.yaml"),
        format!("{constraint}spec: {{}}\n"),
    )
    .unwrap();
    assert_ne!(read_all(directory.path()).revision, files.revision);
}

#[test]
fn a_file_of_objects_by_name_is_no_data() {
    let directory = tempfile::tempdir().unwrap();
    let of = |name: &str, text: &str, as_data: bool| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let (policies, data) = if as_data {
            (vec![], vec![path])
        } else {
            (vec![path], vec![])
        };
        let files = Files::read(&Sources {
            policies,
            data,
            ..Sources::default()
        });
        let files = files.unwrap();
        (files.manifests.len(), files.data.len())
    };
    let constraint = "apiVersion: constraints.gatekeeper.sh/v1beta1\n";
    assert_eq!(of("a.yaml", constraint, false), (1, 0));
    assert_eq!(of("b.yaml", "a: 1\n", false), (0, 1));
    assert_eq!(of("c.yaml", constraint, true), (0, 1));
    let long = format!(
        "{constraint}{}",
        " ".repeat(usize::try_from(MAX_MANIFEST_BYTES).unwrap())
    );
    let folder = directory.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("long.yaml"), long).unwrap();
    let findings = Files::read(&Sources {
        policies: vec![folder],
        ..Sources::default()
    });
    let findings = findings.unwrap_err();
    assert!(
        findings[0].message.contains("longer than 4194304 bytes"),
        "{findings:?}"
    );
}
