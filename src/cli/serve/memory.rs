//! Keeps what is in memory where it is: tokens, Secrets and the server's key.
//!
//! Called once by `serve`, before a key is read. Always holds afterwards, where the system allows it: a crash writes no
//! core, neither to a file nor to a collector, and no other process of the same user may look into this one.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Has the system write no core of this process and let nobody look into it. What cannot be had is told: the server is
/// as good without it, and whoever runs it decides.
pub(super) fn keep_private() {
    for (what, done) in [("core limit", no_core()), ("dumpable", not_dumpable())] {
        if let Err(error) = done {
            tracing::warn!(target: "regate::server", event = "memory_not_private", what, %error, "a crash may write what is in memory");
        }
    }
}

fn no_core() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}

/// A core that goes to a program has no limit: that it is not written depends on this.
#[cfg(target_os = "linux")]
fn not_dumpable() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(target_os = "linux"))]
fn not_dumpable() -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn nothing_of_the_memory_is_dumped() {
        keep_private();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    }
}
