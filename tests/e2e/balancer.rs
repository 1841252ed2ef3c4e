//! One address for several servers, as a cluster's network gives it: new connections go to one of those that were ready
//! at the last look.
//!
//! A server that stops being ready still gets connections until the next look, and those that are open stay where they
//! are. What a server refuses is refused to the client: nothing is tried again.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

/// How often it looks which servers are ready, and how long it waits for an answer.
const LOOK: Duration = Duration::from_secs(1);

/// A server behind the address: where it answers reviews, and where probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) port: u16,
    pub(crate) probe_port: u16,
}

/// A running balancer; it takes no new connections once it is dropped.
pub(crate) struct Balancer {
    port: u16,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    backends: Vec<Backend>,
    ready: Mutex<Vec<u16>>,
    drawn: AtomicU32,
    ended: AtomicBool,
}

impl Balancer {
    /// Balances over `backends` at a port of its own.
    pub(crate) fn start(backends: Vec<Backend>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            backends,
            ready: Mutex::default(),
            drawn: AtomicU32::new(1),
            ended: AtomicBool::new(false),
        });
        shared.look();
        let (looking, accepting) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::spawn(move || {
                while !looking.ended.load(Ordering::Relaxed) {
                    thread::park_timeout(LOOK);
                    looking.look();
                }
            }),
            thread::spawn(move || accepting.accept(&listener)),
        ];
        Ok(Self {
            port,
            shared,
            threads,
        })
    }

    /// The port of the address.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether a server gets new connections.
    pub(crate) fn uses(&self, port: u16) -> bool {
        self.shared.ready().contains(&port)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts; one that has ended already refuses it.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // A panic was printed where it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn ready(&self) -> Vec<u16> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of so many, at random: taking turns would give each server the same gate's connections again and again.
    fn draw(&self, count: usize) -> usize {
        let next = self
            .drawn
            .load(Ordering::Relaxed)
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.drawn.store(next, Ordering::Relaxed);
        usize::try_from(next >> 16).unwrap_or_default() % count.max(1)
    }

    fn look(&self) {
        let ready = self
            .backends
            .iter()
            .filter(|backend| is_ready(backend.probe_port).unwrap_or(false));
        let ready = ready.map(|backend| backend.port).collect();
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    fn accept(&self, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            let ready = self.ready();
            let chosen = ready.get(self.draw(ready.len()));
            if let (Ok(client), Some(&port)) = (client, chosen) {
                // What does not come about is dropped, which the client takes for a refusal.
                let _ = TcpStream::connect(("127.0.0.1", port)).and_then(|server| join(&client, &server));
            }
        }
    }
}

/// Copies in both directions, each in a thread of its own.
fn join(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    for (from, to) in [(client, server), (server, client)] {
        from.set_nodelay(true)?;
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || copy(from, to));
    }
    Ok(())
}

/// Copies until one side ends, and passes that on: an end of what is sent as such, anything else as the end of all.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 << 10];
    let ended = loop {
        match from.read(&mut buffer) {
            Ok(0) => break Shutdown::Write,
            Ok(length) => {
                if to.write_all(buffer.get(..length).unwrap_or_default()).is_err() {
                    break Shutdown::Both;
                }
            }
            Err(_) => break Shutdown::Both,
        }
    };
    // One that is closed already cannot be told.
    let _ = to.shutdown(ended);
    if ended == Shutdown::Both {
        let _ = from.shutdown(Shutdown::Both);
    }
}

fn is_ready(port: u16) -> io::Result<bool> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(LOOK))?;
    socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}
