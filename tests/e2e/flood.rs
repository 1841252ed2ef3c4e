//! More reviews than a gate takes: many connections to Regate, each with a review that its policy does not finish.
//!
//! What the API server asks meanwhile is answered as overload. How many it takes is found by asking for more until the
//! server says so, because the length of its queues is its own business. Dropping a flood ends it.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::gates::SOON;
use crate::regate::Regate;
use crate::tls::{self, Stream};

/// No gate is meant to let this many wait.
const MOST: usize = 2000;

/// How many connections are added at a time.
const STEP: usize = 32;

/// A gate of a server kept busy until this is dropped.
pub(crate) struct Flood {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    /// Floods a gate whose policies do not end for names that begin with `endless`, and returns when `overload`, a code
    /// of its answers, has been given.
    pub(crate) fn of(regate: &Regate, gate: &str, overload: u16) -> Result<Self> {
        // The one that the API server shows.
        let [authority, certificate, key] =
            ["ca.crt", "client.crt", "client.key"].map(|name| regate.certificate(name));
        let config = tls::config(&authority, &certificate, &key)?;
        let request = request(gate);
        let before = regate.answers(gate, overload)?;
        let began = Instant::now();
        let mut crowd = Vec::new();
        while regate.answers(gate, overload)? == before {
            ensure!(
                crowd.len() < MOST && began.elapsed() < SOON,
                "{} reviews are no overload of {gate}",
                crowd.len()
            );
            // A busy server may take a handshake for a slow one; others will do.
            let more = (0..STEP).filter_map(|_| Asker::begin(regate.address(), &config, &request).ok());
            crowd.extend(more);
            push(&mut crowd, &request);
        }
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                push(&mut crowd, &request);
                thread::park_timeout(Duration::from_millis(10));
            }
        });
        Ok(Self {
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has ended the flood as well.
            let _ = thread.join();
        }
    }
}

/// Whoever was answered asks again; a connection that broke is left alone.
fn push(crowd: &mut [Asker], request: &[u8]) {
    for asker in crowd {
        if asker.is_answered() && !asker.broken {
            asker.broken = asker.ask(request).is_err();
        }
    }
}

/// One connection, which waits for its answer.
struct Asker {
    stream: Stream,
    broken: bool,
}

impl Asker {
    fn begin(address: SocketAddr, config: &Arc<ClientConfig>, request: &[u8]) -> Result<Self> {
        let mut asker = Self {
            stream: tls::connect(address, config)?,
            broken: false,
        };
        asker.ask(request)?;
        Ok(asker)
    }

    fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.sock.set_nonblocking(false)?;
        self.stream.write_all(request)?;
        self.stream.flush()?;
        Ok(self.stream.sock.set_nonblocking(true)?)
    }

    /// Whether anything has come; all that has is read.
    fn is_answered(&mut self) -> bool {
        let mut answered = false;
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.broken = true;
                    return false;
                }
                Ok(_) => answered = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return answered,
                Err(_) => {
                    self.broken = true;
                    return false;
                }
            }
        }
    }
}

fn request(gate: &str) -> Vec<u8> {
    let body = review(gate).to_string();
    format!(
        "POST /v1/{gate} HTTP/1.1\r\nHost: regate\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A review of which the policies do not come to an end.
fn review(gate: &str) -> Value {
    let typed =
        |version: &str, kind: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "spec": spec});
    match gate {
        "authn" => typed(
            "authentication.k8s.io/v1",
            "TokenReview",
            json!({"token": "endless-flood"}),
        ),
        "authz" => {
            let asked = json!({"verb": "list", "resource": "pods", "namespace": "endless-flood"});
            typed(
                "authorization.k8s.io/v1",
                "SubjectAccessReview",
                json!({"user": "flood", "resourceAttributes": asked}),
            )
        }
        "image" => typed(
            "imagepolicy.k8s.io/v1alpha1",
            "ImageReview",
            json!({"containers": [{"image": "registry.example.com/endless-flood:1"}], "namespace": "default"}),
        ),
        _ => json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "flood",
            "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
            "resource": {"group": "", "version": "v1", "resource": "configmaps"},
            "operation": "CREATE",
            "name": "endless-flood",
            "namespace": "default",
            "userInfo": {"username": "flood"},
            "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "endless-flood", "namespace": "default"}},
        }}),
    }
}
