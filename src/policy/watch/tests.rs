//! What wakes the watcher, and what it tells.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};

use super::*;

/// So long that no test passes by polling.
const NO_POLL: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_secs(20);

struct Watched {
    changes: Receiver<Read>,
    _watcher: Watcher,
}

impl Watched {
    fn new(source: &Path, pace: Pace) -> Self {
        let sources = Sources {
            policies: vec![source.to_owned()],
            ..Sources::default()
        };
        let (sender, changes) = unbounded();
        let last = Err(Vec::new());
        let watcher = watch(sources, &last, pace, move |read| sender.send(read).unwrap()).unwrap();
        // With the first reading told, the watcher is where it will be at every later change.
        changes.recv_timeout(SOON).unwrap().unwrap();
        Self {
            changes,
            _watcher: watcher,
        }
    }

    fn by_signs(source: &Path) -> Self {
        Self::new(
            source,
            Pace {
                poll: NO_POLL,
                ..Pace::default()
            },
        )
    }

    fn next(&self) -> Read {
        self.changes.recv_timeout(SOON).unwrap()
    }

    /// The texts of the next change.
    fn texts(&self) -> Vec<String> {
        self.next()
            .unwrap()
            .modules
            .into_iter()
            .map(|module| module.text)
            .collect()
    }
}

fn directory(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.rego"), text).unwrap();
    directory
}

#[test]
fn a_plain_write_is_told() {
    let directory = directory("one");
    let watched = Watched::by_signs(directory.path());
    fs::write(directory.path().join("a.rego"), "two").unwrap();
    assert_eq!(watched.texts(), ["two"]);
}

#[test]
fn a_file_renamed_over_another_is_told() {
    let directory = directory("one");
    let watched = Watched::by_signs(directory.path());
    for text in ["two", "three"] {
        fs::write(directory.path().join(".a.rego.swp"), text).unwrap();
        fs::rename(
            directory.path().join(".a.rego.swp"),
            directory.path().join("a.rego"),
        )
        .unwrap();
        assert_eq!(watched.texts(), [text]);
    }
}

#[test]
fn files_and_directories_that_come_and_go_are_told() {
    let directory = directory("one");
    let watched = Watched::by_signs(directory.path());
    let path = |name: &str| directory.path().join(name);
    fs::write(path("b.rego"), "two").unwrap();
    assert_eq!(watched.texts(), ["one", "two"]);
    fs::create_dir_all(path("sub/deeper")).unwrap();
    fs::write(path("sub/deeper/c.rego"), "three").unwrap();
    assert_eq!(watched.texts(), ["one", "two", "three"]);
    fs::write(path("sub/deeper/c.rego"), "four").unwrap();
    assert_eq!(watched.texts(), ["one", "two", "four"]);
    fs::remove_file(path("a.rego")).unwrap();
    assert_eq!(watched.texts(), ["two", "four"]);
    fs::remove_dir_all(path("sub")).unwrap();
    assert_eq!(watched.texts(), ["two"]);
}

#[test]
fn a_file_given_by_name_is_watched_in_its_directory() {
    let directory = directory("one");
    let watched = Watched::by_signs(&directory.path().join("a.rego"));
    fs::write(directory.path().join("new"), "two").unwrap();
    fs::rename(directory.path().join("new"), directory.path().join("a.rego")).unwrap();
    assert_eq!(watched.texts(), ["two"]);
}

#[test]
fn a_source_that_is_replaced_whole_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for (name, text) in [("source", "one"), ("other", "two")] {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join("a.rego"), text).unwrap();
    }
    let watched = Watched::by_signs(&path("source"));
    fs::rename(path("source"), path("old")).unwrap();
    let findings = watched.next().unwrap_err();
    assert_eq!(
        findings[0].message,
        "cannot be read: No such file or directory (os error 2)"
    );
    fs::rename(path("other"), path("source")).unwrap();
    assert_eq!(watched.texts(), ["two"]);
    fs::write(path("source/a.rego"), "three").unwrap();
    assert_eq!(watched.texts(), ["three"]);
}

/// Swaps the content of a mounted volume as kubelet's atomic writer does.
fn swap(mount: &Path, version: &str, text: &str) {
    let old = fs::read_link(mount.join("..data"));
    fs::create_dir(mount.join(version)).unwrap();
    fs::write(mount.join(version).join("a.rego"), text).unwrap();
    symlink(version, mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    if let Ok(old) = old {
        fs::remove_dir_all(mount.join(old)).unwrap();
    }
}

#[test]
fn each_swap_of_a_mounted_config_map_is_told() {
    for by_name in [false, true] {
        let mount = tempfile::tempdir().unwrap();
        swap(mount.path(), "..2026_01", "one");
        symlink("..data/a.rego", mount.path().join("a.rego")).unwrap();
        let source = if by_name {
            mount.path().join("a.rego")
        } else {
            mount.path().to_owned()
        };
        let watched = Watched::by_signs(&source);
        for (version, text) in [
            ("..2026_02", "two"),
            ("..2026_03", "three"),
            ("..2026_04", "four"),
        ] {
            swap(mount.path(), version, text);
            assert_eq!(watched.texts(), [text]);
        }
    }
}

#[test]
fn a_writer_that_truncates_first_is_waited_for() {
    for notify in [true, false] {
        let directory = directory("one");
        let poll = if notify { NO_POLL } else { Duration::from_millis(5) };
        let pace = Pace {
            rest: Duration::from_secs(1),
            longest: SOON,
            poll,
            notify,
        };
        let watched = Watched::new(directory.path(), pace);
        let mut file = fs::File::create(directory.path().join("a.rego")).unwrap();
        for part in ["package", " ", "two"] {
            assert!(watched.changes.recv_timeout(Duration::from_millis(50)).is_err());
            std::io::Write::write_all(&mut file, part.as_bytes()).unwrap();
        }
        drop(file);
        assert_eq!(watched.texts(), ["package two"]);
    }
}

#[test]
fn what_goes_on_beside_the_files_holds_no_change_up() {
    let directory = directory("one");
    let pace = Pace {
        rest: Duration::from_millis(50),
        longest: Duration::from_millis(200),
        poll: NO_POLL,
        notify: true,
    };
    let watched = Watched::new(directory.path(), pace);
    let log = directory.path().join("log");
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let writer = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(5)) == Err(RecvTimeoutError::Timeout) {
            fs::write(&log, "one more line").unwrap();
        }
    });
    fs::write(directory.path().join("a.rego"), "two").unwrap();
    assert_eq!(watched.texts(), ["two"]);
    drop(stop);
    writer.join().unwrap();
}

