//! How many connections there may be at once, and who makes room when there are too many.
//!
//! `listener` takes a [`Seat`] for each connection and gives it back with its end. The last seats are a reserve for
//! authentication and authorization, which the whole cluster waits for: whoever sits there has little time to say what he
//! wants and is answered as overload if it is anything else. When all are taken, or a listed client would be answered as
//! overload, the connection that has been idle for longest, and whose client never was a listed one, makes room. The
//! process' limit of open files is never reached by connections, since accepting would then fail.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Instant;

use futures_util::task::AtomicWaker;

/// Files that are open for other reasons: listeners, probes, threads, policies that are read.
const OTHER_FILES: usize = 128;

/// The seats of a server.
pub(super) struct Seats {
    most: usize,
    /// Seats that may be taken before the reserve.
    free: usize,
    begin: Instant,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    places: BTreeMap<u64, Arc<Place>>,
    next: u64,
}

/// What is known of a connection by those that are not on its thread.
struct Place {
    /// Microseconds since the beginning of the server; 0 while a request is being answered.
    idle_since: AtomicU64,
    /// Its client was admitted by name.
    known: AtomicBool,
    ousted: AtomicBool,
    waker: AtomicWaker,
}

impl Seats {
    /// At most `most` seats, or as many as files can be open; a quarter is the reserve.
    pub(super) fn new(most: usize) -> Arc<Self> {
        let most = open_files().map_or(most, |files| {
            most.min(files.saturating_sub(OTHER_FILES.min(files / 2)))
        });
        Arc::new(Self {
            most,
            free: most - most / 4,
            begin: Instant::now(),
            taken: Mutex::default(),
        })
    }

    /// How many there are.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// A seat, unless all are taken by connections that may stay.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.places.len() >= self.most && !taken.make_room() {
            return None;
        }
        let place = Arc::new(Place {
            idle_since: AtomicU64::new(self.now()),
            known: AtomicBool::new(false),
            ousted: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        let number = taken.next;
        taken.next += 1;
        taken.places.insert(number, Arc::clone(&place));
        Some(Seat {
            number,
            reserved: taken.places.len() > self.free,
            place,
            seats: Arc::clone(self),
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_micros())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

impl Taken {
    /// Ends the connection that can be done without best; whether there is one.
    fn make_room(&mut self) -> bool {
        let idle = self.longest_idle();
        let Some(place) = idle.and_then(|number| self.places.remove(&number)) else {
            return false;
        };
        place.ousted.store(true, Ordering::Relaxed);
        place.waker.wake();
        true
    }

    fn longest_idle(&self) -> Option<u64> {
        let idle = self.places.iter().filter_map(|(number, place)| {
            let since = place.idle_since.load(Ordering::Relaxed);
            (since > 0 && !place.known.load(Ordering::Relaxed)).then_some((since, *number))
        });
        idle.min().map(|(_, number)| number)
    }
}

/// The seat of one connection; free again when it is dropped.
pub(super) struct Seat {
    number: u64,
    reserved: bool,
    place: Arc<Place>,
    seats: Arc<Seats>,
}

impl Seat {
    /// Whether it is one of the reserve.
    pub(super) fn is_reserved(&self) -> bool {
        self.reserved
    }

    /// Whether it is one of the reserve, and there still are no others. For a client that was admitted by name, one
    /// that was not makes room: strangers who only sit there must not keep it from being answered.
    pub(super) fn is_needed(&self) -> bool {
        if !self.reserved {
            return false;
        }
        let mut taken = self.seats.taken();
        let is_known = self.place.known.load(Ordering::Relaxed);
        taken.places.len() > self.seats.free && !(is_known && taken.make_room())
    }

    /// A request is being answered.
    pub(super) fn busy(&self) {
        self.place.idle_since.store(0, Ordering::Relaxed);
    }

    /// Nothing is being answered.
    pub(super) fn idle(&self) {
        self.place.idle_since.store(self.seats.now(), Ordering::Relaxed);
    }

    /// The client was admitted by name: others make room first.
    pub(super) fn known(&self) {
        self.place.known.store(true, Ordering::Relaxed);
    }

    /// Whether it has to make room; the task is woken when that changes.
    pub(super) fn is_ousted(&self, cx: &Context<'_>) -> bool {
        self.place.waker.register(cx.waker());
        self.place.ousted.load(Ordering::Relaxed)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().places.remove(&self.number);
    }
}

/// How many files the process may have open, where the system tells.
fn open_files() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ousted(seat: &Seat) -> bool {
        seat.place.ousted.load(Ordering::Relaxed)
    }

    #[test]
    fn whoever_is_idle_for_longest_and_unknown_makes_room() {
        let seats = Seats::new(4);
        let take = || seats.take().unwrap();
        let [known, busy, early, late] = [take(), take(), take(), take()];
        known.known();
        busy.busy();
        while seats.now() == early.place.idle_since.load(Ordering::Relaxed) {}
        late.idle();
        let fifth = take();
        fifth.busy();
        assert_eq!(
            [&known, &busy, &early, &late].map(ousted),
            [false, false, true, false]
        );
        // An ousted one gives nothing back when it ends.
        drop(early);
        let sixth = take();
        sixth.busy();
        assert!(ousted(&late));
        assert!(seats.take().is_none(), "those that may stay have all seats");
        drop(busy);
        assert!(seats.take().is_some());
    }

    #[test]
    fn the_last_quarter_is_a_reserve_for_as_long_as_it_is_needed() {
        let seats = Seats::new(4);
        let all = [(); 4].map(|()| seats.take().unwrap());
        assert_eq!(all.each_ref().map(Seat::is_reserved), [false, false, false, true]);
        let [first, _second, _third, last] = all;
        assert!(last.is_needed());
        drop(first);
        assert!(!last.is_needed());
    }

    #[test]
    fn connections_leave_files_for_other_things() {
        let files = open_files().unwrap();
        let most = Seats::new(usize::MAX).most;
        assert!(most < files && most > 0, "{most} of {files}");
    }
}
