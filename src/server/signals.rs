//! The signals that stop a server: SIGTERM and SIGINT.
//!
//! Whoever starts a server listens before anything else. Until there is one a signal ends the process on the spot, also
//! where the system would let it pass: it ends the first process of a container by no signal that is not listened for.
//! From before the ports open each signal is an order, whatever the thread that started the server is at.

use std::io;
use std::process;
use std::sync::{Arc, OnceLock};
use std::thread;

use futures_util::future::{self, Either};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::stop::Orders;

/// SIGTERM and SIGINT, from now on.
#[derive(Debug)]
pub struct Signals(Arc<OnceLock<Orders>>);

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system gives no thread, or does not let signals be listened for.
    pub fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (mut terminate, mut interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let orders = Arc::new(OnceLock::<Orders>::new());
        let server = Arc::clone(&orders);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                loop {
                    let (name, number) = runtime.block_on(next(&mut terminate, &mut interrupt));
                    match server.get() {
                        Some(orders) => {
                            tracing::info!(target: "regate::server", event = "signal", signal = name, "told to stop");
                            orders.give();
                        }
                        // As a shell tells of a process that a signal ended.
                        None => process::exit(128 + number),
                    }
                }
            })?;
        Ok(Self(orders))
    }

    /// From now on each signal is an order.
    pub(super) fn become_orders(&self, orders: Orders) {
        // A process has one server.
        let _ = self.0.set(orders);
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    match future::select(Box::pin(terminate.recv()), Box::pin(interrupt.recv())).await {
        Either::Left(_) => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        Either::Right(_) => ("SIGINT", SignalKind::interrupt().as_raw_value()),
    }
}
