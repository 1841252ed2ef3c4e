//! Sets of keys with files and issuers of the tests' own. A set is a text of names, one a line.

use std::fs;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::*;

mod asking;

/// What happens at once on an idle machine happens within this time on any.
const PATIENCE: Duration = Duration::from_secs(30);

fn check(text: &str) -> Result<Content, String> {
    if text.contains('!') {
        return Err("is no set".to_owned());
    }
    let ids: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let keys = ids.len();
    let text = text.to_owned();
    Ok(Content { text, ids, keys })
}

fn patience() -> Patience {
    Patience {
        refresh: Duration::from_secs(3600),
        watch: Pace {
            rest: Duration::from_millis(5),
            longest: Duration::from_millis(50),
            poll: Duration::from_millis(20),
            notify: true,
        },
    }
}

/// An issuer that answers what and when the test says, and the sets with it as `corp`.
struct Desk {
    sets: Arc<KeySets>,
    asked: Receiver<()>,
    answers: Sender<Result<Fetched, String>>,
}

impl Desk {
    fn new() -> Self {
        let (ask, asked) = unbounded();
        let (answers, answered) = bounded::<Result<Fetched, String>>(0);
        let fetch: Fetch = Box::new(move |_| {
            let _ = ask.send(());
            answered.recv().unwrap_or_else(|_| Err("the test is over".into()))
        });
        let sources = [("corp".to_owned(), Source::Issuer(fetch))];
        let sets = Arc::new(KeySets::start(sources, check, patience()).unwrap());
        Self { sets, asked, answers }
    }

    /// Waits until the issuer is asked, and answers.
    fn answers(&self, answer: Result<&str, &str>) {
        self.asked.recv_timeout(PATIENCE).unwrap();
        let answer = answer.map(fetched);
        self.answers
            .send_timeout(answer.map_err(str::to_owned), PATIENCE)
            .unwrap();
    }

    fn get(&self, id: &str) -> Result<String, Missing> {
        let deadline = Instant::now() + PATIENCE;
        self.sets
            .get("corp", Some(id), deadline)
            .map(|text| text.to_string())
    }

    /// Asks for a key on a thread of its own.
    fn getting(&self, id: &'static str) -> thread::JoinHandle<Result<String, Missing>> {
        let sets = Arc::clone(&self.sets);
        thread::spawn(move || {
            let text = sets.get("corp", Some(id), Instant::now() + PATIENCE);
            text.map(|text| text.to_string())
        })
    }

    /// Waits until so many rounds have ended.
    fn done(&self, rounds: u64) {
        let set = &self.sets.sets["corp"];
        let waited = set
            .changed
            .wait_timeout_while(set.lock(), PATIENCE, |state| state.done < rounds);
        assert!(!waited.unwrap().1.timed_out());
    }
}

/// Waits until it holds.
fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !what() {
        assert!(Instant::now() < deadline, "it does not come about");
        thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn a_set_that_nobody_named_and_one_that_was_never_loaded_are_told_apart() {
    let desk = Desk::new();
    let deadline = Instant::now() + PATIENCE;
    let unknown = desk.sets.get("other", None, deadline).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no set of keys `other`: name it with --jwks"
    );
    let waiting = desk.getting("a");
    desk.answers(Err("gone"));
    desk.answers(Err("gone"));
    let missing = waiting.join().unwrap().unwrap_err();
    assert_eq!(missing, Missing::NeverLoaded("corp".into()));
    assert_eq!(
        missing.to_string(),
        "the set of keys `corp` could not be loaded yet"
    );
    assert!(desk.sets.has("corp") && !desk.sets.has("other"));
}

#[test]
fn the_first_token_waits_for_the_first_keys() {
    let desk = Desk::new();
    let waiting = desk.getting("a");
    desk.answers(Ok("a"));
    assert_eq!(waiting.join().unwrap().unwrap(), "a");
}

#[test]
fn a_token_with_a_new_key_has_the_issuer_asked_at_once_and_gets_it() {
    let desk = Desk::new();
    desk.answers(Ok("a"));
    desk.done(1);
    let waiting: Vec<_> = (0..8).map(|_| desk.getting("b")).collect();
    desk.answers(Ok("a\nb"));
    for waiting in waiting {
        assert_eq!(waiting.join().unwrap().unwrap(), "a\nb");
    }
    // All of them together have asked once.
    assert!(desk.asked.is_empty());
}

#[test]
fn a_known_key_and_no_key_at_all_ask_nobody() {
    let desk = Desk::new();
    desk.answers(Ok("a\nb"));
    desk.done(1);
    assert_eq!(desk.get("a").unwrap(), "a\nb");
    assert_eq!(desk.get("b").unwrap(), "a\nb");
    let far = Instant::now() + PATIENCE;
    assert_eq!(&*desk.sets.get("corp", None, far).unwrap(), "a\nb");
    assert_eq!(desk.sets.sets["corp"].lock().asked, None);
    // Where keys have no names, no newer set is likelier to have the one that is meant.
    let set = Arc::clone(&desk.sets.sets["corp"]);
    set.hold(Content {
        text: "nameless".into(),
        ids: BTreeSet::new(),
        keys: 1,
    });
    assert_eq!(desk.get("c").unwrap(), "nameless");
    assert_eq!(set.lock().asked, None);
}

