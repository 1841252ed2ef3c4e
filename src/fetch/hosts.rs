//! How much is asked of one host at once: a host that is slow must not hold every thread that has reviews to decide.
//!
//! A host that was late [`CHANCES`] times in a row is left alone for [`PAUSE`]; then one request at a time tries it,
//! until one is answered in time. Everybody else learns at once that it is not asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Error;

/// Requests to one host at once. Each holds a connection and the thread that waits for it.
const PER_HOST: usize = 32;
/// Requests at once.
pub(super) const TOTAL: usize = 128;
/// How often in a row a host may be late.
const CHANCES: u32 = 3;
/// For how long a host that is late is not asked.
const PAUSE: Duration = Duration::from_secs(5);
/// Who was given less time than this was not late.
const FAIR: Duration = Duration::from_millis(250);
/// Hosts that are remembered; a domain whose hosts are allowed has any number of them.
const REMEMBERED: usize = 1024;

#[derive(Debug, Default)]
struct Host {
    under_way: usize,
    late_in_a_row: u32,
    not_before: Option<Instant>,
}

/// What is asked of whom.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<BTreeMap<String, Host>>);

/// The right to ask a host once; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    hosts: Arc<Hosts>,
    name: String,
    since: Instant,
}

impl Hosts {
    /// A seat for a request to the host of this name.
    pub(super) fn seat(self: &Arc<Self>, name: &str, now: Instant) -> Result<Seat, Error> {
        let mut hosts = self.lock();
        let busy = |why| Err(Error::Busy(name.to_owned(), why));
        if hosts.values().map(|host| host.under_way).sum::<usize>() >= TOTAL {
            return busy("too many requests are under way");
        }
        if hosts.len() >= REMEMBERED && !hosts.contains_key(name) {
            hosts.retain(|_, host| host.under_way > 0);
        }
        let host = hosts.entry(name.to_owned()).or_default();
        if host
            .not_before
            .is_some_and(|until| now < until || host.under_way > 0)
        {
            return busy("it was late again and again");
        }
        if host.under_way >= PER_HOST {
            return busy("too many requests to it are under way");
        }
        host.under_way += 1;
        Ok(Seat {
            hosts: Arc::clone(self),
            name: name.to_owned(),
            since: now,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Host>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Notes that there was an answer.
    pub(super) fn answered(&self) {
        if let Some(host) = self.hosts.lock().get_mut(&self.name) {
            host.late_in_a_row = 0;
            host.not_before = None;
        }
    }

    /// Notes that there was none in time.
    pub(super) fn late(&self) -> Error {
        let now = Instant::now();
        if now.saturating_duration_since(self.since) >= FAIR
            && let Some(host) = self.hosts.lock().get_mut(&self.name)
        {
            host.late_in_a_row = host.late_in_a_row.saturating_add(1);
            if host.late_in_a_row >= CHANCES {
                host.not_before = Some(now + PAUSE);
            }
        }
        Error::Late(self.name.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut hosts = self.hosts.lock();
        if let Some(host) = hosts.get_mut(&self.name) {
            host.under_way = host.under_way.saturating_sub(1);
            if host.under_way == 0 && host.late_in_a_row == 0 {
                hosts.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "a.example:443";

    fn late(hosts: &Arc<Hosts>, now: Instant) {
        // As if it had been asked long ago.
        let mut seat = hosts.seat(NAME, now).unwrap();
        seat.since = Instant::now().checked_sub(FAIR).unwrap();
        assert_eq!(seat.late(), Error::Late(NAME.into()));
    }

    #[test]
    fn a_host_that_is_late_three_times_in_a_row_is_left_alone_and_then_tried_by_one() {
        let hosts = Arc::new(Hosts::default());
        for _ in 0..3 {
            late(&hosts, Instant::now());
        }
        let now = Instant::now();
        let busy = Error::Busy(NAME.into(), "it was late again and again");
        assert_eq!(hosts.seat(NAME, now).unwrap_err(), busy);
        assert!(hosts.seat("b.example:443", now).is_ok());
        let after = now + PAUSE;
        let first = hosts.seat(NAME, after).unwrap();
        assert_eq!(hosts.seat(NAME, after).unwrap_err(), busy);
        first.answered();
        let second = hosts.seat(NAME, after).unwrap();
        drop((first, second));
        assert_eq!(hosts.lock().len(), 0);
    }

    #[test]
    fn an_answer_in_between_and_a_time_too_short_for_anybody_do_not_count() {
        let hosts = Arc::new(Hosts::default());
        for _ in 0..5 {
            late(&hosts, Instant::now());
            late(&hosts, Instant::now());
            hosts.seat(NAME, Instant::now()).unwrap().answered();
        }
        for _ in 0..5 {
            hosts.seat(NAME, Instant::now()).unwrap().late();
        }
        assert!(hosts.seat(NAME, Instant::now()).is_ok());
    }

    #[test]
    fn requests_at_once_are_bounded_for_one_host_and_for_all() {
        let hosts = Arc::new(Hosts::default());
        let now = Instant::now();
        let mut seats: Vec<_> = (0..PER_HOST).map(|_| hosts.seat(NAME, now).unwrap()).collect();
        let refused = hosts.seat(NAME, now).unwrap_err();
        assert_eq!(
            refused,
            Error::Busy(NAME.into(), "too many requests to it are under way")
        );
        seats.extend((PER_HOST..TOTAL).map(|n| hosts.seat(&format!("{n}.example:443"), now).unwrap()));
        let refused = hosts.seat("new.example:443", now).unwrap_err();
        assert_eq!(
            refused,
            Error::Busy("new.example:443".into(), "too many requests are under way")
        );
        seats.pop();
        assert!(hosts.seat("new.example:443", now).is_ok());
    }

    #[test]
    fn hosts_that_are_remembered_are_bounded() {
        let hosts = Arc::new(Hosts::default());
        for n in 0..2 * REMEMBERED {
            let mut seat = hosts.seat(&format!("{n}.example:443"), Instant::now()).unwrap();
            seat.since = Instant::now().checked_sub(FAIR).unwrap();
            seat.late();
        }
        assert!(hosts.lock().len() <= REMEMBERED);
    }
}
