//! What `regate manifests` is asked for: the words of its flags as types, and what is wrong with them.
//!
//! Whatever gets into a file is checked here first, so that the writers never quote or escape by hand.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::exempt;
use super::rules::Wanted;
use crate::gate::Gate;
use crate::policy::PolicySet;

/// Everything that the files depend on.
#[derive(Clone, Debug)]
pub struct Request {
    /// Absolute directory in which kube-apiserver will find the files.
    pub install_dir: PathBuf,
    /// Where Regate answers.
    pub target: Target,
    /// Certificates (PEM) that Regate's own is checked against.
    pub ca: Vec<u8>,
    /// What kube-apiserver shows to Regate.
    pub client: Option<Client>,
    /// Namespaces that admission leaves alone, besides kube-system and Regate's own.
    pub exempt_namespaces: BTreeSet<Name>,
    /// What is done while Regate cannot be asked.
    pub failure_policies: Vec<FailurePolicy>,
    /// Rules of admission besides those that the policies need.
    pub rules: Vec<Rule>,
    /// The gates to register, at least one.
    pub gates: BTreeSet<Gate>,
    /// What the policies ask for.
    pub registered: Registered,
}

/// What the policies ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Whether a policy of authz can deny: its denials must then hold while Regate is down.
    pub authz_has_deny: bool,
    /// The gates that have a policy.
    pub gates: BTreeSet<Gate>,
    /// What the policies of mutate and validate want to be asked about.
    pub admission: Vec<Wanted>,
}

impl Registered {
    /// What these policies ask for.
    pub fn of(set: &PolicySet) -> Self {
        Self {
            authz_has_deny: set.any_has(Gate::Authz, "deny"),
            gates: set.policies().iter().map(|policy| policy.gate).collect(),
            admission: set.policies().iter().filter_map(Wanted::of).collect(),
        }
    }
}

/// Absolute paths of a client certificate and its key, on the host of kube-apiserver.
#[derive(Clone, Debug)]
pub struct Client {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why no files can be written. The operator has to change a flag.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A Service cannot be reached by the gates that flags and files register.
    #[error(
        "--service with --gate {gate}: kube-apiserver asks {gate} from its host, where no Service has a name; \
         give --url for it"
    )]
    ByService {
        /// The gate.
        gate: Gate,
    },
    /// The text is no failure policy.
    #[error("`{0}` is no failure policy: validate=Fail|Ignore, mutate=Fail|Ignore or authz=Deny|NoOpinion")]
    FailurePolicy(String),
    /// The text names no namespace.
    #[error("`{0}` is no name: lower-case letters, digits and `-`, at most 63")]
    Name(String),
    /// No gate is left to register.
    #[error("no gate to register: the policies have none that kube-apiserver can reach here")]
    NoGate,
    /// Paths in the files are read by another process, perhaps on another host.
    #[error("--install-dir {}: not an absolute path", .0.display())]
    NotAbsolute(PathBuf),
    /// A path that YAML cannot hold.
    #[error("{}: not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// The text is no rule.
    #[error("`{text}` is no rule: {reason}")]
    Rule {
        /// The text.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A rule that would never be asked.
    #[error("--rule {0}: never asked, because a cluster could not come up again if it were")]
    RuleExempt(Rule),
    /// The text names no port of a Service.
    #[error("`{0}` is no service: NAMESPACE/NAME:PORT")]
    Service(String),
    /// The text is no address of a server.
    #[error("`{0}` is no address of a server: https://HOST:PORT, without path, query or user")]
    Url(String),
    /// A document that cannot be written as YAML: ours to mend.
    #[error("cannot write {file}: {reason}")]
    Yaml {
        /// The file.
        file: &'static str,
        /// What the writer says.
        reason: String,
    },
}

/// Where Regate answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Service of the cluster.
    Service(Service),
    /// A host and port.
    Url(Url),
}

impl Target {
    /// The name by which kube-apiserver looks up its client certificate for admission: `host:port`, and `host` alone
    /// for port 443, which it finds whether the port was written or not.
    pub(super) fn user_name(&self) -> String {
        let (host, port) = match self {
            Target::Service(service) => (service.host(), service.port),
            Target::Url(url) => (url.host.clone(), url.port),
        };
        match port {
            443 => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port => format!("{host}:{port}"),
        }
    }
}

