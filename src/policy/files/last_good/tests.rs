//! What is kept comes back as it was, and whatever happened to it on disk is found out.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;
use crate::policy::files::Sources;

/// Files with everything that can be in them.
fn files(directory: &Path) -> Files {
    for (name, text) in [
        ("policies/a.rego", "package a\n# é \u{1f600}"),
        ("policies/a_test.rego", "package a_test"),
        ("policies/x/y/data.yaml", "a: 1.10"),
        ("policies/x/z/data.json", "{\"a\": 1e2}"),
        ("old/b.rego", "package b"),
    ] {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Files::read(&Sources {
        policies: vec![directory.join("policies")],
        policies_v0: vec![directory.join("old")],
        data: Vec::new(),
        settings: vec![
            json!({"policy": "validate/*", "parameters": {"b": [1.5, -7, 18446744073709551615u64, null], "a": "x"}}),
            json!({"policy": "image/*", "enforcement": "dryrun"}),
        ],
    })
    .unwrap()
}

fn kept() -> (tempfile::TempDir, LastGood, Files) {
    let directory = tempfile::tempdir().unwrap();
    let last_good = LastGood::new(directory.path().join("kept/here"));
    let files = files(directory.path());
    last_good.keep(&files).unwrap();
    (directory, last_good, files)
}

#[test]
fn what_is_kept_comes_back_with_its_paths_marks_data_and_settings_but_without_tests() {
    let (_directory, last_good, mut files) = kept();
    files.modules.retain(|module| !module.is_test);
    assert_eq!(files.modules.len(), 2);
    assert_eq!(last_good.read(), Ok(Some(files)));
}

#[test]
fn where_nothing_was_kept_there_is_nothing() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(LastGood::new(directory.path().to_owned()).read(), Ok(None));
    assert_eq!(LastGood::new(directory.path().join("none")).read(), Ok(None));
}

#[test]
fn the_next_set_replaces_the_one_before_and_leaves_nothing_else() {
    let (_directory, last_good, mut files) = kept();
    files.modules.remove(0);
    let files = files.finish();
    last_good.keep(&files).unwrap();
    assert_eq!(last_good.read().unwrap().unwrap().revision, files.revision);
    let names: Vec<_> = fs::read_dir(last_good.directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [NAME]);
}

#[test]
fn only_the_owner_can_read_it() {
    let (_directory, last_good, _) = kept();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(last_good.directory()), 0o700);
    assert_eq!(mode(&last_good.directory().join(NAME)), 0o600);
}

#[test]
fn what_was_cut_changed_or_written_in_another_form_is_a_finding() {
    let (_directory, last_good, _) = kept();
    let path = last_good.directory().join(NAME);
    let good = fs::read_to_string(&path).unwrap();
    let told = |text: &str| {
        fs::write(&path, text).unwrap();
        let finding = last_good.read().unwrap_err();
        assert_eq!(finding.file, Some(path.display().to_string()));
        finding.message
    };
    let changed = "was changed since it was kept: its content is not of its revision";
    for (from, to) in [
        ("package b", "package c"),
        ("\"v0\":true", "\"v0\":false"),
        ("\"yaml\":true", "\"yaml\":false"),
        ("1.10", "1.11"),
        ("[\"x\",\"y\"]", "[\"x\",\"z\"]"),
        ("dryrun", "deny"),
        ("\"revision\":\"", "\"revision\":\"0"),
    ] {
        assert!(good.contains(from), "{from}: {good}");
        assert_eq!(told(&good.replace(from, to)), changed, "{from}");
    }
    for broken in [
        "",
        &good[..good.len() / 2],
        &good.replace("\"settings\"", "\"more\""),
    ] {
        let message = told(broken);
        assert!(message.starts_with("is no kept set of policies: "), "{message}");
    }
    assert_eq!(
        told(&good.replace("last-good.v1", "last-good.v9")),
        "is in the form `regate.dev/last-good.v9`, and this program reads `regate.dev/last-good.v1`"
    );
    fs::write(&path, &good).unwrap();
    assert!(last_good.read().unwrap().is_some());
}

#[test]
fn a_disk_that_takes_nothing_leaves_what_was_kept_before() {
    let (_directory, last_good, files) = kept();
    let before = last_good.read();
    // What cannot be replaced by a file: a directory of the document's name.
    let path = last_good.directory().join(NAME);
    let aside = last_good.directory().join("aside");
    fs::rename(&path, &aside).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(last_good.keep(&files).is_err());
    assert_eq!(fs::read_dir(last_good.directory()).unwrap().count(), 2);
    fs::remove_dir(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(last_good.read(), before);
    let nowhere = LastGood::new(aside.join("x"));
    fs::write(&aside, "a file").unwrap();
    assert_eq!(
        nowhere.keep(&files).unwrap_err().kind(),
        io::ErrorKind::NotADirectory
    );
}

#[test]
fn objects_of_gatekeepers_are_kept_too() {
    let (policies, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let constraint = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: A\n";
    std::fs::write(policies.path().join("a.yaml"), constraint).unwrap();
    let files = Files::read(&Sources {
        policies: vec![policies.path().to_owned()],
        ..Sources::default()
    });
    let files = files.unwrap();
    assert_eq!(files.manifests.len(), 1);
    let last_good = LastGood::new(kept.path().to_owned());
    last_good.keep(&files).unwrap();
    assert_eq!(last_good.read().unwrap().unwrap(), files);
}
