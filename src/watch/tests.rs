//! What counts as a sign, and what is read.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

#[test]
fn reading_is_no_sign_and_neither_is_what_happens_beside_a_source() {
    let event = |kind, path: &str| notify::Event::new(kind).add_path(path.into());
    let places = Places {
        searched: ["/a/b".into()].into(),
        parents: ["/a".into()].into(),
    };
    let write = EventKind::Access(AccessKind::Close(AccessMode::Write));
    assert!(is_change(&event(write, "/a/b/x.rego"), &places));
    assert!(is_change(&event(write, "/a/b"), &places));
    assert!(!is_change(&event(write, "/a/other"), &places));
    assert!(!is_change(
        &event(
            EventKind::Access(AccessKind::Open(AccessMode::Any)),
            "/a/b/x.rego"
        ),
        &places
    ));
    assert!(is_change(&notify::Event::new(EventKind::Other), &places));
}

#[test]
fn what_is_no_file_or_too_long_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let read = || files::read(&path, 4);
    assert_eq!(
        read().unwrap_err(),
        "cannot be read: No such file or directory (os error 2)"
    );
    for (text, expected) in [
        ("", Ok(Vec::new())),
        ("four", Ok(b"four".to_vec())),
        ("fives", Err("is longer than 4 bytes".to_owned())),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(read(), expected);
    }
    fs::remove_file(&path).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(read().unwrap_err(), "is no file");
}

#[test]
fn a_file_is_watched_where_it_stands_and_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(directory.path()).unwrap();
    fs::create_dir_all(root.join("mount/..1")).unwrap();
    fs::write(root.join("mount/..1/file"), "").unwrap();
    symlink("..1", root.join("mount/..data")).unwrap();
    symlink("..data/file", root.join("mount/file")).unwrap();
    let places = Places::of_files([root.join("mount/file").as_path(), &root.join("absent/file")]);
    assert_eq!(
        places.searched,
        [root.join("mount"), root.join("mount/..1"), root.join("absent")].into()
    );
    assert_eq!(places.parents, [root].into());
}

/// A watcher of the library as it is where the system gave it no thread.
struct Threadless;

impl notify::Watcher for Threadless {
    fn new<F: notify::EventHandler>(_: F, _: notify::Config) -> notify::Result<Self> {
        Ok(Self)
    }

    fn watch(&mut self, _: &Path, _: RecursiveMode) -> notify::Result<()> {
        panic!("asked to watch")
    }

    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        panic!("asked to watch")
    }

    fn configure(&mut self, _: notify::Config) -> notify::Result<bool> {
        Err(notify::Error::generic("no thread"))
    }

    fn kind() -> notify::WatcherKind {
        notify::WatcherKind::NullWatcher
    }
}

impl Drop for Threadless {
    fn drop(&mut self) {
        panic!("dropped")
    }
}

#[test]
fn a_watcher_without_a_thread_leaves_the_poll_and_ends_nobody() {
    let places = Places::of_files([Path::new("/policies/a.rego")]);
    let (signs, failure) = Signs::<Threadless>::of(places);
    assert_eq!(failure.unwrap().to_string(), "no thread");
    assert!(signs._watcher.is_none());
    assert_eq!(
        signs.receiver.try_recv(),
        Err(crossbeam_channel::TryRecvError::Empty)
    );
}
