//! Which cores long evaluations have.
//!
//! Evaluations that take long and are as many as the cores would have them all, and with them the CPU time that a limit
//! (of a container, of a machine's share) grants the process: when it is used up, every thread waits. So a thread whose
//! evaluation is long is kept to the second half of what the process may use until one of its evaluations was not;
//! whoever wakes finds the first half free. Where the system does not do that, it is left.

use std::thread::available_parallelism;
use std::time::Duration;

/// An evaluation that takes longer is long.
pub(super) const LONG: Duration = Duration::from_millis(20);

/// Numbers of the cores that this process may use.
#[derive(Debug)]
pub(super) struct Cores {
    all: Vec<usize>,
    slow: Vec<usize>,
}

impl Cores {
    /// Those of this process. A limit of CPU time counts as so many cores.
    pub(super) fn new() -> Self {
        let all = system::allowed();
        let usable = available_parallelism().map_or(all.len(), usize::from);
        let slow = (usable / 2).max(1).min(all.len());
        let slow = all.iter().rev().take(slow).copied().collect();
        Self { all, slow }
    }

    /// Those of long evaluations; none where a thread cannot be kept to a core.
    pub(super) fn slow(&self) -> &[usize] {
        &self.slow
    }

    /// Keeps another thread to those of long evaluations.
    pub(super) fn slow_down(&self, thread: Thread) {
        // Of one core there is nothing to give.
        if self.all.len() > 1 {
            let _ = system::keep(Some(thread), &self.slow);
        }
    }

    /// Lets this thread go wherever the process may.
    pub(super) fn free(&self) {
        let _ = system::keep(None, &self.all);
    }
}

/// Keeps this thread to one core.
pub(super) fn stay_on(core: usize) -> std::io::Result<()> {
    system::keep(None, &[core])
}

pub(super) use system::{Thread, this_thread};

#[cfg(all(test, target_os = "linux"))]
pub(super) use system::allowed;

#[cfg(target_os = "linux")]
mod system {
    use std::io;

    use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

    /// How the system names a thread.
    pub(in super::super) type Thread = rustix::thread::Pid;

    pub(in super::super) fn this_thread() -> Thread {
        gettid()
    }

    pub(in super::super) fn allowed() -> Vec<usize> {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        (0..CpuSet::MAX_CPU)
            .filter(|core| allowed.is_set(*core))
            .collect()
    }

    pub(super) fn keep(thread: Option<Thread>, cores: &[usize]) -> io::Result<()> {
        let mut set = CpuSet::new();
        cores.iter().for_each(|core| set.set(*core));
        Ok(sched_setaffinity(thread, &set)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    /// How the system names a thread.
    #[derive(Clone, Copy, Debug)]
    pub(in super::super) struct Thread;

    pub(in super::super) fn this_thread() -> Thread {
        Thread
    }

    pub(in super::super) fn allowed() -> Vec<usize> {
        Vec::new()
    }

    pub(super) fn keep(_: Option<Thread>, _: &[usize]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_kept_to_the_second_half_of_the_cores_and_let_go() {
        let cores = Cores::new();
        assert!(!cores.slow().is_empty() && 2 * cores.slow().len() <= cores.all.len().max(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let before = system::allowed();
                cores.slow_down(this_thread());
                let kept = system::allowed();
                assert_eq!(kept.len(), cores.slow().len());
                assert!(kept.iter().all(|core| cores.slow().contains(core)));
                cores.free();
                assert_eq!(system::allowed(), before);
            });
        });
    }
}
