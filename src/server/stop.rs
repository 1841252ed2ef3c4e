//! Stopping: first everybody learns that the server is going, then it goes, and no request is lost on the way.
//!
//! The API server learns of a server's end some seconds after the server does, and until then it sends requests, on
//! open connections and on new ones. So after the first order everything is answered for a delay, each answer ending
//! its connection; then the port closes, idle connections end, and what is in flight is finished within the timeout.
//! Each further order ends what is being waited for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{self, Either};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::accept::Threads;
use super::drain::{Stage, Stages};
use crate::metrics::Metrics;

/// Tells a server to stop.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    sender: mpsc::UnboundedSender<()>,
    given: Arc<AtomicBool>,
}

impl Orders {
    /// For one server, which takes them from the other end.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<()>) {
        let (sender, orders) = mpsc::unbounded_channel();
        let given = Arc::default();
        (Self { sender, given }, orders)
    }

    /// The next order.
    pub(super) fn give(&self) {
        self.given.store(true, Ordering::Relaxed);
        // Who takes them is gone only with the server: whoever waits for its end learns of it.
        let _ = self.sender.send(());
    }

    /// Whether there has been one.
    pub(super) fn were_given(&self) -> bool {
        self.given.load(Ordering::Relaxed)
    }
}

/// How a server is told to stop, and how it does.
pub(super) struct Stop {
    pub(super) orders: mpsc::UnboundedReceiver<()>,
    pub(super) stages: Stages,
    /// How long everything is still answered.
    pub(super) delay: Duration,
    /// How long what is in flight may take after that.
    pub(super) timeout: Duration,
    pub(super) metrics: Arc<Metrics>,
}

impl Stop {
    /// Accepts connections until it is told to stop, and returns when `threads` have ended.
    pub(super) async fn obey(mut self, listener: TcpListener, mut threads: Threads) -> io::Result<()> {
        self.accept(&listener, &mut threads, None).await?;
        self.stages.enter(Stage::Draining);
        if !self.delay.is_zero() {
            let (delay, connections) = (self.delay.as_secs_f64(), threads.open());
            tracing::info!(
                target: "regate::server",
                event = "draining",
                delay,
                connections,
                "not ready any more; answers end their connections; another signal ends the delay"
            );
            self.accept(&listener, &mut threads, Some(self.delay)).await?;
        }
        threads.close(listener)?;
        self.stages.enter(Stage::Closing);
        self.finish(&threads).await;
        self.stages.enter(Stage::Ended);
        threads.join()
    }

    /// Accepts connections for some time, or else until an order comes.
    async fn accept(
        &mut self,
        listener: &TcpListener,
        threads: &mut Threads,
        time: Option<Duration>,
    ) -> io::Result<()> {
        let accepting = threads.accept(listener);
        let over = self.order_or(time);
        match future::select(Box::pin(accepting), Box::pin(over)).await {
            Either::Left((error, _)) => Err(error),
            Either::Right(_) => Ok(()),
        }
    }

    /// Lets what is in flight be finished.
    async fn finish(&mut self, threads: &Threads) {
        let (begin, metrics) = (Instant::now(), Arc::clone(&self.metrics));
        let (connections, requests) = (threads.open(), metrics.requests_in_flight());
        let timeout = self.timeout.as_secs_f64();
        tracing::info!(
            target: "regate::server",
            event = "closing",
            connections,
            requests,
            timeout,
            "the port is closed; finishing what is in flight"
        );
        let over = self.order_or(Some(self.timeout));
        let closed = future::select(Box::pin(threads.all_closed()), Box::pin(over)).await;
        let seconds = begin.elapsed().as_secs_f64();
        if matches!(closed, Either::Left(_)) {
            tracing::info!(target: "regate::server", event = "finished", seconds, "everything was answered");
        } else {
            let (connections, requests) = (threads.open(), metrics.requests_in_flight());
            tracing::warn!(
                target: "regate::server",
                event = "cut",
                connections,
                requests,
                seconds,
                "what took too long was cut off"
            );
        }
    }

    /// Waits for the next order, and for no longer than `time`.
    async fn order_or(&mut self, time: Option<Duration>) {
        let order = async {
            // Nobody can order any more when a running server was dropped: it stops, and takes its time.
            if self.orders.recv().await.is_none() && time.is_some() {
                future::pending::<()>().await;
            }
        };
        match time {
            Some(time) => drop(tokio::time::timeout(time, order).await),
            None => order.await,
        }
    }
}
