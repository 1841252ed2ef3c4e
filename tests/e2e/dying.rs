//! Something in Regate's place that goes down whenever it is asked: what an API server sees of a crash.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::Result;

/// A server that goes down whenever it is asked.
pub(crate) struct Dying {
    calls: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Dying {
    /// Resets every connection that somebody sends something on.
    pub(crate) fn at(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)?;
        let calls = Arc::new(AtomicU64::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let (count, end) = (Arc::clone(&calls), Arc::clone(&over));
        let thread = thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if end.load(Ordering::Relaxed) {
                    break;
                }
                count.fetch_add(1, Ordering::Relaxed);
                // What has come and is not read makes a reset of the close.
                let _ = connection.peek(&mut [0]);
            }
        });
        Ok(Self {
            calls,
            over,
            address,
            thread: Some(thread),
        })
    }

    /// How many connections there were.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the thread; without a connection there is nothing to wake it for.
        if TcpStream::connect(self.address).is_ok() {
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}
