//! Certificates that change while the server serves: what is taken over, what is not, and for whom.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use regate::gate::Gate;
use regate::server::CertificateFiles;
use regate::watch::Pace;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};

use crate::pki::{self, Form, HOUR, Issuer, Pair, Volume, authority_params, params, root};
use crate::process::{Process, soon};
use crate::serving::{Client, Options, PATIENCE, Server, named};

mod authorities;

const NAMES: &[&str] = &["tls.crt", "tls.key", "ca.crt"];

/// A server with its certificates in a volume.
struct Swapped {
    server: Server,
    volume: Volume,
    /// Signs its certificates.
    root: Issuer,
    root_file: PathBuf,
}

impl Swapped {
    /// Starts with a valid pair; a CA of callers makes it ask for them.
    fn start(client_ca: Option<&str>) -> Self {
        let root = root(authority_params("root"));
        let pair = Pair::new(&root);
        Self::start_with(root, &pair, client_ca, Pace::default())
    }

    /// One that looks at its files many times a second, and the pair that it serves.
    fn start_looking_often() -> (Self, Pair) {
        let pace = Pace {
            poll: Duration::from_millis(20),
            ..Pace::default()
        };
        let root = root(authority_params("root"));
        let pair = Pair::new(&root);
        (Self::start_with(root, &pair, None, pace), pair)
    }

    fn start_with(root: Issuer, pair: &Pair, client_ca: Option<&str>, pace: Pace) -> Self {
        let mut made = None;
        let server = Server::start(|settings, directory| {
            let [certificate, key] = pair.files();
            let ca = ("ca.crt", client_ca.unwrap_or_default().as_bytes());
            let volume = Volume::new(&directory.join("volume"), NAMES, &[certificate, key, ca]);
            let file = directory.join("root.crt");
            fs::write(&file, root.pem()).unwrap();
            settings.certificate = Some(CertificateFiles {
                certificate: volume.path.join("tls.crt"),
                key: volume.path.join("tls.key"),
            });
            settings.certificate_pace = pace;
            if client_ca.is_some() {
                settings.client_ca = Some(volume.path.join("ca.crt"));
                settings.gates = Gate::ALL.map(|gate| (gate, named(&["apiserver"]))).into();
            }
            made = Some((volume, file));
        });
        let (volume, root_file) = made.unwrap();
        Self {
            server,
            volume,
            root,
            root_file,
        }
    }

    fn connect(&self, options: &Options) -> Result<Client, String> {
        let config = options.config(&self.root_file);
        Client::connect(self.server.running.address(), config, None)
    }

    /// What a new connection is shown.
    fn shown(&self) -> CertificateDer<'static> {
        shown(&self.connect(&Options::default()).unwrap())
    }

    /// Waits until new connections are shown this pair.
    fn soon_shows(&self, pair: &Pair) {
        soon("the new certificate is shown", || {
            (self.shown() == pair.leaf()).then_some(())
        });
    }

    /// How many reloads ended so.
    fn reloads(&self, role: &str, result: &str) -> u64 {
        let start = format!("regate_certificate_reloads_total{{role=\"{role}\",result=\"{result}\"}} ");
        self.server
            .metric(&start)
            .map_or(0, |line| line[start.len()..].parse().unwrap())
    }

    /// Waits until so many changes were refused.
    fn soon_refused(&self, role: &str, count: u64) {
        soon("the change is refused", || {
            (self.reloads(role, "failure") == count).then_some(())
        });
    }
}

fn shown(client: &Client) -> CertificateDer<'static> {
    client.stream.conn.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

/// What a certificate says that holds from the first to the second.
fn dated(from: SystemTime, to: SystemTime) -> CertificateParams {
    let mut params = params("server");
    params.not_before = from.into();
    params.not_after = to.into();
    params
}

fn expired(root: &Issuer) -> Pair {
    let now = SystemTime::now();
    Pair::issue(Form::P256, dated(now - 2 * HOUR, now - HOUR), root)
}

#[test]
fn every_form_of_pair_is_shown_after_a_swap_and_open_connections_go_on() {
    let mut swapped = Swapped::start(None);
    let mut open = swapped.connect(&Options::default()).unwrap();
    let first = shown(&open);
    for (number, form) in Form::ALL.into_iter().enumerate() {
        let pair = Pair::issue(form, params("server"), &swapped.root);
        swapped.volume.publish(&pair.files());
        swapped.soon_shows(&pair);
        for version in [&TLS12, &TLS13] {
            let options = Options {
                versions: Some(version),
                ..Options::default()
            };
            let mut client = swapped.connect(&options).unwrap();
            assert_eq!(shown(&client), pair.leaf(), "{form:?}");
            assert_eq!(client.post("/v1/validate", "{}").status, 200, "{form:?}");
        }
        assert_eq!(swapped.reloads("serving", "success"), number as u64 + 1);
        assert_eq!(open.post("/v1/validate", "{}").status, 200, "{form:?}");
    }
    assert_eq!(shown(&open), first);
    assert_eq!(swapped.reloads("serving", "failure"), 0);
}