/// Scheme, host and port; the scheme is always https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    host: String,
    port: u16,
}

impl Url {
    /// The URL of a gate, with the port always written.
    pub(super) fn of(&self, gate: Gate) -> String {
        format!("https://{}:{}/v1/{gate}", self.host, self.port)
    }
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || Error::Url(text.to_owned());
        let rest = text.strip_prefix("https://").ok_or_else(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // An IPv6 address stands in brackets and has colons of its own.
        let host_end = if rest.starts_with('[') {
            rest.find(']').map(|at| at + 1)
        } else {
            rest.find(':')
        };
        let (host, port) = rest.split_at(host_end.unwrap_or(rest.len()));
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?,
            None if port.is_empty() => 443,
            None => return Err(wrong()),
        };
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let valid = match address {
            Some(address) => address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
            None => is_subdomain(host),
        };
        if valid {
            Ok(Self {
                host: host.to_owned(),
                port,
            })
        } else {
            Err(wrong())
        }
    }
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The Service's namespace, Regate's own.
    pub(super) namespace: Name,
    /// The Service's name, which is that of Regate's service account, too.
    pub(super) name: Name,
    /// The Service's port.
    pub(super) port: u16,
}

impl Service {
    /// The host name for which kube-apiserver checks the certificate.
    fn host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// The user that Regate is in the cluster.
    pub(super) fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

impl FromStr for Service {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(namespace, rest)| {
            let (name, port) = rest.split_once(':')?;
            let port = port.parse().ok().filter(|port| *port != 0)?;
            Some(Self {
                namespace: namespace.parse().ok()?,
                name: name.parse().ok()?,
                port,
            })
        });
        parts.ok_or_else(|| Error::Service(text.to_owned()))
    }
}

/// The name of a namespace or a Service: a DNS label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::Name(text.to_owned()))
        }
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What is done at one gate while Regate cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// At authz.
    Authz(AuthzFailure),
    /// At mutate.
    Mutate(AdmissionFailure),
    /// At validate.
    Validate(AdmissionFailure),
}

/// What is done at mutate and validate while Regate cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionFailure {
    /// The request is refused.
    Fail,
    /// The request passes.
    Ignore,
}

impl AdmissionFailure {
    /// The API's word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            AdmissionFailure::Fail => "Fail",
            AdmissionFailure::Ignore => "Ignore",
        }
    }
}

/// What is done at authz while Regate cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthzFailure {
    /// The request is refused.
    Deny,
    /// RBAC decides.
    NoOpinion,
}

impl AuthzFailure {
    /// The API's word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            AuthzFailure::Deny => "Deny",
            AuthzFailure::NoOpinion => "NoOpinion",
        }
    }
}

impl FromStr for FailurePolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "authz=Deny" => Ok(Self::Authz(AuthzFailure::Deny)),
            "authz=NoOpinion" => Ok(Self::Authz(AuthzFailure::NoOpinion)),
            "mutate=Fail" => Ok(Self::Mutate(AdmissionFailure::Fail)),
            "mutate=Ignore" => Ok(Self::Mutate(AdmissionFailure::Ignore)),
            "validate=Fail" => Ok(Self::Validate(AdmissionFailure::Fail)),
            "validate=Ignore" => Ok(Self::Validate(AdmissionFailure::Ignore)),
            _ => Err(Error::FailurePolicy(text.to_owned())),
        }
    }
}

impl Request {
    /// What mutate does while Regate cannot be asked; the last word counts.
    pub(super) fn mutate_failure(&self) -> AdmissionFailure {
        let word = self
            .failure_policies
            .iter()
            .rev()
            .find_map(|policy| match policy {
                FailurePolicy::Mutate(failure) => Some(*failure),
                FailurePolicy::Authz(_) | FailurePolicy::Validate(_) => None,
            });
        word.unwrap_or(AdmissionFailure::Fail)
    }

    /// What validate does while Regate cannot be asked.
    pub(super) fn validate_failure(&self) -> AdmissionFailure {
        let word = self
            .failure_policies
            .iter()
            .rev()
            .find_map(|policy| match policy {
                FailurePolicy::Validate(failure) => Some(*failure),
                FailurePolicy::Authz(_) | FailurePolicy::Mutate(_) => None,
            });
        word.unwrap_or(AdmissionFailure::Fail)
    }

