//! What replaces what, and what is told of dates.

use std::fs;
use std::io::{self, Write};
use std::sync::Mutex;

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

const NOW: i64 = 1_900_000_000;

/// Something that holds from the first day to the last, counted from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Days(i64, i64);

impl Dated for Days {
    fn holds(&self, now: i64) -> bool {
        self.validity().holds(now)
    }

    fn validity(&self) -> Validity {
        Validity {
            not_before: NOW + self.0 * DAY,
            not_after: NOW + self.1 * DAY,
        }
    }
}

fn slot(used: Days) -> Slot<Days> {
    Slot::new(
        CertificateRole::Serving,
        Path::new("tls.crt"),
        used,
        &Arc::new(Metrics::default()),
    )
}

/// What is in use after each of `offers`, all at the same time.
fn after(used: Days, offers: &[Days]) -> Days {
    let mut slot = slot(used);
    for offer in offers {
        slot.offer(Ok(*offer), NOW);
        slot.look(NOW);
    }
    **slot.used.load()
}

const VALID: Days = Days(-1, 90);
const EXPIRED: Days = Days(-90, -1);
const EARLY: Days = Days(1, 90);

#[test]
fn what_is_not_valid_replaces_only_what_is_not_either() {
    let other = Days(-2, 80);
    let older = Days(-80, -2);
    for (used, offer, expected) in [
        (VALID, other, other),
        (VALID, EXPIRED, VALID),
        (VALID, EARLY, VALID),
        (EXPIRED, VALID, VALID),
        (EXPIRED, EARLY, EARLY),
        (EXPIRED, older, older),
        (EARLY, EXPIRED, EXPIRED),
    ] {
        assert_eq!(after(used, &[offer]), expected, "{used:?} {offer:?}");
    }
}

#[test]
fn both_ends_of_its_time_belong_to_it() {
    let validity = Validity {
        not_before: 5,
        not_after: 7,
    };
    assert_eq!(
        [4, 5, 7, 8].map(|now| validity.holds(now)),
        [false, true, true, false]
    );
}

#[test]
fn what_waits_is_taken_when_its_time_comes() {
    let mut slot = slot(VALID);
    slot.offer(Ok(EARLY), NOW);
    slot.look(NOW + DAY - 1);
    assert_eq!(**slot.used.load(), VALID);
    slot.look(NOW + DAY);
    assert_eq!(**slot.used.load(), EARLY);
}

#[test]
fn what_waits_is_taken_when_what_is_in_use_has_ended() {
    let mut slot = slot(VALID);
    slot.offer(Ok(EXPIRED), NOW);
    slot.look(NOW + 90 * DAY);
    assert_eq!(**slot.used.load(), VALID);
    slot.look(NOW + 90 * DAY + 1);
    assert_eq!(**slot.used.load(), EXPIRED);
}

#[test]
fn what_waits_is_forgotten_when_its_file_changes_again() {
    for next in [Ok(VALID), Err(CertificateError::NoCertificate("tls.crt".into()))] {
        let mut slot = slot(VALID);
        slot.offer(Ok(EARLY), NOW);
        slot.offer(next, NOW);
        slot.look(NOW + DAY);
        assert_eq!(**slot.used.load(), VALID);
    }
}

/// Takes what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The log lines that something writes.
fn logged(write: impl FnOnce()) -> Vec<Value> {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, write);
    let bytes = log.0.lock().unwrap();
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn the_end_is_told_30_7_and_1_days_before_and_when_it_has_come_once_each() {
    let mut slot = slot(Days(-1, 40));
    let mut told = Vec::new();
    for hour in 0..42 * 24 {
        let lines = logged(|| slot.look(NOW + hour * 3600));
        for line in lines {
            assert_eq!(line["event"], "certificate_expiry");
            assert_eq!(line["role"], "serving");
            assert_eq!(line["file"], "tls.crt");
            assert_eq!(line["not_after"], date(NOW + 40 * DAY));
            told.push((
                hour,
                line["level"].as_str().unwrap().to_owned(),
                line["days"].as_i64(),
            ));
        }
    }
    let warn = |hour, days| (hour, "WARN".to_owned(), Some(days));
    assert_eq!(
        told,
        [
            warn(10 * 24, 30),
            warn(33 * 24, 7),
            warn(39 * 24, 1),
            (40 * 24 + 1, "ERROR".to_owned(), None)
        ]
    );
}

#[test]
fn a_replaced_certificate_is_told_of_anew() {
    let mut slot = slot(Days(-1, 5));
    let told = |slot: &mut Slot<Days>| logged(|| slot.look(NOW)).len();
    assert_eq!([told(&mut slot), told(&mut slot)], [1, 0]);
    logged(|| slot.offer(Ok(Days(-1, 6)), NOW));
    assert_eq!([told(&mut slot), told(&mut slot)], [1, 0]);
    logged(|| slot.offer(Ok(Days(-1, 60)), NOW));
    assert_eq!(told(&mut slot), 0);
}

#[test]
fn what_is_not_valid_at_start_is_told() {
    let lines = logged(|| slot(EARLY).look(NOW));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "a certificate in use is not valid yet");
    assert_eq!(lines[0]["not_before"], date(NOW + DAY));
    let lines = logged(|| slot(EXPIRED).look(NOW));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "a certificate in use has expired");
}

#[test]
fn a_text_about_a_file_holds_nothing_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let made = crate::certs::write(directory.path(), &crate::certs::Request::default(), false).unwrap();
    let key = fs::read_to_string(&made.key).unwrap();
    // As a template leaves it that lost the line ends.
    let lines = [key.replace('\n', " "), key.replace("-----\n", "----- ")];
    for text in lines {
        fs::write(&made.key, text).unwrap();
        let error = Certificates::load(
            CertificateFiles {
                certificate: made.certificate.clone(),
                key: made.key.clone(),
            },
            None,
            Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            &Arc::new(Metrics::default()),
        );
        let error = error.err().unwrap().to_string();
        assert!(
            error == format!("{}: is no valid PEM", made.key.display())
                || error == format!("{}: no private key in it", made.key.display()),
            "{error}"
        );
    }
}
