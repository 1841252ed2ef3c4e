//! The certificates in use: the serving pair and the authorities of callers, read at start and whenever they change.
//!
//! Both are judged alike and independently, and swapped as a whole. Always holds: certificate and key belong together;
//! what cannot be used changes nothing; what is expired or not yet valid never replaces what is valid, but waits until it
//! becomes valid itself or what is in use no longer is. What nears its end is told in the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::callers::Trust;
use super::settings::CertificateFiles;
use super::tls::{self, Certificate, CertificateError, Validity};
use crate::metrics::{CertificateRole, Metrics};
use crate::watch::{self, Content, Digest, Places, Subject};

/// The size that a file may have: a bundle of all public authorities is a quarter of it.
const MAX_BYTES: u64 = 1 << 20;

const DAY: i64 = 24 * 3600;

/// What certificates are read from, and what is in use of it.
pub(super) struct Certificates {
    files: CertificateFiles,
    client_ca: Option<PathBuf>,
    provider: Arc<CryptoProvider>,
    serving: Slot<Certificate>,
    trust: Option<Slot<Trust>>,
    seen: Seen,
}

/// What the files hold.
pub(super) struct Read {
    certificate: Content,
    key: Content,
    client_ca: Option<Content>,
}

/// What of the files was seen last.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pair: [Digest; 2],
    client_ca: Option<Digest>,
}

impl Certificates {
    /// Reads certificates for the first time; then those that are expired or not yet valid are taken, too.
    pub(super) fn load(
        files: CertificateFiles,
        client_ca: Option<PathBuf>,
        provider: Arc<CryptoProvider>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, CertificateError> {
        let read = Read::new(&files, client_ca.as_deref());
        let pair = Certificate::parse(&files, &read.certificate, &read.key, &provider)?;
        let trust = client_ca.as_deref().zip(read.client_ca.as_ref());
        let trust = trust
            .map(|(file, content)| {
                let trust = Trust::parse(file, content, &provider)?;
                Ok(Slot::new(CertificateRole::ClientCa, file, trust, metrics))
            })
            .transpose()?;
        Ok(Self {
            serving: Slot::new(CertificateRole::Serving, &files.certificate, pair, metrics),
            trust,
            seen: Self::seen(&read),
            files,
            client_ca,
            provider,
        })
    }

    /// What was read.
    pub(super) fn last(&self) -> Seen {
        self.seen.clone()
    }

    /// The pair that is served, whatever it is replaced by.
    pub(super) fn serving(&self) -> Arc<ArcSwap<Certificate>> {
        Arc::clone(&self.serving.used)
    }

    /// The authorities of callers, whatever they are replaced by.
    pub(super) fn trust(&self) -> Option<Arc<ArcSwap<Trust>>> {
        self.trust.as_ref().map(|slot| Arc::clone(&slot.used))
    }
}

impl Read {
    fn new(files: &CertificateFiles, client_ca: Option<&Path>) -> Self {
        let read = |file: &Path| watch::read(file, MAX_BYTES);
        Self {
            certificate: read(&files.certificate),
            key: read(&files.key),
            client_ca: client_ca.map(read),
        }
    }
}

impl Subject for Certificates {
    type Read = Read;
    type Seen = Seen;

    const NAME: &'static str = "certificates";

    fn places(&self) -> Places {
        let pair = [&self.files.certificate, &self.files.key];
        Places::of_files(pair.into_iter().chain(&self.client_ca).map(PathBuf::as_path))
    }

    fn read(&self) -> Read {
        Read::new(&self.files, self.client_ca.as_deref())
    }

    fn seen(read: &Read) -> Seen {
        Seen {
            pair: [watch::digest(&read.certificate), watch::digest(&read.key)],
            client_ca: read.client_ca.as_ref().map(watch::digest),
        }
    }

    fn changed(&mut self, read: Read) {
        let (seen, now) = (Self::seen(&read), tls::seconds(UnixTime::now()));
        if seen.pair != self.seen.pair {
            let pair = Certificate::parse(&self.files, &read.certificate, &read.key, &self.provider);
            self.serving.offer(pair, now);
        }
        if let (Some(slot), Some(content)) = (&mut self.trust, &read.client_ca)
            && seen.client_ca != self.seen.client_ca
        {
            slot.offer(Trust::parse(&slot.file, content, &self.provider), now);
        }
        self.seen = seen;
    }

    fn rested(&mut self) {
        let now = tls::seconds(UnixTime::now());
        self.serving.look(now);
        if let Some(trust) = &mut self.trust {
            trust.look(now);
        }
    }
}

/// What has dates.
trait Dated {
    /// Whether it is of use now.
    fn holds(&self, now: i64) -> bool;
    /// The dates that are told of it.
    fn validity(&self) -> Validity;
}

impl Dated for Certificate {
    fn holds(&self, now: i64) -> bool {
        self.validity.holds(now)
    }