    /// What authz does while Regate cannot be asked: by default what its policies need.
    pub(super) fn authz_failure(&self) -> AuthzFailure {
        let word = self
            .failure_policies
            .iter()
            .rev()
            .find_map(|policy| match policy {
                FailurePolicy::Authz(failure) => Some(*failure),
                FailurePolicy::Mutate(_) | FailurePolicy::Validate(_) => None,
            });
        let needed = if self.registered.authz_has_deny {
            AuthzFailure::Deny
        } else {
            AuthzFailure::NoOpinion
        };
        word.unwrap_or(needed)
    }

    /// What the policies of the registered gates of admission want to be asked about.
    pub(super) fn admission(&self) -> impl Iterator<Item = &Wanted> {
        let wanted = self.registered.admission.iter();
        wanted.filter(|wanted| self.gates.contains(&wanted.gate))
    }

    /// The namespaces that admission leaves alone, in order.
    pub(super) fn excluded_namespaces(&self) -> BTreeSet<String> {
        let own = match &self.target {
            Target::Service(service) => Some(service.namespace.to_string()),
            Target::Url(_) => None,
        };
        let exempt = self.exempt_namespaces.iter().map(ToString::to_string);
        exempt.chain(own).chain(["kube-system".to_owned()]).collect()
    }

    /// The user that Regate is in the cluster, if it runs there.
    pub(super) fn own_user(&self) -> Option<String> {
        match &self.target {
            Target::Service(service) => Some(service.user()),
            Target::Url(_) => None,
        }
    }
}

/// Requests that admission asks about: operations on a resource of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) operations: Vec<&'static str>,
    pub(super) group: String,
    pub(super) resource: String,
}

/// Rules as one text, separated by commas like the operations within each: `CREATE,UPDATE:apps/deployments,DELETE:/pods`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(pub(super) Vec<Rule>);

impl FromStr for Rules {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| Error::Rule {
            text: text.to_owned(),
            reason,
        };
        let shape =
            "write OPERATIONS:GROUP/RESOURCE, like CREATE,UPDATE:apps/deployments or CONNECT:/pods/exec";
        let (mut rules, mut operations) = (Vec::new(), Vec::new());
        for word in text.split(',') {
            // A word without a target is an operation of the rule that the next words complete.
            let (name, target) = word
                .split_once(':')
                .map_or((word, None), |(name, target)| (name, Some(target)));
            operations.push(
                operation(name)
                    .ok_or_else(|| wrong("the operations are CREATE, UPDATE, DELETE and CONNECT"))?,
            );
            if let Some(target) = target {
                let (group, resource) = target.split_once('/').ok_or_else(|| wrong(shape))?;
                rules.push(rule(std::mem::take(&mut operations), group, resource, wrong)?);
            }
        }
        if operations.is_empty() {
            Ok(Self(rules))
        } else {
            Err(wrong(shape))
        }
    }
}

fn rule(
    operations: Vec<&'static str>,
    group: &str,
    resource: &str,
    wrong: impl Fn(&'static str) -> Error,
) -> Result<Rule, Error> {
    if !(group.is_empty() || is_subdomain(group)) {
        return Err(wrong("the group is no name of an API group"));
    }
    let mut parts = resource.split('/');
    let is_part = |part: &str| part == "*" || is_label(part);
    if resource == "*/*" || parts.clone().count() > 2 || !parts.all(is_part) {
        return Err(wrong(
            "the resource is no RESOURCE or RESOURCE/SUBRESOURCE, and `*/*` would be everything",
        ));
    }
    let rule = Rule {
        operations,
        group: group.to_owned(),
        resource: resource.to_owned(),
    };
    if exempt::is_exempt(&rule.group, &rule.resource) {
        Err(Error::RuleExempt(rule))
    } else {
        Ok(rule)
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}/{}",
            self.operations.join(","),
            self.group,
            self.resource
        )
    }
}

fn operation(word: &str) -> Option<&'static str> {
    ["CREATE", "UPDATE", "DELETE", "CONNECT"]
        .into_iter()
        .find(|operation| *operation == word)
}

/// A DNS label.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// DNS labels joined by dots.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}
