//! Certificates that are swapped again and again while callers ask: nobody may notice.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::CertificateDer;

use crate::either;
use crate::pki::{Form, HOUR, Issuer, Pair, Volume, authority_params, params, root};
use crate::process::{Process, soon};
use crate::serving::{Client, Options, head};

crate::cases![certificates_rotate_and_no_request_fails];

/// Callers that keep their connection, and callers that open one for each request.
const CALLERS: usize = 2;

const REVIEW: &str = r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"x"}}"#;

/// What callers may be shown, and what became of their requests.
struct Shared {
    valid: Mutex<Vec<CertificateDer<'static>>>,
    answered: AtomicUsize,
    end: AtomicBool,
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.end.load(Ordering::Relaxed)
    }
}

/// The files that are swapped, and what signs them.
struct Rotation {
    volume: Volume,
    root: Issuer,
    callers: Issuer,
    number: usize,
}

impl Rotation {
    /// What a caller shows.
    fn identity(&self) -> Options {
        let mut params = params("apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.callers).unwrap();
        Options {
            identity: Some((certificate.pem(), key.serialize_pem())),
            ..Options::default()
        }
    }

    /// A pair that nobody may be shown.
    fn useless(&self) -> Pair {
        let now = SystemTime::now();
        match self.number % 4 {
            0 => {
                let mut params = params("server");
                params.not_before = (now - 2 * HOUR).into();
                params.not_after = (now - HOUR).into();
                Pair::issue(Form::P256, params, &self.root)
            }
            1 => Pair {
                certificate: String::new(),
                key: String::new(),
            },
            2 => Pair {
                certificate: "garbage".to_owned(),
                ..Pair::new(&self.root)
            },
            _ => Pair {
                key: Pair::new(&self.root).key,
                ..Pair::new(&self.root)
            },
        }
    }

    fn publish(&mut self, pair: &Pair) {
        // The authority that signed the callers is always among these, if they can be read at all.
        let trusted = match self.number % 3 {
            0 => self.callers.pem(),
            1 => self.callers.pem() + &self.root.pem(),
            _ => "garbage".to_owned(),
        };
        let [certificate, key] = pair.files();
        self.volume
            .publish(&[certificate, key, ("ca.crt", trusted.as_bytes())]);
        self.number += 1;
    }
}

fn certificates_rotate_and_no_request_fails() {
    let directory = tempfile::tempdir().unwrap();
    let (root, callers) = (root(authority_params("root")), root(authority_params("callers")));
    let first = Pair::new(&root);
    let [certificate, key] = first.files();
    let files =
        [certificate, key, ("ca.crt", callers.pem().as_bytes())].map(|(name, bytes)| (name, bytes.to_vec()));
    let files = files.each_ref().map(|(name, bytes)| (*name, bytes.as_slice()));
    let volume = Volume::new(
        &directory.path().join("volume"),
        &["tls.crt", "tls.key", "ca.crt"],
        &files,
    );
    let path = |name: &str| volume.path.join(name).to_str().unwrap().to_owned();
    let arguments = [
        "--tls-cert",
        &path("tls.crt"),
        "--tls-key",
        &path("tls.key"),
        "--client-ca",
        &path("ca.crt"),
        "--allow-client",
        "apiserver",
    ];
    let process = Process::start(&[("root/ca.crt", &root.pem())], &arguments);
    let mut rotation = Rotation {
        volume,
        root,
        callers,
        number: 0,
    };
    let shared = Shared {
        valid: Mutex::new(vec![first.leaf()]),
        answered: AtomicUsize::new(0),
        end: AtomicBool::new(false),
    };
    let identities: Vec<_> = (0..2 * CALLERS).map(|_| rotation.identity()).collect();
    std::thread::scope(|scope| {
        for (number, identity) in identities.iter().enumerate() {
            let (process, shared) = (&process, &shared);
            scope.spawn(move || match number % 2 {
                0 => ask_on_one_connection(process, identity, shared),
                _ => ask_on_many_connections(process, identity, shared),
            });
        }
        // Whatever fails, the callers must end.
        let ending = Ending(&shared);
        let longest = rotate(&process, &mut rotation, &shared);
        drop(ending);
        println!(
            "{} requests, a new pair shown after at most {longest:?}",
            shared.answered.load(Ordering::Relaxed)
        );
        assert!(
            longest < either(Duration::from_secs(10), Duration::from_secs(2)),
            "{longest:?}"
        );
    });
    assert!(shared.answered.load(Ordering::Relaxed) > 100);
    assert_eq!(process.metrics("regate_certificate_reloads_total").len(), 4);
}

/// Swaps pairs, good after bad; returns how long a good one took at most until it was shown.
fn rotate(process: &Process, rotation: &mut Rotation, shared: &Shared) -> Duration {
    let mut longest = Duration::ZERO;
    for round in 0..either(8, 100) {
        let useless = rotation.useless();
        rotation.publish(&useless);
        let pair = Pair::issue(
            Form::ALL[round % Form::ALL.len()],
            params("server"),
            &rotation.root,
        );
        shared.valid.lock().unwrap().push(pair.leaf());
        // Every other one comes while the one before is still being looked at.
        if round % 2 == 0 {
            soon("the useless pair is refused", || {
                let refused =
                    process.metrics("regate_certificate_reloads_total{role=\"serving\",result=\"failure\"} ");
                let count = refused.first()?.split(' ').nth(1)?.parse::<usize>().ok()?;
                (count > round / 2).then_some(())
            });
        }
        let begin = Instant::now();
        rotation.publish(&pair);
        soon("the new pair is shown", || {
            let client = process.connect(&Options::default());
            let shown = client.stream.conn.peer_certificates()?.first()?.clone();
            (shown == pair.leaf()).then_some(())
        });
        longest = longest.max(begin.elapsed());
    }
    longest
}

/// Ends the callers, however the case ends.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::Relaxed);
    }
}

fn ask_on_one_connection(process: &Process, identity: &Options, shared: &Shared) {
    let mut client = process.connect(identity);
    while shared.goes_on() {
        assert_eq!(ask(&mut client), 200);
        shared.answered.fetch_add(1, Ordering::Relaxed);
    }
}

fn ask_on_many_connections(process: &Process, identity: &Options, shared: &Shared) {
    while shared.goes_on() {
        let mut client = process.connect(identity);
        let shown = client.stream.conn.peer_certificates().unwrap()[0].clone();
        assert!(
            shared.valid.lock().unwrap().contains(&shown),
            "nobody may be shown this"
        );
        assert_eq!(ask(&mut client), 200);
        shared.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// One request in one piece: in two, the second would wait for the acknowledgement of the first.
fn ask(client: &mut Client) -> u16 {
    let headers = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        REVIEW.len()
    );
    client.send(head("/v1/authn", &headers) + REVIEW);
    client.response().status
}
