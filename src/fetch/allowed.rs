//! The list of hosts that may be asked, and what of a request it is about.

use std::net::IpAddr;

use hyper::Uri;
use hyper::http::uri::{PathAndQuery, Scheme};

use super::Error;
use super::address::{Kind, kind};

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    /// Which hosts.
    pub host: HostPattern,
    /// At which port.
    pub port: u16,
    /// Without TLS; what is said so is open to everybody in between.
    pub plain: bool,
    /// Its names may have addresses that are not public.
    pub private: bool,
}

/// Which hosts an entry means. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// The host of this name.
    Name(String),
    /// The hosts below this domain, not itself.
    Below(String),
    /// What is at this address, whatever kind it is of.
    Address(IpAddr),
}

impl HostPattern {
    fn fits(&self, host: &Host) -> bool {
        match (self, host) {
            (HostPattern::Name(name), Host::Name(host)) => name == host,
            (HostPattern::Below(domain), Host::Name(host)) => host
                .strip_suffix(domain.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
            (HostPattern::Address(address), Host::Address(host)) => address == host,
            _ => false,
        }
    }
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

/// What an URL leads to.
struct Place {
    host: Host,
    port: u16,
    plain: bool,
    authority: String,
    path: PathAndQuery,
}

impl Place {
    fn of(url: &str) -> Result<Self, Error> {
        let uri: Uri = url.parse().map_err(|_| Error::Url("it cannot be read"))?;
        let plain = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => false,
            Some(scheme) if *scheme == Scheme::HTTP => true,
            _ => return Err(Error::Url("it begins neither with https:// nor with http://")),
        };
        let authority = uri.authority().ok_or(Error::Url("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(Error::Url("it holds a user: credentials belong into headers"));
        }
        let host = match authority.host().trim_start_matches('[').trim_end_matches(']') {
            "" => return Err(Error::Url("it has no host")),
            host => host
                .parse()
                .map_or_else(|_| Host::Name(host.to_ascii_lowercase()), Host::Address),
        };
        let port = match (authority.port_u16(), plain) {
            (Some(port), _) => port,
            (None, _) if authority.as_str() != authority.host() => {
                return Err(Error::Url("its port is none"));
            }
            (None, true) => 80,
            (None, false) => 443,
        };
        Ok(Self {
            authority: authority.as_str().to_ascii_lowercase(),
            path: uri
                .path_and_query()
                .cloned()
                .unwrap_or(PathAndQuery::from_static("/")),
            host,
            port,
            plain,
        })
    }
}

impl AllowedHost {
    /// The host of an URL that the operator wrote, whatever kind its address is of.
    ///
    /// # Errors
    /// When it is no URL that can be asked.
    pub fn of(url: &str) -> Result<Self, Error> {
        let Place {
            host, port, plain, ..
        } = Place::of(url)?;
        Ok(Self {
            host: match host {
                Host::Name(name) => HostPattern::Name(name),
                Host::Address(address) => HostPattern::Address(address),
            },
            port,
            plain,
            private: true,
        })
    }
}

/// What an URL leads to, found on the list.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) plain: bool,
    /// As the header `Host` has it.
    pub(super) authority: String,
    /// What stands behind the host.
    pub(super) path: PathAndQuery,
    private: bool,
}

impl Target {
    /// Reads an URL.
    pub(super) fn of(url: &str, allowed: &[AllowedHost]) -> Result<Self, Error> {
        let Place {
            host,
            port,
            plain,
            authority,
            path,
        } = Place::of(url)?;
        let mut entries = allowed
            .iter()
            .filter(|entry| entry.plain == plain && entry.port == port && entry.host.fits(&host))
            .peekable();
        if entries.peek().is_none() {
            return Err(Error::NotAllowed(shown(&host, port)));
        }
        Ok(Self {
            private: entries.any(|entry| entry.private),
            host,
            port,
            plain,
            authority,
            path,
        })
    }

    /// Who is asked, for messages and limits.
    pub(super) fn name(&self) -> String {
        shown(&self.host, self.port)
    }

    /// Whether this address may be connected to.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        match (&self.host, kind(address)) {
            // The entry is this address.
            (Host::Address(_), _) | (_, Kind::Public) => true,
            (Host::Name(_), Kind::Private) => self.private,
            (Host::Name(_), Kind::Special) => false,
        }
    }
}