#[test]
fn the_end_of_what_is_shown_is_told() {
    let mut swapped = Swapped::start(None);
    let end = SystemTime::now() + 50 * HOUR;
    let pair = Pair::issue(Form::P256, dated(end - 60 * HOUR, end), &swapped.root);
    swapped.volume.publish(&pair.files());
    swapped.soon_shows(&pair);
    let seconds = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let line = format!("regate_certificate_expiry_timestamp_seconds{{role=\"serving\"}} {seconds}");
    soon("the end is told", || {
        (swapped.server.metric("regate_certificate_expiry") == Some(line.clone())).then_some(())
    });
}

#[test]
fn a_key_that_comes_before_its_certificate_waits_for_it() {
    for [first, second] in [["tls.key", "tls.crt"], ["tls.crt", "tls.key"]] {
        let root = root(authority_params("root"));
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let old = Pair::new(&root);
        for (name, bytes) in old.files() {
            fs::write(path(name), bytes).unwrap();
        }
        let server = Server::start(|settings, _| {
            settings.certificate = Some(CertificateFiles {
                certificate: path("tls.crt"),
                key: path("tls.key"),
            });
        });
        let swapped = Swapped {
            volume: Volume::new(&path("none"), &[], &[]),
            root_file: path("root.crt"),
            root,
            server,
        };
        fs::write(&swapped.root_file, swapped.root.pem()).unwrap();
        let new = Pair::new(&swapped.root);
        let text = |name: &str| new.files().into_iter().find(|file| file.0 == name).unwrap().1;
        fs::write(path(first), text(first)).unwrap();
        swapped.soon_refused("serving", 1);
        assert_eq!(swapped.shown(), old.leaf());
        fs::write(path(second), text(second)).unwrap();
        swapped.soon_shows(&new);
        assert_eq!(swapped.reloads("serving", "failure"), 1);
    }
}

/// Certificate and key that can replace no other: what is wrong, and the two files.
fn useless(root: &Issuer) -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let Pair { certificate, key } = Pair::new(root);
    let (certificate, key) = (certificate.into_bytes(), key.into_bytes());
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let other = Pair::new(root).key.into_bytes();
    let now = SystemTime::now();
    let late = Pair::issue(Form::P256, dated(now + HOUR, now + 2 * HOUR), root);
    let old = expired(root);
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let huge = vec![b'\n'; 2 << 20];
    vec![
        ("the key of another", certificate.clone(), other),
        ("no certificate", Vec::new(), key.clone()),
        ("no key", certificate.clone(), Vec::new()),
        ("files that changed places", key.clone(), certificate.clone()),
        ("half a certificate", half(&certificate), key.clone()),
        ("half a key", certificate.clone(), half(&key)),
        (
            "something else in PEM",
            no_certificate.as_bytes().to_vec(),
            key.clone(),
        ),
        ("bytes", vec![0xff; 3000], vec![0; 3000]),
        (
            "a huge certificate",
            [certificate.clone(), huge.clone()].concat(),
            key.clone(),
        ),
        ("a huge key", certificate, [key, huge].concat()),
        (
            "an expired pair",
            old.certificate.into_bytes(),
            old.key.into_bytes(),
        ),
        (
            "a pair of tomorrow",
            late.certificate.into_bytes(),
            late.key.into_bytes(),
        ),
    ]
}

#[test]
fn what_cannot_be_used_changes_nothing_and_is_counted_once() {
    let (mut swapped, pair) = Swapped::start_looking_often();
    let useless = useless(&swapped.root);
    for (number, (what, certificate, key)) in useless.iter().enumerate() {
        swapped
            .volume
            .publish(&[("tls.crt", certificate), ("tls.key", key)]);
        swapped.soon_refused("serving", number as u64 + 1);
        assert_eq!(swapped.shown(), pair.leaf(), "{what}");
    }
    // Many polls happen meanwhile.
    std::thread::park_timeout(Duration::from_millis(300));
    assert_eq!(swapped.reloads("serving", "failure"), useless.len() as u64);
    assert_eq!(swapped.reloads("serving", "success"), 0);

    let new = Pair::new(&swapped.root);
    swapped.volume.publish(&new.files());
    swapped.soon_shows(&new);
}

