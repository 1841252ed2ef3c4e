//! Every setting from every place, the precedence between them, and every refusal with its message.

use std::collections::BTreeSet;

use super::*;
use crate::gate::Gate;

const HEAD: &str = "apiVersion: regate.dev/v1alpha1\nkind: ServerConfiguration\n";

/// One setting: a value for each place, and the configuration's own word for each of them.
struct Case {
    setting: Setting,
    flag: &'static [&'static str],
    environment: &'static str,
    file: &'static str,
    read: fn(&Config) -> String,
    default: &'static str,
    /// What is read when the file, the environment and the flag set it, in this order.
    expected: [&'static str; 3],
    /// Flags without which the setting would be an impossible combination.
    with: &'static [(Setting, &'static str)],
}

const CA: (Setting, &str) = (Setting::ClientCa, "ca.crt");
const CLIENT: (Setting, &str) = (Setting::AllowClient, "kube-apiserver");

fn served(config: &Config) -> String {
    config
        .gates
        .served
        .iter()
        .map(|gate| gate.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn tls(config: &Config) -> String {
    match &config.tls {
        Tls::Ephemeral => "ephemeral".to_owned(),
        Tls::Files { cert, key } => format!("{} {}", cert.display(), key.display()),
    }
}

fn at_validate(config: &Config) -> String {
    match config.callers.rules.get(&Gate::Validate) {
        None => "not served".to_owned(),
        Some(Caller::Anyone) => "anyone".to_owned(),
        Some(Caller::Named(names)) => names.iter().cloned().collect::<Vec<_>>().join(" "),
    }
}

fn anonymous(config: &Config) -> String {
    let anyone = config
        .callers
        .rules
        .iter()
        .filter(|(_, caller)| **caller == Caller::Anyone);
    anyone
        .map(|(gate, _)| gate.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn sources(config: &Config) -> String {
    match &config.policies.source {
        PolicySource::Default => "default".to_owned(),
        PolicySource::Paths { paths, paths_v0 } => {
            let now = paths.iter().map(|path| path.display().to_string());
            let before = paths_v0.iter().map(|path| format!("v0:{}", path.display()));
            now.chain(before).collect::<Vec<_>>().join(" ")
        }
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { setting: Setting::AllowClient, flag: &["a, Inc.", "validate=f"], environment: "e,authz=other",
        file: "callers: {allowClients: ['spiffe://x?y=1', validate=v]}", read: at_validate,
        default: "anyone", expected: ["spiffe://x?y=1 v", "e", "a, Inc. f"], with: &[CA] },
    Case { setting: Setting::AllowIdentity, flag: &["user=system:f", "group=system:g*"], environment: "user=system:e,group=system:h",
        file: "gates: {authn: {allowIdentities: [group=system:i]}}", read: |c| format!("{:?}", c.gates.allow_identities),
        default: "[]", expected: ["[Group(\"system:i\")]", "[User(\"system:e\"), Group(\"system:h\")]", "[User(\"system:f\"), Group(\"system:g*\")]"], with: &[] },
    Case { setting: Setting::ClientCa, flag: &["flag.crt"], environment: "env.crt", file: "callers: {clientCA: file.crt}",
        read: |c| format!("{:?}", c.callers.client_ca),
        default: "None", expected: ["Some(\"file.crt\")", "Some(\"env.crt\")", "Some(\"flag.crt\")"], with: &[CLIENT] },
    Case { setting: Setting::Data, flag: &["f1", "f2"], environment: "e1,e2", file: "policies: {data: [d]}",
        read: |c| format!("{:?}", c.policies.data),
        default: "[]", expected: ["[\"d\"]", "[\"e1\", \"e2\"]", "[\"f1\", \"f2\"]"], with: &[] },
    Case { setting: Setting::Deadline, flag: &["1.5s"], environment: "2s", file: "limits: {deadline: 500ms}",
        read: |c| format!("{:?}", c.limits.deadline), default: "3s", expected: ["500ms", "2s", "1.5s"], with: &[] },
    Case { setting: Setting::Gate, flag: &["validate"], environment: "mutate,authn", file: "gates: {authn: {enabled: false}}",
        read: served, default: "authn authz image mutate validate",
        expected: ["authz image mutate validate", "authn mutate", "validate"], with: &[] },
    Case { setting: Setting::HttpAllow, flag: &["f", "private=*.g:1"], environment: "e,http://h", file: "policies: {httpAllow: [d]}",
        read: |c| c.policies.http_allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), default: "",
        expected: ["d:443", "e:443 http://h:80", "f:443 private=*.g:1"], with: &[] },
    Case { setting: Setting::HttpCa, flag: &["f"], environment: "e", file: "policies: {httpCa: d}",
        read: |c| format!("{:?}", c.policies.http_ca), default: "None",
        expected: [r#"Some("d")"#, r#"Some("e")"#, r#"Some("f")"#], with: &[] },
    Case { setting: Setting::ImageDefault, flag: &["deny"], environment: "allow", file: "gates: {image: {default: allow}}",
        read: |c| c.gates.image_default.to_string(), default: "deny", expected: ["allow", "allow", "deny"], with: &[] },
    Case { setting: Setting::InsecureAllowAnonymous, flag: &["validate", "mutate"], environment: "image,authz",
        file: "callers: {insecureAllowAnonymous: [authn]}", read: anonymous, default: "authn authz image mutate validate",
        expected: ["authn", "authz image", "mutate validate"], with: &[CA, CLIENT] },
    Case { setting: Setting::Jwks, flag: &["f=f.json", "g=https://g/keys"], environment: "e=e.json,d=https://d", file: "keys: {sets: [a=a.json]}",
        read: |c| format!("{:?}", c.keys.sets), default: "{}",
        expected: [r#"{"a": File("a.json")}"#, r#"{"d": Url("https://d"), "e": File("e.json")}"#, r#"{"f": File("f.json"), "g": Url("https://g/keys")}"#], with: &[] },
    Case { setting: Setting::JwksCa, flag: &["f.crt"], environment: "e.crt", file: "keys: {issuerCA: d.crt}",
        read: |c| format!("{:?}", c.keys.issuer_ca), default: "None",
        expected: [r#"Some("d.crt")"#, r#"Some("e.crt")"#, r#"Some("f.crt")"#], with: &[] },
    Case { setting: Setting::JwksRefresh, flag: &["1h"], environment: "20s", file: "keys: {refresh: 1m}",
        read: |c| format!("{:?}", c.keys.refresh), default: "300s", expected: ["60s", "20s", "3600s"], with: &[] },
    Case { setting: Setting::Kubeconfig, flag: &["f.conf"], environment: "e.conf", file: "cluster: {kubeconfig: d.conf}",
        read: |c| format!("{:?}", c.cluster.kubeconfig), default: "None",
        expected: [r#"Some("d.conf")"#, r#"Some("e.conf")"#, r#"Some("f.conf")"#], with: &[] },
    Case { setting: Setting::LastGood, flag: &["f"], environment: "e", file: "policies: {lastGood: d}",
        read: |c| format!("{:?}", c.policies.last_good), default: "None",
        expected: [r#"Some("d")"#, r#"Some("e")"#, r#"Some("f")"#], with: &[] },
    Case { setting: Setting::Listen, flag: &["127.0.0.1:1"], environment: "127.0.0.1:2", file: "listen: {reviews: '[::1]:3'}",
        read: |c| c.listen.reviews.to_string(), default: "127.0.0.1:8443",
        expected: ["[::1]:3", "127.0.0.1:2", "127.0.0.1:1"], with: &[] },
    Case { setting: Setting::LogFormat, flag: &["text"], environment: "json", file: "log: {format: json}",
        read: |c| c.log.format.to_string(), default: "text", expected: ["json", "json", "text"], with: &[] },
    Case { setting: Setting::OnFault, flag: &["validate=deny", "authz=defer"], environment: "validate=defer,mutate=defer",
        file: "gates: {mutate: {onFault: defer}, authz: {onFault: defer}}",
        read: |c| format!("{} {} {}", c.gates.authz_on_fault, c.gates.mutate_on_fault, c.gates.validate_on_fault),
        default: "auto deny deny", expected: ["defer defer deny", "defer defer defer", "defer defer deny"], with: &[] },
    Case { setting: Setting::Policy, flag: &["f1", "f2"], environment: "e1,e2", file: "policies: {paths: [d]}",
        read: sources, default: "default", expected: ["d", "e1 e2", "f1 f2"], with: &[] },
    Case { setting: Setting::PolicyV0, flag: &["f1", "f2"], environment: "e1,e2", file: "policies: {pathsV0: [d]}",
        read: sources, default: "default", expected: ["v0:d", "v0:e1 v0:e2", "v0:f1 v0:f2"], with: &[] },
    Case { setting: Setting::ProbeListen, flag: &["127.0.0.1:1"], environment: "127.0.0.1:2", file: "listen: {probes: 0.0.0.0:3}",
        read: |c| c.listen.probes.to_string(), default: "127.0.0.1:8080",
        expected: ["0.0.0.0:3", "127.0.0.1:2", "127.0.0.1:1"], with: &[] },
    Case { setting: Setting::Provider, flag: &["f1", "f2"], environment: "e1,e2", file: "policies: {providers: [d]}",
        read: |c| format!("{:?}", c.policies.providers),
        default: "[]", expected: ["[\"d\"]", "[\"e1\", \"e2\"]", "[\"f1\", \"f2\"]"], with: &[] },
    Case { setting: Setting::ShutdownDelay, flag: &["0s"], environment: "20s", file: "shutdown: {delay: 1s}",
        read: |c| format!("{:?}", c.shutdown.delay), default: "10s", expected: ["1s", "20s", "0ns"], with: &[] },
    Case { setting: Setting::ShutdownTimeout, flag: &["1m30s"], environment: "20s", file: "shutdown: {timeout: 1s}",
        read: |c| format!("{:?}", c.shutdown.timeout), default: "15s", expected: ["1s", "20s", "90s"], with: &[] },
    Case { setting: Setting::TlsCert, flag: &["f.crt"], environment: "e.crt", file: "tls: {cert: d.crt}",
        read: tls, default: "ephemeral", expected: ["d.crt k", "e.crt k", "f.crt k"],
        with: &[(Setting::TlsKey, "k"), CA, CLIENT] },
    Case { setting: Setting::TlsKey, flag: &["f.key"], environment: "e.key", file: "tls: {key: d.key}",
        read: tls, default: "ephemeral", expected: ["c d.key", "c e.key", "c f.key"],
        with: &[(Setting::TlsCert, "c"), CA, CLIENT] },
];

fn words(given: &[(Setting, &str)]) -> Vec<(Setting, Vec<String>)> {
    given
        .iter()
        .map(|(setting, word)| (*setting, vec![(*word).to_owned()]))
        .collect()
}

/// Resolves what the listed flags and nothing else says.
fn from_flags(given: &[(Setting, &str)]) -> Result<Resolved, Error> {
    Config::resolve(&Sources {
        flags: &words(given),
        environment: &|_| None,
        file: None,
    })
}

fn from_file(text: &str) -> Result<Resolved, Error> {
    Config::resolve(&Sources {
        flags: &[],
        environment: &|_| None,
        file: Some(("regate.yaml", text)),
    })
}

/// Resolves a case with the file, then the environment too, then the flag too.
fn resolve(case: &Case, environment: bool, flag: bool) -> Resolved {
    let mut flags = words(case.with);
    if flag {
        flags.push((
            case.setting,
            case.flag.iter().map(|word| (*word).to_owned()).collect(),
        ));
    }
    let variable = |name: &str| {
        (environment && name == case.setting.row().environment).then(|| case.environment.to_owned())
    };
    let text = format!("{HEAD}{}", case.file);
    Config::resolve(&Sources {
        flags: &flags,
        environment: &variable,
        file: Some(("regate.yaml", &text)),
    })
    .unwrap()
}

#[test]
fn every_setting_has_a_case() {
    let covered: BTreeSet<_> = CASES.iter().map(|case| case.setting).collect();
    assert_eq!(covered, BTreeSet::from(Setting::ALL));
}

#[test]
fn every_setting_arrives_from_file_environment_and_flag_and_the_stronger_wins() {
    let default = from_flags(&[]).unwrap();
    for case in CASES {
        let setting = case.setting;
        assert_eq!(
            (case.read)(&default.config),
            case.default,
            "{setting:?} by default"
        );
        for (place, environment, flag) in [(0, false, false), (1, true, false), (2, true, true)] {
            let resolved = resolve(case, environment, flag);
            assert_eq!(
                (case.read)(&resolved.config),
                case.expected[place],
                "{setting:?} from place {place}"
            );
            let origin = [Origin::File, Origin::Environment, Origin::Flag][place];
            assert!(
                resolved
                    .entries
                    .iter()
                    .any(|entry| entry.setting == Some(setting) && entry.origin == origin),
                "{setting:?} does not say that it comes from place {place}: {:?}",
                resolved.entries
            );
        }
    }
}

#[test]
fn an_origin_belongs_to_one_value_and_not_to_its_section() {
    let resolved = resolve(
        CASES
            .iter()
            .find(|case| case.setting == Setting::OnFault)
            .unwrap(),
        true,
        false,
    );
    let origin = |key| {
        resolved
            .entries
            .iter()
            .find(|entry| entry.key == key)
            .unwrap()
            .origin
    };
    assert_eq!(origin("gates.authz.onFault"), Origin::File);
    assert_eq!(origin("gates.mutate.onFault"), Origin::Environment);
    assert_eq!(origin("gates.image.default"), Origin::Default);
}

#[test]
fn an_empty_variable_sets_nothing() {
    let resolved = Config::resolve(&Sources {
        flags: &[],
        environment: &|_| Some(String::new()),
        file: None,
    })
    .unwrap();
    assert_eq!(resolved.config, from_flags(&[]).unwrap().config);
}

#[test]
fn unknown_keys_of_the_file_are_refused_with_their_line() {
    for (text, line, key) in [
        ("listn: {}\n", 3, "listn"),
        (
            "listen:\n  reviews: 127.0.0.1:1\n  review: 127.0.0.1:2\n",
            5,
            "review",
        ),
        ("gates:\n  audit: {enabled: true}\n", 4, "audit"),
        ("gates:\n  authn:\n    onFault: defer\n", 5, "onFault"),
    ] {
        let message = from_file(&format!("{HEAD}{text}")).unwrap_err().to_string();
        assert!(message.starts_with("regate.yaml: "), "{message}");
        assert!(message.contains(&format!("unknown field `{key}`")), "{message}");
        assert!(message.contains(&format!("line {line}")), "{message}");
    }
}

#[test]
fn values_of_the_file_that_mean_nothing_are_refused_with_their_line() {
    for (text, line, reason) in [
        ("limits:\n  deadline: 3\n", 4, "`3` is no duration"),
        (
            "gates:\n  authz: {onFault: deny}\n",
            4,
            "at authz a fault is answered with `auto` or `defer`",
        ),
        (
            "callers:\n  insecureAllowAnonymous:\n  - authn\n  - audit\n",
            6,
            "`audit` is no gate",
        ),
        (
            "listen:\n  reviews: localhost\n",
            4,
            "invalid socket address syntax",
        ),
    ] {
        let message = from_file(&format!("{HEAD}{text}")).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
        assert!(message.contains(&format!("line {line}")), "{message}");
    }
}

#[test]
fn a_file_of_another_version_or_kind_is_refused() {
    let wanted = "regate.yaml: not a configuration: it must say `apiVersion: regate.dev/v1alpha1` and \
                  `kind: ServerConfiguration`";
    for text in [
        "listen: {}\n",
        "apiVersion: regate.dev/v1\nkind: ServerConfiguration\n",
        "apiVersion: regate.dev/v1alpha1\nkind: Server\n",
        "",
    ] {
        assert_eq!(from_file(text).unwrap_err().to_string(), wanted, "{text}");
    }
}

#[test]
fn values_of_flags_and_variables_that_mean_nothing_are_refused_by_name() {
    let refused = |setting, word| from_flags(&[(setting, word)]).unwrap_err().to_string();
    assert_eq!(
        refused(Setting::Listen, "localhost"),
        "--listen: `localhost`: invalid socket address syntax"
    );
    assert_eq!(
        refused(Setting::TlsCert, ""),
        "--tls-cert: ``: a path cannot be empty"
    );
    assert_eq!(
        refused(Setting::OnFault, "authn=defer"),
        "--on-fault: `authn=defer`: what a fault answers at authn cannot be chosen"
    );
    assert_eq!(
        refused(Setting::OnFault, "defer"),
        "--on-fault: `defer`: write GATE=ACTION, like authz=defer"
    );
    assert_eq!(
        refused(Setting::OnFault, "validate=auto"),
        "--on-fault: `validate=auto`: at mutate and validate a fault is answered with `deny` or `defer`"
    );
    assert_eq!(
        refused(Setting::AllowClient, "valdate=kube-apiserver"),
        "--allow-client: `valdate=kube-apiserver`: `valdate` is no gate: one of authn, authz, image, mutate, validate"
    );
    assert_eq!(
        refused(Setting::AllowClient, "authn="),
        "--allow-client: `authn=`: the client's name is missing"
    );
    assert_eq!(
        refused(Setting::AllowIdentity, "system:admin"),
        "--allow-identity: `system:admin`: write user=GLOB or group=GLOB"
    );
    let variable = |name: &str| (name == "REGATE_GATE").then(|| "authn,audit".to_owned());
    assert_eq!(
        Config::resolve(&Sources {
            flags: &[],
            environment: &variable,
            file: None
        })
        .unwrap_err()
        .to_string(),
        "REGATE_GATE: `authn,audit`: `audit` is no gate: one of authn, authz, image, mutate, validate"
    );
}

#[test]
fn impossible_combinations_are_refused_by_the_name_of_the_flag() {
    let refused = |given: &[(Setting, &str)]| from_flags(given).unwrap_err().to_string();
    assert_eq!(
        refused(&[(Setting::TlsCert, "c")]),
        "--tls-cert without --tls-key: a certificate is served with its private key"
    );
    assert_eq!(
        refused(&[(Setting::TlsKey, "k")]),
        "--tls-key without --tls-cert: a private key is served with its certificate"
    );
    assert_eq!(
        refused(&[CA]),
        "--client-ca without --allow-client: name the clients that may ask, like --allow-client kube-apiserver"
    );
    assert_eq!(
        refused(&[CLIENT]),
        "--allow-client without --client-ca: a name means nothing without the authority that vouches for it"
    );
    assert_eq!(
        refused(&[
            CA,
            (Setting::AllowClient, "validate=x"),
            (Setting::InsecureAllowAnonymous, "validate"),
            (Setting::Gate, "validate")
        ]),
        "--allow-client validate=... and --insecure-allow-anonymous validate: a gate that anyone may ask needs no name"
    );
    assert_eq!(
        refused(&[
            (Setting::Listen, "127.0.0.1:1"),
            (Setting::ProbeListen, "127.0.0.1:1")
        ]),
        "--listen and --probe-listen are both 127.0.0.1:1: each needs a port of its own"
    );
    assert_eq!(
        refused(&[(Setting::Deadline, "31s")]),
        "--deadline: 31s is out of range: more than 0s and at most 30s"
    );
    assert_eq!(
        refused(&[(Setting::ShutdownTimeout, "0s")]),
        "--shutdown-timeout: 0ms is out of range: more than 0s and at most 3600s"
    );
    assert_eq!(
        refused(&[(Setting::ShutdownDelay, "61m")]),
        "--shutdown-delay: 3660s is out of range: at most 3600s"
    );
    assert_eq!(
        refused(&[(Setting::JwksRefresh, "25h")]),
        "--jwks-refresh: 90000s is out of range: more than 0s and at most 86400s"
    );
    for (words, told) in [
        ("a.json", "expected NAME=FILE or NAME=https://..."),
        ("=a.json", "a name has 1 to 63 letters, digits, `-`, `_` and `.`"),
        (
            "a b=a.json",
            "a name has 1 to 63 letters, digits, `-`, `_` and `.`",
        ),
        ("a=", "a path cannot be empty"),
        ("a=http://issuer/keys", "keys are fetched over https:// only"),
    ] {
        let wanted = format!("--jwks: `{words}`: {told}");
        assert_eq!(refused(&[(Setting::Jwks, words)]), wanted);
    }
    let twice = [(Setting::Jwks, vec!["a=1.json".to_owned(), "a=2.json".to_owned()])];
    let twice = Sources {
        flags: &twice,
        environment: &|_| None,
        file: None,
    };
    assert_eq!(
        Config::resolve(&twice).unwrap_err().to_string(),
        "--jwks a=...: two sets of keys have this name"
    );
    let off = Gate::ALL
        .map(|gate| format!("  {gate}: {{enabled: false}}\n"))
        .concat();
    assert_eq!(
        from_file(&format!("{HEAD}gates:\n{off}"))
            .unwrap_err()
            .to_string(),
        "no gate is served: name one with --gate"
    );
}

#[test]
fn a_gate_that_nobody_may_ask_is_refused() {
    let wanted = |gate| {
        format!(
            "nobody may ask {gate}: give --client-ca and --allow-client, or --insecure-allow-anonymous {gate}, or \
             leave the gate out with --gate"
        )
    };
    let files = [(Setting::TlsCert, "c"), (Setting::TlsKey, "k")];
    assert_eq!(
        from_flags(&files).unwrap_err().to_string(),
        wanted("authn"),
        "a certificate ends the development mode"
    );
    let outside = [
        (Setting::Listen, "0.0.0.0:8443"),
        (Setting::InsecureAllowAnonymous, "authn"),
    ];
    assert_eq!(
        from_flags(&outside).unwrap_err().to_string(),
        wanted("authz"),
        "so does an address that others reach"
    );
    let one = [
        CA,
        (Setting::AllowClient, "authz=x"),
        (Setting::InsecureAllowAnonymous, "authn"),
    ];
    assert_eq!(
        from_flags(&one).unwrap_err().to_string(),
        wanted("image"),
        "and so does a client CA"
    );
}

#[test]
fn a_port_that_the_system_chooses_may_be_chosen_twice() {
    let resolved = from_flags(&[
        (Setting::Listen, "127.0.0.1:0"),
        (Setting::ProbeListen, "127.0.0.1:0"),
    ])
    .unwrap();
    assert_eq!(resolved.config.listen.reviews, resolved.config.listen.probes);
}

#[test]
fn parameters_mean_in_the_file_what_they_mean_in_metadata() {
    let file = "apiVersion: regate.dev/v1alpha1\nkind: ServerConfiguration\npolicies:\n  settings:\n  \
                - {policy: validate/a, parameters: {countries: [no, se], strict: true}}\n";
    let sources = Sources {
        flags: &[],
        environment: &|_| None,
        file: Some(("regate.yaml", file)),
    };
    let settings = Config::resolve(&sources).unwrap().config.policies.settings;
    assert_eq!(
        settings,
        [
            serde_json::json!({"policy": "validate/a", "parameters": {"countries": ["no", "se"], "strict": true}})
        ]
    );
}
