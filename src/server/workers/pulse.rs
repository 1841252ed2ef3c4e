//! Lets everybody have their turn on the cores of long evaluations.
//!
//! A thread that wakes on a core where another one computes gets it at once, unless it had more than its share a moment
//! before: then Linux (6.6 and later) leaves the core to who has it, and looks again only at its next tick, which is 4 ms
//! later at 250 Hz. An answer takes several wakes of threads, so that beside evaluations which do not end one answer in a
//! hundred was some milliseconds late. A thread that sleeps and wakes on such a core makes the scheduler look as often.
//! So, while evaluations are long, each core of theirs has one. The keeper of the crews says how many are long.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::cores::stay_on;

/// How often the scheduler is made to look, to which the system adds as much: about a twentieth of the core, of which
/// long evaluations have the rest.
const BEAT: Duration = Duration::from_micros(50);

/// For how long after the last long evaluation was seen: where one policy runs away, the next review begins to.
const LINGER: Duration = Duration::from_secs(1);

/// A beat needs no more, and there is one for each core.
const STACK: usize = 64 << 10;

/// A thread for each core, which rests while no evaluation is long; they begin when one is for the first time.
pub(super) struct Pulse {
    cores: Vec<usize>,
    began: bool,
    until: Option<Instant>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Resting,
    Beating,
    Ended,
}

impl Pulse {
    /// The pulse of these cores.
    pub(super) fn new(cores: &[usize]) -> Self {
        Self {
            cores: cores.to_vec(),
            began: false,
            until: None,
            shared: Arc::default(),
        }
    }

    /// Beats or rests, as there are so many long evaluations now. Where they have less than half of these cores, whoever
    /// wakes finds another one.
    pub(super) fn tend(&mut self, long: usize, now: Instant) -> io::Result<()> {
        if long > 0 && 2 * long >= self.cores.len() {
            self.until = Some(now + LINGER);
        }
        let beats = self.beats(now);
        self.shared.enter(match beats {
            true => State::Beating,
            false => State::Resting,
        });
        if beats && !self.began {
            self.began = true;
            for core in &self.cores {
                begin(*core, &self.shared)?;
            }
        }
        Ok(())
    }

    /// Whether evaluations were long lately.
    pub(super) fn beats(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.enter(State::Ended);
    }
}

impl Shared {
    fn enter(&self, next: State) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != next {
            *state = next;
            self.changed.notify_all();
        }
    }

    /// Whether there is another beat; while none is needed it waits.
    fn goes_on(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while *state == State::Resting {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        *state == State::Beating
    }
}

fn begin(core: usize, shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    let beat = move || {
        // On any other core it would be of no use.
        if stay_on(core).is_ok() {
            while shared.goes_on() {
                thread::park_timeout(BEAT);
            }
        }
    };
    let thread = thread::Builder::new().name(format!("pulse-{core}"));
    thread.stack_size(STACK).spawn(beat).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pulse of cores that nothing is kept on, so that no thread begins.
    fn pulse(cores: usize) -> Pulse {
        let mut pulse = Pulse::new(&vec![usize::MAX; cores]);
        pulse.began = true;
        pulse
    }

    fn beats(pulse: &mut Pulse, long: usize, now: Instant) -> bool {
        pulse.tend(long, now).unwrap();
        *pulse.shared.state.lock().unwrap() == State::Beating
    }

    #[test]
    fn a_pulse_beats_while_half_of_the_cores_are_at_long_evaluations_and_a_second_longer() {
        let now = Instant::now();
        let mut pulse = pulse(4);
        assert!(!beats(&mut pulse, 0, now));
        assert!(!beats(&mut pulse, 1, now));
        assert!(beats(&mut pulse, 2, now));
        assert!(beats(&mut pulse, 0, now + LINGER / 2));
        assert!(beats(&mut pulse, 9, now + LINGER / 2));
        assert!(beats(&mut pulse, 1, now + LINGER));
        assert!(!beats(&mut pulse, 0, now + LINGER * 3 / 2));
        assert!(beats(&mut pulse, 2, now + LINGER * 2));
    }

    #[test]
    fn a_machine_of_one_core_has_a_pulse_beside_one_long_evaluation_only() {
        let now = Instant::now();
        let mut pulse = pulse(1);
        assert!(!beats(&mut pulse, 0, now));
        assert!(beats(&mut pulse, 1, now));
    }

    #[test]
    fn the_threads_end_with_their_pulse() {
        let mut pulse = Pulse::new(&[0, 1]);
        pulse.tend(2, Instant::now()).unwrap();
        let shared = Arc::downgrade(&pulse.shared);
        drop(pulse);
        let begin = Instant::now();
        while shared.strong_count() > 0 {
            assert!(begin.elapsed() < Duration::from_secs(20), "a thread goes on");
            thread::yield_now();
        }
    }
}