#[test]
fn what_is_no_file_changes_nothing_and_holds_nothing_up() {
    let mut swapped = Swapped::start(None);
    let pair = Pair::new(&swapped.root);
    let before = swapped.shown();
    let makers: [fn(&Path); 3] = [
        |_| {},
        |directory| fs::create_dir(directory.join("tls.key")).unwrap(),
        |directory| {
            let mut mkfifo = Command::new("mkfifo");
            assert!(mkfifo.arg(directory.join("tls.key")).status().unwrap().success());
        },
    ];
    for (number, make) in makers.into_iter().enumerate() {
        // Another certificate each time: a directory and a pipe are equally no file.
        let certificate = Pair::new(&swapped.root).certificate;
        swapped
            .volume
            .publish_and(&[("tls.crt", certificate.as_bytes())], make);
        swapped.soon_refused("serving", number as u64 + 1);
        assert_eq!(swapped.shown(), before);
    }
    fs::remove_dir_all(&swapped.volume.path).unwrap();
    swapped.soon_refused("serving", 4);
    assert_eq!(swapped.shown(), before);

    swapped.volume = Volume::new(&swapped.volume.path, NAMES, &pair.files());
    swapped.soon_shows(&pair);
}

#[test]
fn an_expired_pair_is_served_if_it_is_what_there_is_until_a_better_one_comes() {
    let root = root(authority_params("root"));
    let old = expired(&root);
    let mut swapped = Swapped::start_with(root, &old, None, Pace::default());
    let refused = |swapped: &Swapped| swapped.connect(&Options::default()).err().unwrap();
    let error = refused(&swapped);
    assert!(error.contains("certificate expired"), "{error}");
    let pair = Pair::new(&swapped.root);
    swapped.volume.publish(&pair.files());
    soon("a valid pair is shown", || {
        swapped.connect(&Options::default()).ok()
    });
    assert_eq!(swapped.shown(), pair.leaf());

    let old = expired(&swapped.root);
    swapped.volume.publish(&old.files());
    swapped.soon_refused("serving", 1);
    assert_eq!(swapped.shown(), pair.leaf());
}

#[test]
fn a_pair_that_came_too_early_is_taken_when_its_time_has_come() {
    let (mut swapped, _) = Swapped::start_looking_often();
    let begin = SystemTime::now() + Duration::from_secs(4);
    let new = Pair::issue(Form::P256, dated(begin, begin + HOUR), &swapped.root);
    swapped.volume.publish(&new.files());
    swapped.soon_refused("serving", 1);
    swapped.soon_shows(&new);
    assert!(SystemTime::now() + Duration::from_secs(1) >= begin);
    assert_eq!(swapped.reloads("serving", "success"), 1);
}

#[test]
fn each_change_is_logged_once_with_its_reason_and_without_the_key() {
    let root = root(authority_params("root"));
    let directory = tempfile::tempdir().unwrap();
    let pair = Pair::new(&root);
    let mut volume = Volume::new(&directory.path().join("volume"), NAMES, &pair.files());
    let path = |name: &str| directory.path().join("volume").join(name).display().to_string();
    let (certificate, key) = (path("tls.crt"), path("tls.key"));
    let process = Process::start(
        &[("root/ca.crt", &root.pem())],
        &[
            "--tls-cert",
            &certificate,
            "--tls-key",
            &key,
            "--insecure-allow-anonymous",
            "validate",
            "--gate",
            "validate",
        ],
    );
    let told = |event: &str, count: usize| {
        soon(event, || {
            Some(process.events(event)).filter(|events| events.len() == count)
        })
    };
    // A key where no certificate is, in one line: what a template makes of it.
    let secret = pair.key.replace('\n', " ");
    volume.publish(&[("tls.crt", secret.as_bytes()), ("tls.key", secret.as_bytes())]);
    let rejected = told("certificate_rejected", 1);
    assert_eq!(rejected[0]["level"], "ERROR");
    assert_eq!(rejected[0]["role"], "serving");
    let error = rejected[0]["error"].as_str().unwrap();
    assert!(error.starts_with(&certificate), "{error}");
    assert_eq!(process.probe("/readyz").0, 200);

    let now = SystemTime::now();
    let ending = Pair::issue(Form::P256, dated(now - HOUR, now + 3 * HOUR), &root);
    volume.publish(&ending.files());
    let loaded = told("certificate_loaded", 1);
    assert_eq!(loaded[0]["file"], certificate);
    let expiry = told("certificate_expiry", 1);
    assert_eq!(expiry[0]["level"], "WARN");
    assert_eq!(expiry[0]["days"], 0);
    assert_eq!(expiry[0]["not_after"], loaded[0]["not_after"]);
    assert_eq!(process.probe("/readyz").0, 200);
    // What ends soon is served all the same.
    drop(process.client());

    assert_eq!(process.events("certificate_rejected").len(), 1);
    let log = process.log();
    for word in pair.key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!log.contains(word), "{log}");
    }
}