#[test]
fn files_that_keep_changing_are_taken_over_only_when_they_rest() {
    let rest = Duration::from_millis(400);
    let directory = directory("0");
    fs::write(directory.path().join("b.rego"), "0").unwrap();
    let pace = Pace {
        rest,
        longest: Duration::from_millis(50),
        poll: NO_POLL,
        notify: true,
    };
    let watched = Watched::new(directory.path(), pace);
    let (mut longest_gap, mut last) = (Duration::ZERO, Instant::now());
    for step in 1..=60 {
        for name in ["a.rego", "b.rego"] {
            // A pause, and proof that nothing is told within it.
            let told = watched.changes.recv_timeout(Duration::from_millis(10));
            let gap = last.elapsed();
            longest_gap = longest_gap.max(gap);
            // On a machine that stands still for so long the files did rest.
            assert!(
                told.is_err() || longest_gap >= rest,
                "{told:?} after {longest_gap:?}"
            );
            fs::write(directory.path().join(name), step.to_string()).unwrap();
            last = Instant::now();
        }
    }
    let mut texts = watched.texts();
    while texts != ["60", "60"] {
        assert!(longest_gap >= rest, "{texts:?}");
        texts = watched.texts();
    }
}

#[test]
fn the_same_content_is_not_told_again() {
    let directory = directory("one");
    let watched = Watched::new(
        directory.path(),
        Pace {
            poll: Duration::from_millis(5),
            ..Pace::default()
        },
    );
    fs::write(directory.path().join("a.rego"), "one").unwrap();
    fs::write(directory.path().join("a_test.rego"), "test").unwrap();
    // Many polls happen meanwhile.
    assert!(watched.changes.recv_timeout(Duration::from_millis(500)).is_err());
    fs::write(directory.path().join("a.rego"), "two").unwrap();
    assert_eq!(watched.texts(), ["two", "test"]);
}

#[test]
fn bad_content_is_told_once_and_so_is_its_end() {
    let directory = directory("one");
    let pace = Pace {
        rest: Duration::from_millis(20),
        poll: Duration::from_millis(5),
        ..Pace::default()
    };
    let watched = Watched::new(directory.path(), pace);
    fs::write(directory.path().join("a.rego"), b"\xff").unwrap();
    let findings = watched.next().unwrap_err();
    assert_eq!(findings[0].message, "is not UTF-8");
    assert!(watched.changes.recv_timeout(Duration::from_millis(300)).is_err());
    fs::write(directory.path().join("a.rego"), "one").unwrap();
    assert_eq!(watched.texts(), ["one"]);
}

#[test]
fn a_change_since_the_callers_own_reading_is_told() {
    let directory = directory("one");
    let sources = Sources {
        policies: vec![directory.path().to_owned()],
        ..Sources::default()
    };
    let last = Files::read(&sources);
    fs::write(directory.path().join("a.rego"), "two").unwrap();
    let (sender, changes) = unbounded();
    let pace = Pace {
        poll: NO_POLL,
        ..Pace::default()
    };
    let _watcher = watch(sources, &last, pace, move |read| sender.send(read).unwrap()).unwrap();
    assert_eq!(
        changes.recv_timeout(SOON).unwrap().unwrap().modules[0].text,
        "two"
    );
}

#[test]
fn without_signs_the_poll_finds_the_change() {
    let directory = directory("one");
    let pace = Pace {
        notify: false,
        poll: Duration::from_millis(50),
        ..Pace::default()
    };
    let watched = Watched::new(directory.path(), pace);
    fs::write(directory.path().join("a.rego"), "two").unwrap();
    assert_eq!(watched.texts(), ["two"]);
}

#[test]
fn a_panic_of_the_one_who_asked_does_not_end_the_watch() {
    let directory = directory("one");
    let sources = Sources {
        policies: vec![directory.path().to_owned()],
        ..Sources::default()
    };
    let (sender, changes) = unbounded();
    let last = Files::read(&sources);
    let pace = Pace {
        poll: NO_POLL,
        ..Pace::default()
    };
    let _watcher = watch(sources, &last, pace, move |read| {
        sender.send(read.unwrap().modules[0].text.clone()).unwrap();
        panic!("once per change");
    })
    .unwrap();
    for text in ["two", "three"] {
        fs::write(directory.path().join("a.rego"), text).unwrap();
        assert_eq!(changes.recv_timeout(SOON).unwrap(), text);
    }
}

#[test]
fn the_thread_ends_with_the_watcher() {
    let directory = directory("one");
    let watched = Watched::by_signs(directory.path());
    let Watched { changes, _watcher } = watched;
    drop(_watcher);
    // The thread owned the only sender.
    assert_eq!(
        changes.recv_timeout(SOON).unwrap_err(),
        crossbeam_channel::RecvTimeoutError::Disconnected
    );
}
