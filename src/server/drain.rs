//! How far a server is with stopping, and who has to know.
//!
//! `server` alone moves the stages on; probes look at them, the routes end connections by them, connections end by
//! themselves and the I/O threads end with the last of them. A stage is never left for an earlier one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

/// The stages of a server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Reviews are answered, and connections stay for the next one.
    Serving,
    /// Not ready any more; everything is answered, and every answer ends its connection.
    Draining,
    /// No connection is taken any more, and an idle one ends; what is in flight is finished.
    Closing,
    /// What is still open is cut.
    Ended,
}

/// The one that moves the stages on.
pub(super) struct Stages(watch::Sender<Stage>);

impl Stages {
    /// A server that serves.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Stage::Serving))
    }

    /// For whoever has to know.
    pub(super) fn watch(&self) -> Drain {
        Drain(self.0.subscribe())
    }

    /// Tells that a stage has begun.
    pub(super) fn enter(&self, stage: Stage) {
        self.0.send_replace(stage);
    }
}

/// Knows the stage.
#[derive(Clone, Debug)]
pub(super) struct Drain(watch::Receiver<Stage>);

impl Drain {
    /// Whether the server was told to stop.
    pub(super) fn has_begun(&self) -> bool {
        *self.0.borrow() > Stage::Serving
    }

    /// Waits for a stage, or one after it.
    pub(super) async fn reached(mut self, stage: Stage) {
        // Without a server there is nothing to wait for.
        let _ = self.0.wait_for(|now| *now >= stage).await;
    }

    /// To ask from within a poll whether connections end.
    pub(super) fn closing(&self) -> Closing {
        Closing(Some(Box::pin(self.clone().reached(Stage::Closing))))
    }
}

/// Whether connections end; the task that asked is woken when they do.
pub(super) struct Closing(Option<Pin<Box<dyn Future<Output = ()>>>>);

impl Closing {
    /// Asks, and has the task woken if the answer is no.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let reached = self
            .0
            .as_mut()
            .is_none_or(|reached| reached.as_mut().poll(cx) == Poll::Ready(()));
        if reached {
            self.0 = None;
        }
        reached
    }
}
