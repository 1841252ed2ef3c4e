use super::*;
use std::sync::mpsc;

/// Longer than anything here may take.
const SOON: Duration = Duration::from_secs(10);

fn named(name: &str) -> Namespace {
    Namespace {
        name: name.to_owned(),
        ..Namespace::default()
    }
}

fn labelled(name: &str, label: (&str, &str)) -> Namespace {
    Namespace {
        labels: BTreeMap::from([(label.0.to_owned(), label.1.to_owned())]),
        ..named(name)
    }
}

fn get(namespaces: &Namespaces, name: &str) -> Result<Namespace, Unknown> {
    namespaces
        .get(name, Instant::now())
        .map(|namespace| Namespace::clone(&namespace))
}

#[test]
fn without_a_source_the_reason_names_the_settings() {
    let namespaces = Namespaces::default();
    assert!(!namespaces.has_source());
    let unknown = namespaces.get("a", Instant::now() + SOON).unwrap_err();
    assert_eq!(unknown, Unknown::NoSource);
    let text = unknown.to_string();
    assert!(
        text.contains("--kubeconfig") && text.contains("--namespace-file"),
        "{text}"
    );
}

#[test]
fn before_the_first_list_nothing_is_answered_and_nobody_waits() {
    let namespaces = Namespaces::unsynced();
    assert!(namespaces.has_source());
    namespaces.put(named("a"));
    let started = Instant::now();
    assert_eq!(
        namespaces.get("a", started + SOON).unwrap_err(),
        Unknown::NotSynced
    );
    assert_eq!(
        namespaces.get("b", started + SOON).unwrap_err(),
        Unknown::NotSynced
    );
    assert!(started.elapsed() < LONGEST_WAIT);
    assert!(!namespaces.is_synced());
}

#[test]
fn a_list_makes_it_synced_and_replaces_what_was_known() {
    let namespaces = Namespaces::unsynced();
    namespaces.replace_all([named("a"), named("b")]);
    assert!(namespaces.is_synced());
    assert_eq!(namespaces.count(), 2);
    namespaces.replace_all([labelled("b", ("team", "x")), named("c")]);
    assert_eq!(get(&namespaces, "a"), Err(Unknown::NotThere));
    assert_eq!(get(&namespaces, "b"), Ok(labelled("b", ("team", "x"))));
    assert_eq!(get(&namespaces, "c"), Ok(named("c")));
}

#[test]
fn an_empty_list_is_synced_too() {
    let namespaces = Namespaces::unsynced();
    namespaces.replace_all([]);
    assert!(namespaces.is_synced());
    assert_eq!(get(&namespaces, "a"), Err(Unknown::NotThere));
}

#[test]
fn changes_are_taken_over_one_by_one() {
    let namespaces = Namespaces::fixed([named("a"), named("b")]);
    namespaces.put(labelled("a", ("team", "x")));
    namespaces.remove("b");
    assert_eq!(get(&namespaces, "a"), Ok(labelled("a", ("team", "x"))));
    assert_eq!(get(&namespaces, "b"), Err(Unknown::NotThere));
    assert_eq!(namespaces.count(), 1);
}

#[test]
fn a_namespace_that_comes_a_moment_later_is_waited_for() {
    let later: [fn(&Namespaces); 2] = [
        |namespaces| namespaces.put(named("later")),
        |namespaces| namespaces.replace_all([named("later")]),
    ];
    for come in later {
        let namespaces = Arc::new(Namespaces::fixed([named("a")]));
        let (tell, told) = mpsc::channel();
        let waiting = Arc::clone(&namespaces);
        let thread =
            std::thread::spawn(move || tell.send(waiting.get("later", Instant::now() + SOON)).unwrap());
        // It does not give up, and one that it does not wait for does not end its waiting.
        namespaces.put(named("other"));
        assert_eq!(
            told.recv_timeout(LONGEST_WAIT / 5),
            Err(mpsc::RecvTimeoutError::Timeout)
        );
        come(&namespaces);
        let found = told.recv_timeout(SOON).unwrap();
        assert_eq!(found.as_deref(), Ok(&named("later")));
        thread.join().unwrap();
    }
}

#[test]
fn nobody_waits_past_the_deadline_nor_for_long() {
    let namespaces = Namespaces::fixed([]);
    let started = Instant::now();
    assert_eq!(get(&namespaces, "gone"), Err(Unknown::NotThere));
    let short = started.elapsed();
    assert!(short < LONGEST_WAIT, "{short:?} for one that is too late");

    let started = Instant::now();
    let unknown = namespaces.get("gone", started + SOON).unwrap_err();
    let long = started.elapsed();
    assert_eq!(unknown, Unknown::NotThere);
    assert!(
        long >= LONGEST_WAIT && long < SOON / 2,
        "{long:?} for one that has time"
    );
}
