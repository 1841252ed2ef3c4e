//! The signals that stop a server. Whoever wants them listens before the server is announced: until then a signal ends
//! the process on the spot, as it does where nobody listens.

use std::future::Future;
use std::io;

use futures_util::future::{self, Either};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, from now on.
#[derive(Debug)]
pub struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen.
    pub fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (terminate, interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }

    /// Waits for the next signal and names it; none if `over` is reached before.
    pub(super) fn next_unless(&mut self, over: impl Future + Unpin) -> Option<&'static str> {
        let Self {
            runtime,
            terminate,
            interrupt,
        } = self;
        runtime.block_on(async {
            let signalled = future::select(Box::pin(terminate.recv()), Box::pin(interrupt.recv()));
            match future::select(signalled, over).await {
                Either::Left((Either::Left(_), _)) => Some("SIGTERM"),
                Either::Left((Either::Right(_), _)) => Some("SIGINT"),
                Either::Right(_) => None,
            }
        })
    }
}