fn shown(host: &Host, port: u16) -> String {
    match host {
        Host::Name(name) => format!("{name}:{port}"),
        Host::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Host::Address(IpAddr::V4(address)) => format!("{address}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(host: HostPattern, port: u16) -> AllowedHost {
        AllowedHost {
            host,
            port,
            plain: false,
            private: false,
        }
    }

    fn list() -> Vec<AllowedHost> {
        vec![
            entry(HostPattern::Name("keys.example.com".into()), 443),
            entry(HostPattern::Below("corp.example".into()), 8443),
            entry(HostPattern::Address("10.0.0.5".parse().unwrap()), 443),
            entry(HostPattern::Address("::1".parse().unwrap()), 443),
            AllowedHost {
                plain: true,
                ..entry(HostPattern::Name("sidecar".into()), 80)
            },
            AllowedHost {
                private: true,
                ..entry(HostPattern::Name("inside.example".into()), 443)
            },
        ]
    }

    #[test]
    fn only_what_an_entry_says_is_admitted() {
        for (url, name) in [
            ("https://keys.example.com", "keys.example.com:443"),
            ("https://KEYS.example.com:443/a?b=c", "keys.example.com:443"),
            ("https://a.corp.example:8443/", "a.corp.example:8443"),
            ("https://a.b.corp.example:8443/", "a.b.corp.example:8443"),
            ("https://10.0.0.5/x", "10.0.0.5:443"),
            ("https://[::1]/x", "[::1]:443"),
            ("http://sidecar/x", "sidecar:80"),
        ] {
            assert_eq!(Target::of(url, &list()).unwrap().name(), name, "{url}");
        }
        for (url, host) in [
            ("http://keys.example.com", "keys.example.com:80"),
            ("http://keys.example.com:443", "keys.example.com:443"),
            ("https://keys.example.com:444", "keys.example.com:444"),
            ("https://keys.example.com.", "keys.example.com.:443"),
            ("https://xkeys.example.com", "xkeys.example.com:443"),
            ("https://corp.example:8443", "corp.example:8443"),
            ("https://.corp.example:8443", ".corp.example:8443"),
            ("https://acorp.example:8443", "acorp.example:8443"),
            ("https://corp.example.evil:8443", "corp.example.evil:8443"),
            ("https://[::ffff:10.0.0.5]/", "[::ffff:10.0.0.5]:443"),
            ("https://sidecar/", "sidecar:443"),
            ("https://127.0.0.1/", "127.0.0.1:443"),
        ] {
            let refused = Target::of(url, &list()).unwrap_err();
            assert_eq!(refused, Error::NotAllowed(host.into()), "{url}");
        }
    }

    #[test]
    fn what_is_no_plain_url_is_refused_without_quoting_it() {
        for (url, problem) in [
            ("", "it cannot be read"),
            ("keys.example.com/secret", "it cannot be read"),
            ("/secret", "it begins neither with https:// nor with http://"),
            (
                "unix://secret/a",
                "it begins neither with https:// nor with http://",
            ),
            ("file:///etc/secret", "it cannot be read"),
            (
                "https://user:secret@keys.example.com/",
                "it holds a user: credentials belong into headers",
            ),
            (
                "https://keys.example.com@evil/",
                "it holds a user: credentials belong into headers",
            ),
            ("https://keys.example.com:/", "its port is none"),
            ("https://keys.example.com:99999/", "its port is none"),
            ("https://keys.example.com/a b", "it cannot be read"),
            ("https://keys.example.com\\@evil/", "it cannot be read"),
        ] {
            assert_eq!(
                Target::of(url, &list()).unwrap_err(),
                Error::Url(problem),
                "{url}"
            );
        }
    }

    #[test]
    fn what_the_operator_wrote_may_be_private_and_nothing_else_is_meant_by_it() {
        let entry = AllowedHost::of("https://Keys.inside:8443/a").unwrap();
        let wanted = AllowedHost {
            host: HostPattern::Name("keys.inside".into()),
            port: 8443,
            plain: false,
            private: true,
        };
        assert_eq!(entry, wanted);
        let target = Target::of("https://keys.inside:8443/b", &[entry]).unwrap();
        assert!(target.admits("10.0.0.5".parse().unwrap()));
        assert!(!target.admits("169.254.169.254".parse().unwrap()));
        let entry = AllowedHost::of("http://169.254.169.254/").unwrap();
        assert_eq!((entry.port, entry.plain), (80, true));
        assert_eq!(
            entry.host,
            HostPattern::Address("169.254.169.254".parse().unwrap())
        );
        assert_eq!(
            AllowedHost::of("keys"),
            Err(Error::Url("it begins neither with https:// nor with http://"))
        );
    }

    #[test]
    fn of_several_entries_of_a_name_one_is_enough_to_be_private() {
        let entries = |private: [bool; 2]| {
            private.map(|private| AllowedHost {
                private,
                ..entry(HostPattern::Name("a.example".into()), 443)
            })
        };
        for (private, admitted) in [
            ([true, false], true),
            ([false, true], true),
            ([false, false], false),
        ] {
            let target = Target::of("https://a.example/", &entries(private)).unwrap();
            assert_eq!(
                target.admits("10.0.0.5".parse().unwrap()),
                admitted,
                "{private:?}"
            );
        }
    }

    #[test]
    fn an_address_is_admitted_by_the_entry_of_its_name() {
        let admits =
            |url: &str, address: &str| Target::of(url, &list()).unwrap().admits(address.parse().unwrap());
        let public = "https://keys.example.com";
        assert!(admits(public, "93.184.216.34"));
        assert!(!admits(public, "10.0.0.5"));
        assert!(!admits(public, "::ffff:127.0.0.1"));
        assert!(!admits(public, "169.254.169.254"));
        let inside = "https://inside.example";
        assert!(admits(inside, "10.0.0.5"));
        assert!(admits(inside, "::1"));
        assert!(!admits(inside, "169.254.169.254"));
        assert!(!admits(inside, "0.0.0.0"));
        assert!(admits("https://10.0.0.5", "10.0.0.5"));
    }
}