#[test]
fn a_key_that_came_and_went_asks_again() {
    let desk = Desk::new();
    desk.answers(Ok("a"));
    desk.done(1);
    let set = Arc::clone(&desk.sets.sets["corp"]);
    set.take(Ok(b"b".to_vec())).unwrap();
    let waiting = desk.getting("a");
    desk.answers(Ok("c"));
    assert_eq!(waiting.join().unwrap().unwrap(), "c");
}

#[test]
fn what_is_asked_while_the_issuer_answers_is_answered_by_the_next_round() {
    let desk = Desk::new();
    desk.answers(Ok("a"));
    desk.done(1);
    let set = Arc::clone(&desk.sets.sets["corp"]);
    let first = desk.getting("b");
    desk.asked.recv_timeout(PATIENCE).unwrap();
    let round = set.lock().asked;
    assert_eq!(round.map(|(round, _)| round), Some(2));
    // One that began before the key was asked for, as it is at the start and after a long time.
    set.lock().asked = round.map(|(round, since)| (round + 1, since));
    desk.answers.send_timeout(Ok(fetched("a")), PATIENCE).unwrap();
    desk.answers(Ok("a\nb"));
    desk.done(3);
    first.join().unwrap().unwrap();
    assert_eq!(desk.get("b").unwrap(), "a\nb");
}

#[test]
fn an_end_of_all_sets_ends_their_threads_and_whoever_waits() {
    let desk = Desk::new();
    desk.answers(Ok("a"));
    desk.done(1);
    let Desk { sets, asked, .. } = desk;
    drop(sets);
    // The function that asks ends with its thread.
    let ended = asked.recv_timeout(PATIENCE);
    assert_eq!(ended, Err(crossbeam_channel::RecvTimeoutError::Disconnected));
}

#[test]
fn whoever_waits_goes_on_when_the_key_is_there_or_the_round_or_the_sets_end() {
    let key_comes = |set: &KeySet| {
        set.hold(Content {
            text: "b".into(),
            ids: BTreeSet::from(["b".to_owned()]),
            keys: 1,
        })
    };
    let round_ends = |set: &KeySet| set.lock().done = 1;
    let end_comes = |set: &KeySet| set.lock().ended = true;
    for comes in [&key_comes as &dyn Fn(&KeySet), &round_ends, &end_comes] {
        let set = Arc::new(KeySet::new("corp", check, true));
        // A round that will not come, for which it would wait for as long as anybody here.
        let begun = Instant::now();
        set.lock().asked = Some((1, begun + PATIENCE));
        let waits = Arc::clone(&set);
        let waiting = thread::spawn(move || waits.refreshed(Some("b"), begun + 4 * PATIENCE));
        comes(&set);
        until(|| {
            set.changed.notify_all();
            waiting.is_finished()
        });
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }
}

#[test]
fn tokens_with_keys_that_nobody_has_neither_ask_again_and_again_nor_wait() {
    let desk = Desk::new();
    desk.answers(Ok("a"));
    desk.done(1);
    let waiting = desk.getting("x");
    desk.answers(Ok("a"));
    assert_eq!(waiting.join().unwrap().unwrap(), "a");
    desk.done(2);
    let set = Arc::clone(&desk.sets.sets["corp"]);
    // As if the pause had only begun.
    set.lock().not_before = Instant::now() + 2 * PATIENCE;
    for _ in 0..1000 {
        assert_eq!(desk.get("rubbish").unwrap(), "a");
    }
    assert_eq!(set.lock().asked, None);
    set.lock().not_before = Instant::now();
    let waiting = desk.getting("rubbish");
    desk.answers(Ok("a"));
    assert_eq!(waiting.join().unwrap().unwrap(), "a");
}

#[test]
fn the_pause_grows_with_the_time_that_the_issuer_takes() {
    let desk = Desk::new();
    desk.answers(Ok("a"));
    desk.done(1);
    let begin = Instant::now();
    let waiting = desk.getting("x");
    desk.asked.recv_timeout(PATIENCE).unwrap();
    // Nobody waits longer than that, although there is no answer and the deadline is far.
    assert_eq!(waiting.join().unwrap().unwrap(), "a");
    let waited = begin.elapsed();
    assert!(waited >= LONGEST_WAIT, "{waited:?}");
    // Who comes after that does not wait at all.
    let second = Instant::now();
    assert_eq!(desk.get("y").unwrap(), "a");
    assert!(second.elapsed() < LONGEST_WAIT, "{:?}", second.elapsed());
    desk.answers.send_timeout(Err("late".into()), PATIENCE).unwrap();
    desk.done(2);
    let pause = desk.sets.sets["corp"].lock().not_before;
    assert!(pause > begin + LONGEST_WAIT * PAUSE_PER_WAIT);
}

