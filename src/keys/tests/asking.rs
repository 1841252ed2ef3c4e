//! The thread that asks an issuer: how long it waits, what it outlives, and what is told of sets.

use super::*;

/// Whoever asks an issuer without a thread.
fn asker(refresh: Duration) -> issuer::Issuer {
    let set = Arc::new(KeySet::new("corp", check, true));
    issuer::Issuer::new(set, Box::new(|_| Err(String::new())), refresh)
}

#[test]
fn no_pause_after_a_failure_is_longer_than_the_one_after_a_success() {
    let mut issuer = asker(Duration::from_secs(2));
    let failed = [0; 4].map(|_| issuer.take(Err("gone".into())).as_secs());
    assert_eq!(failed, [1, 2, 2, 2]);
}

#[test]
fn an_issuer_has_five_seconds_and_one_that_panics_is_asked_again() {
    let (ask, asked) = unbounded();
    let fetch: Fetch = Box::new(move |deadline| {
        ask.send(deadline.saturating_duration_since(Instant::now()))
            .unwrap();
        panic!("on purpose")
    });
    let sources = [("corp".to_owned(), Source::Issuer(fetch))];
    let sets = KeySets::start(sources, check, patience()).unwrap();
    for _ in 0..2 {
        let time = asked.recv_timeout(PATIENCE).unwrap();
        assert!(time <= Duration::from_secs(5), "{time:?}");
    }
    assert!(sets.status()[0].failures >= 1);
}

#[test]
fn the_pause_is_a_second_at_least_and_ten_times_what_anybody_waited_at_most() {
    let pause_after = |since: Duration| {
        let desk = Desk::new();
        desk.answers(Ok("a"));
        desk.done(1);
        let set = Arc::clone(&desk.sets.sets["corp"]);
        let waiting = desk.getting("x");
        desk.asked.recv_timeout(PATIENCE).unwrap();
        let mut rounds = set.lock();
        let begun = Instant::now().checked_sub(since).unwrap();
        rounds.asked = rounds.asked.map(|(round, _)| (round, begun));
        drop(rounds);
        desk.answers.send_timeout(Ok(fetched("a")), PATIENCE).unwrap();
        desk.done(2);
        let ended = Instant::now();
        waiting.join().unwrap().unwrap();
        let pause = set.lock().not_before;
        (begun, pause, ended)
    };
    let (begun, pause, _) = pause_after(Duration::ZERO);
    assert!(pause >= begun + LEAST_PAUSE);
    // Longer than a token waits, the thread may have been busy with something that nobody waited for.
    let (_, pause, ended) = pause_after(Duration::from_secs(60));
    assert!(pause <= ended + LONGEST_WAIT * PAUSE_PER_WAIT);
}

/// What was told while something was done on this thread, a line each.
fn told(act: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, act);
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn the_log_tells_each_new_set_once_and_each_new_trouble_once() {
    let mut issuer = asker(patience().refresh);
    let mut take = |fetched: Result<&str, &str>| {
        let fetched = fetched.map(self::fetched).map_err(str::to_owned);
        told(|| {
            issuer.take(fetched);
        })
    };
    let rejected = take(Err("gone"));
    for part in [
        "ERROR",
        "tokens that need its keys are faults",
        "jwks_rejected",
        "corp",
        "gone",
    ] {
        assert!(rejected.contains(part), "{part}: {rejected}");
    }
    assert_eq!(take(Err("gone")), "");
    assert!(take(Err("late")).contains("late"));
    let loaded = take(Ok("a"));
    assert!(
        loaded.contains("jwks_loaded") && loaded.contains("keys=1"),
        "{loaded}"
    );
    assert_eq!(take(Ok("a")), "");
    // What was told before the success is news after it.
    assert!(take(Err("late")).contains("the keys known before stay"));
    assert!(take(Ok("a\nb")).contains("keys=2"));
}

#[test]
fn a_file_that_is_no_set_is_told_with_its_path_and_tokens_do_not_wait_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    fs::write(&path, "!").unwrap();
    let mut started = None;
    let lines = told(|| {
        let sources = [("corp".to_owned(), Source::File(path.clone()))];
        started = Some(KeySets::start(sources, check, patience()).unwrap());
    });
    assert!(
        lines.contains("keys: is no set") && lines.contains("jwks_rejected"),
        "{lines}"
    );
    let sets = started.unwrap();
    let get = || sets.get("corp", Some("x"), Instant::now() + PATIENCE);
    assert_eq!(get(), Err(Missing::NeverLoaded("corp".into())));
    assert_eq!(sets.sets["corp"].lock().asked, None);
}
