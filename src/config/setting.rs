//! The settings: one row each, from which the command line, the environment and `regate config` are made.
//!
//! Nothing else knows a flag's or a variable's name. A new setting is a variant here; the compiler then asks for its
//! row, for how its text is read ([`super::written`]) and, by the test of all settings, for its place in the file.

/// One thing that an operator can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is documented by its row's help")]
pub enum Setting {
    AllowClient,
    AllowIdentity,
    ClientCa,
    Data,
    Deadline,
    Gate,
    HttpAllow,
    HttpCa,
    ImageDefault,
    InsecureAllowAnonymous,
    Jwks,
    JwksCa,
    JwksRefresh,
    Kubeconfig,
    LastGood,
    Listen,
    LogFormat,
    OnFault,
    Policy,
    PolicyV0,
    ProbeListen,
    Provider,
    ShutdownDelay,
    ShutdownTimeout,
    TlsCert,
    TlsKey,
}

/// How a setting is given as text.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The flag without its dashes.
    pub flag: &'static str,
    /// The environment variable.
    pub environment: &'static str,
    /// What the value is, as usage texts show it.
    pub value: &'static str,
    /// One sentence for `--help`.
    pub help: &'static str,
    /// Whether the flag may be repeated; the environment then has a list separated by commas.
    pub list: bool,
    /// Whether every command takes the flag, not only those that serve.
    pub global: bool,
}

impl Row {
    const fn one(
        flag: &'static str,
        environment: &'static str,
        value: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            flag,
            environment,
            value,
            help,
            list: false,
            global: false,
        }
    }

    const fn list(self) -> Self {
        Self { list: true, ..self }
    }

    const fn global(self) -> Self {
        Self { global: true, ..self }
    }
}

impl Setting {
    /// All settings, in the order in which `--help` lists them.
    pub const ALL: [Setting; 26] = [
        Setting::Policy,
        Setting::PolicyV0,
        Setting::Data,
        Setting::HttpAllow,
        Setting::HttpCa,
        Setting::Provider,
        Setting::Jwks,
        Setting::JwksCa,
        Setting::LogFormat,
        Setting::Listen,
        Setting::ProbeListen,
        Setting::Gate,
        Setting::TlsCert,
        Setting::TlsKey,
        Setting::ClientCa,
        Setting::AllowClient,
        Setting::InsecureAllowAnonymous,
        Setting::AllowIdentity,
        Setting::OnFault,
        Setting::ImageDefault,
        Setting::LastGood,
        Setting::JwksRefresh,
        Setting::Kubeconfig,
        Setting::Deadline,
        Setting::ShutdownDelay,
        Setting::ShutdownTimeout,
    ];