#[test]
fn a_token_waits_for_a_second_and_half_of_its_time_at_most() {
    let now = Instant::now();
    let after = |millis: u64| now + Duration::from_millis(millis);
    for (at, deadline, waits) in [
        (0, 30_000, 1000),
        (0, 2000, 1000),
        (0, 400, 200),
        (300, 30_000, 700),
        (300, 500, 100),
        (1000, 30_000, 0),
        (2000, 30_000, 0),
        (2000, 1000, 0),
    ] {
        let waited = waiting_time(after(at), now, after(deadline));
        assert_eq!(waited, Duration::from_millis(waits), "{at} {deadline}");
    }
}

#[test]
fn what_is_no_set_changes_nothing() {
    let desk = Desk::new();
    desk.answers(Ok("a"));
    desk.done(1);
    let set = Arc::clone(&desk.sets.sets["corp"]);
    for (bad, problem) in [
        (&b"!"[..], "is no set"),
        (b"\xff", "is not UTF-8"),
        (b"", "has no key that a token can be verified with"),
    ] {
        assert_eq!(set.take(Ok(bad.to_vec())).unwrap_err(), problem);
        assert_eq!(desk.get("a").unwrap(), "a");
    }
    let status = desk.sets.status().remove(0);
    assert_eq!((status.keys, status.successes, status.failures), (1, 1, 3));
    assert!(status.loaded.is_some());
}

#[test]
fn after_a_failure_the_issuer_is_asked_again_soon_and_later_and_later() {
    let (mut issuer, _desk) = idle();
    let failed = |issuer: &mut issuer::Issuer| issuer.take(Err("gone".into())).as_secs();
    assert_eq!([0; 8].map(|_| failed(&mut issuer)), [1, 2, 4, 8, 16, 30, 30, 30]);
    let fetched = |max_age| {
        Ok(Fetched {
            body: b"a".to_vec(),
            max_age,
        })
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (max_age, rest) in [
        (None, 3600),
        (seconds(600), 600),
        (seconds(0), 30),
        (seconds(99_999), 3600),
    ] {
        assert_eq!(issuer.take(fetched(max_age)).as_secs(), rest, "{max_age:?}");
    }
    assert_eq!(failed(&mut issuer), 1);
}

/// What an issuer answers with this text.
fn fetched(text: &str) -> Fetched {
    Fetched {
        body: text.as_bytes().to_vec(),
        max_age: None,
    }
}

/// An issuer that is not asked by a thread.
fn idle() -> (issuer::Issuer, Desk) {
    let desk = Desk::new();
    let set = Arc::clone(&desk.sets.sets["corp"]);
    let fetch: Fetch = Box::new(|_| Err(String::new()));
    (issuer::Issuer::new(set, fetch, patience().refresh), desk)
}

#[test]
fn a_set_in_a_file_follows_it_through_swaps_and_outlives_what_is_no_set() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir(root.join("..1")).unwrap();
    fs::write(root.join("..1/keys"), "a").unwrap();
    std::os::unix::fs::symlink("..1", root.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/keys", root.join("keys")).unwrap();
    let sources = [
        ("corp".to_owned(), Source::File(root.join("keys"))),
        ("absent".to_owned(), Source::File(root.join("absent"))),
    ];
    let sets = KeySets::start(sources, check, patience()).unwrap();
    let get = |name: &str| {
        let text = sets.get(name, Some("x"), Instant::now() + PATIENCE);
        text.map(|text| text.to_string())
    };
    assert_eq!(get("corp").unwrap(), "a");
    assert_eq!(get("absent").unwrap_err(), Missing::NeverLoaded("absent".into()));
    for (number, text) in [(2, "b"), (3, "c")] {
        let new = format!("..{number}");
        fs::create_dir(root.join(&new)).unwrap();
        fs::write(root.join(&new).join("keys"), text).unwrap();
        std::os::unix::fs::symlink(&new, root.join("..next")).unwrap();
        fs::rename(root.join("..next"), root.join("..data")).unwrap();
        until(|| get("corp").unwrap() == text);
    }
    let failures = |name: &str| {
        let status = sets.status();
        status.iter().find(|set| set.name == name).unwrap().failures
    };
    fs::write(root.join("..3/keys"), "!").unwrap();
    until(|| failures("corp") == 1);
    fs::remove_file(root.join("..3/keys")).unwrap();
    until(|| failures("corp") == 2);
    assert_eq!(get("corp").unwrap(), "c");
    fs::write(root.join("absent"), "late").unwrap();
    until(|| get("absent").is_ok());
}
