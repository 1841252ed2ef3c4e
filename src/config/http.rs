//! Hosts that `http.send` may ask, as the operator writes them: `[private=][http://]HOST[:PORT]`.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::str::FromStr;

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHost {
    /// Which hosts.
    pub name: HttpName,
    /// At which port.
    pub port: u16,
    /// Without TLS.
    pub plain: bool,
    /// Its names may have addresses that are not public.
    pub private: bool,
}

/// Which hosts an entry means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpName {
    /// The host of this name.
    Exact(String),
    /// All hosts below this domain, but not itself.
    Below(String),
    /// What is at this address, of whatever kind it is.
    Address(IpAddr),
}

const NO_HOST: &str = "no host: write HOST, HOST:PORT, *.DOMAIN or an address, before it `http://` for one without TLS and \
                       `private=` for one whose addresses may be private";

impl FromStr for HttpHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (private, rest) = match text.strip_prefix("private=") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (plain, rest) = match rest.strip_prefix("http://") {
            Some(rest) => (true, rest),
            None => (false, rest.strip_prefix("https://").unwrap_or(rest)),
        };
        if rest.contains('/') {
            return Err(NO_HOST);
        }
        let (host, port) = match rest.rsplit_once(':') {
            // An address of version 6 stands in brackets before a port, and alone also without them.
            Some((host, port)) if !rest.ends_with(']') && rest.parse::<IpAddr>().is_err() => {
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| digits && *port != 0);
                (host, port.ok_or("no port: write a number from 1 to 65535")?)
            }
            _ => (rest, if plain { 80 } else { 443 }),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let name = match (bare.unwrap_or(host).parse(), host.strip_prefix("*.")) {
            (Ok(address), _) => HttpName::Address(address),
            (Err(_), Some(domain)) if is_name(domain) => HttpName::Below(domain.to_ascii_lowercase()),
            (Err(_), None) if is_name(host) => HttpName::Exact(host.to_ascii_lowercase()),
            _ => return Err(NO_HOST),
        };
        Ok(Self {
            name,
            port,
            plain,
            private,
        })
    }
}

/// Whether it can be a name of DNS that no one takes for an address.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let middle = label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        middle && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.split('.').all(label) && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl Display for HttpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.private {
            f.write_str("private=")?;
        }
        if self.plain {
            f.write_str("http://")?;
        }
        match &self.name {
            HttpName::Exact(name) => f.write_str(name)?,
            HttpName::Below(domain) => write!(f, "*.{domain}")?,
            HttpName::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            HttpName::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
        }
        write!(f, ":{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_and_shown_whole() {
        for (text, shown) in [
            ("a.example", "a.example:443"),
            ("A.Example:8443", "a.example:8443"),
            ("https://a.example", "a.example:443"),
            ("http://sidecar", "http://sidecar:80"),
            ("private=http://sidecar:8080", "private=http://sidecar:8080"),
            ("private=*.svc.cluster.local", "private=*.svc.cluster.local:443"),
            ("10.0.0.5", "10.0.0.5:443"),
            ("10.0.0.5:8443", "10.0.0.5:8443"),
            ("::1", "[::1]:443"),
            ("[::1]:8443", "[::1]:8443"),
            ("[fd00::1]", "[fd00::1]:443"),
        ] {
            let host: HttpHost = text.parse().unwrap();
            assert_eq!(host.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(host), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "a..b",
            ".a",
            "a.",
            "-a",
            "a b",
            "a/b",
            "a@b",
            "*.*.a",
            "x.*.a",
            "1.2.3",
            "127.1",
            "0x7f000001.0",
            "a?b",
            "http://",
            "private=",
            "ftp://a",
            "*.10.0.0.5",
        ] {
            assert_eq!(
                text.parse::<HttpHost>().map(|host| host.to_string()),
                Err(NO_HOST),
                "{text}"
            );
        }
        for text in ["a:0", "a:", "a:65536", "a:+1", "a:x", "[::1]:x"] {
            assert_eq!(
                text.parse::<HttpHost>(),
                Err("no port: write a number from 1 to 65535"),
                "{text}"
            );
        }
    }
}