    fn validity(&self) -> Validity {
        self.validity
    }
}

impl Dated for Trust {
    fn holds(&self, now: i64) -> bool {
        Trust::holds(self, now)
    }

    fn validity(&self) -> Validity {
        Trust::validity(self)
    }
}

/// One thing that is in use, and what waits to replace it.
struct Slot<T> {
    role: CertificateRole,
    file: PathBuf,
    used: Arc<ArcSwap<T>>,
    /// It can be used, but not at this time.
    waiting: Option<T>,
    notice: Notice,
    metrics: Arc<Metrics>,
}

/// What there is to tell about the dates of what is in use, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Notice {
    None,
    MonthLeft,
    WeekLeft,
    DayLeft,
    Expired,
    NotYetValid,
}

impl Notice {
    fn of(validity: Validity, now: i64) -> Self {
        match validity.not_after.saturating_sub(now) {
            _ if now < validity.not_before => Notice::NotYetValid,
            left if left < 0 => Notice::Expired,
            left if left <= DAY => Notice::DayLeft,
            left if left <= 7 * DAY => Notice::WeekLeft,
            left if left <= 30 * DAY => Notice::MonthLeft,
            _ => Notice::None,
        }
    }
}

impl<T: Dated> Slot<T> {
    fn new(role: CertificateRole, file: &Path, first: T, metrics: &Arc<Metrics>) -> Self {
        metrics.certificate_expires(role, first.validity().not_after);
        Self {
            role,
            file: file.to_owned(),
            used: Arc::new(ArcSwap::from_pointee(first)),
            waiting: None,
            notice: Notice::None,
            metrics: Arc::clone(metrics),
        }
    }

    /// Takes over what was read anew, if it is good.
    fn offer(&mut self, read: Result<T, CertificateError>, now: i64) {
        self.waiting = None;
        let role = self.role.as_str();
        match read {
            Ok(new) if self.may_take(&new, now) => self.take(new),
            Ok(new) => {
                self.metrics.certificate_refused(self.role);
                let Validity {
                    not_before,
                    not_after,
                } = new.validity();
                let (file, not_before, not_after) = (self.file.display(), date(not_before), date(not_after));
                tracing::error!(target: "regate::certificate", event = "certificate_rejected", role, %file, not_before, not_after, "it is not valid at this time: the one in use stays");
                self.waiting = Some(new);
            }
            Err(error) => {
                self.metrics.certificate_refused(self.role);
                tracing::error!(target: "regate::certificate", event = "certificate_rejected", role, %error, "it cannot be used: the one in use stays");
            }
        }
    }

    /// What is not valid is as good as anything else that is not.
    fn may_take(&self, new: &T, now: i64) -> bool {
        new.holds(now) || !self.used.load().holds(now)
    }

    fn take(&mut self, new: T) {
        let not_after = new.validity().not_after;
        self.used.store(Arc::new(new));
        self.notice = Notice::None;
        self.metrics.certificate_accepted(self.role);
        self.metrics.certificate_expires(self.role, not_after);
        let (role, file, not_after) = (self.role.as_str(), self.file.display(), date(not_after));
        tracing::info!(target: "regate::certificate", event = "certificate_loaded", role, %file, not_after, "another certificate is in use");
    }

    /// Does what time brings: what waits may have become valid, what is in use nears its end.
    fn look(&mut self, now: i64) {
        if let Some(new) = self.waiting.take() {
            if self.may_take(&new, now) {
                self.take(new);
            } else {
                self.waiting = Some(new);
            }
        }
        let Validity {
            not_before,
            not_after,
        } = self.used.load().validity();
        let notice = Notice::of(
            Validity {
                not_before,
                not_after,
            },
            now,
        );
        if notice > self.notice {
            self.tell(notice, not_before, not_after, now);
        }
        self.notice = notice;
    }

    fn tell(&self, notice: Notice, not_before: i64, not_after: i64, now: i64) {
        let (role, file) = (self.role.as_str(), self.file.display());
        match notice {
            Notice::None => {}
            Notice::MonthLeft | Notice::WeekLeft | Notice::DayLeft => {
                let (days, not_after) = (not_after.saturating_sub(now) / DAY, date(not_after));
                tracing::warn!(target: "regate::certificate", event = "certificate_expiry", role, %file, not_after, days, "a certificate expires soon");
            }
            Notice::Expired => {
                let not_after = date(not_after);
                tracing::error!(target: "regate::certificate", event = "certificate_expiry", role, %file, not_after, "a certificate in use has expired");
            }
            Notice::NotYetValid => {
                let not_before = date(not_before);
                tracing::error!(target: "regate::certificate", event = "certificate_expiry", role, %file, not_before, "a certificate in use is not valid yet");
            }
        }
    }
}

/// A time as it is written in logs; of what no calendar has, the number.
fn date(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| seconds.to_string())
}

#[cfg(test)]
mod tests;