    /// The names and the help of this setting.
    #[rustfmt::skip]
    pub const fn row(self) -> Row {
        match self {
            Setting::AllowClient => Row::one("allow-client", "REGATE_ALLOW_CLIENT", "[GATE=]NAME",
                "Name in the certificate of a client that may ask, at one gate or at all").list(),
            Setting::AllowIdentity => Row::one("allow-identity", "REGATE_ALLOW_IDENTITY", "user=GLOB|group=GLOB",
                "Identity under `system:` that authn policies may give; `system:masters` only literally").list(),
            Setting::ClientCa => Row::one("client-ca", "REGATE_CLIENT_CA", "FILE",
                "Certificates (PEM) of the authorities that sign clients' certificates"),
            Setting::Data => Row::one("data", "REGATE_DATA", "PATH",
                "File or directory of data that policies read").list().global(),
            Setting::Deadline => Row::one("deadline", "REGATE_DEADLINE", "DURATION",
                "Longest time for one review, like 3s or 500ms; the API server's own timeout can shorten it"),
            Setting::Gate => Row::one("gate", "REGATE_GATE", "GATE",
                "Gate to serve: authn, authz, image, mutate or validate; the others answer 404").list(),
            Setting::HttpAllow => Row::one("http-allow", "REGATE_HTTP_ALLOW", "[private=][http://]HOST[:PORT]",
                "Host that `http.send` may ask: a name, *.DOMAIN or an address; `private=` if its address may be").list().global(),
            Setting::HttpCa => Row::one("http-ca", "REGATE_HTTP_CA", "FILE",
                "Certificates (PEM) of the authorities that sign for those hosts; without it the system's").global(),
            Setting::ImageDefault => Row::one("image-default", "REGATE_IMAGE_DEFAULT", "allow|deny",
                "Answer for images that no policy judges"),
            Setting::InsecureAllowAnonymous => Row::one("insecure-allow-anonymous", "REGATE_INSECURE_ALLOW_ANONYMOUS", "GATE",
                "Gate that anyone may ask, without a client certificate").list(),
            Setting::Jwks => Row::one("jwks", "REGATE_JWKS", "NAME=FILE|NAME=URL",
                "Set of public keys (JWKS) that policies verify tokens with: a file, or an issuer's https:// address").list().global(),
            Setting::JwksCa => Row::one("jwks-ca", "REGATE_JWKS_CA", "FILE",
                "Certificates (PEM) of the authorities that sign for those issuers; without it the system's").global(),
            Setting::JwksRefresh => Row::one("jwks-refresh", "REGATE_JWKS_REFRESH", "DURATION",
                "Longest time between two fetches of a set of keys; a token that names a new key does not wait for it"),
            Setting::Kubeconfig => Row::one("kubeconfig", "REGATE_KUBECONFIG", "FILE",
                "How the API server is reached, only to watch Namespaces; in a Pod its service account does without"),
            Setting::LastGood => Row::one("last-good", "REGATE_LAST_GOOD", "DIR",
                "Directory that keeps the policies accepted last, to serve them when those found at start are bad"),
            Setting::Listen => Row::one("listen", "REGATE_LISTEN", "ADDRESS:PORT",
                "Where reviews are answered, over TLS"),
            Setting::LogFormat => Row::one("log-format", "REGATE_LOG_FORMAT", "text|json",
                "Form of the log on standard error").global(),
            Setting::OnFault => Row::one("on-fault", "REGATE_ON_FAULT", "GATE=ACTION",
                "Answer when a policy faults: authz=auto|defer, mutate=deny|defer, validate=deny|defer").list(),
            Setting::Policy => Row::one("policy", "REGATE_POLICY", "PATH",
                "File or directory of policies; without it the built-in starter set for `serve`, else ./policies").list().global(),
            Setting::PolicyV0 => Row::one("policy-v0", "REGATE_POLICY_V0", "PATH",
                "File or directory of policies in Rego before version 1; read so even where --policy names it too").list().global(),
            Setting::ProbeListen => Row::one("probe-listen", "REGATE_PROBE_LISTEN", "ADDRESS:PORT",
                "Where probes and metrics are answered, without TLS"),
            Setting::Provider => Row::one("provider", "REGATE_PROVIDER", "FILE",
                "File of Gatekeeper's Providers (YAML) that `external_data` may ask").list().global(),
            Setting::ShutdownDelay => Row::one("shutdown-delay", "REGATE_SHUTDOWN_DELAY", "DURATION",
                "How long a stopped server answers on, not ready, before it closes its port; a second signal ends it"),
            Setting::ShutdownTimeout => Row::one("shutdown-timeout", "REGATE_SHUTDOWN_TIMEOUT", "DURATION",
                "Longest time for finishing what is in flight when the server is stopped"),
            Setting::TlsCert => Row::one("tls-cert", "REGATE_TLS_CERT", "FILE",
                "Certificate chain (PEM) of the server; without it an ephemeral development authority is made"),
            Setting::TlsKey => Row::one("tls-key", "REGATE_TLS_KEY", "FILE",
                "Private key (PEM) of the server's certificate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_variable_is_named_after_its_flag() {
        for setting in Setting::ALL {
            let row = setting.row();
            let expected = format!("REGATE_{}", row.flag.to_uppercase().replace('-', "_"));
            assert_eq!(row.environment, expected);
        }
    }

    #[test]
    fn no_two_settings_share_a_flag() {
        let flags: BTreeSet<_> = Setting::ALL.iter().map(|setting| setting.row().flag).collect();
        assert_eq!(flags.len(), Setting::ALL.len());
    }
}
