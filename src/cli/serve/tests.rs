//! What the configuration hands over: every flag, down to the values that the server and the reviews read.

use std::time::Duration;

use clap::Parser;

use super::*;
use crate::cli::{Action, Cli};
use crate::config::{self, Caller, Setting};
use crate::review::{self, AllowIdentity, OnFault};

/// All that is handed over.
#[derive(Debug, PartialEq)]
struct Handed {
    server: Settings,
    /// `review::Settings`, taken apart whole.
    on_fault: [(Gate, OnFault); 3],
    image_default_allow: bool,
    allow_identities: Vec<AllowIdentity>,
}

/// What a server with these flags and nothing else is handed.
fn handed(flags: &[&str]) -> Handed {
    let cli = Cli::try_parse_from([["regate", "serve"].as_slice(), flags].concat()).unwrap();
    let Action::Serve(args) = cli.command else {
        panic!("another command: {:?}", cli.command)
    };
    let sources = config::Sources {
        flags: &[cli.global.settings.0, args.settings.0].concat(),
        environment: &|_| None,
        file: None,
    };
    let config = Config::resolve(&sources).unwrap().config;
    let review::Settings {
        on_fault_authz,
        on_fault_mutate,
        on_fault_validate,
        image_default_allow,
        allow_identities,
        namespaces: _,
        now_ns: _,
    } = crate::cli::review_settings(&config, Arc::default());
    Handed {
        server: settings(&config),
        on_fault: [
            (Gate::Authz, on_fault_authz),
            (Gate::Mutate, on_fault_mutate),
            (Gate::Validate, on_fault_validate),
        ],
        image_default_allow,
        allow_identities,
    }
}

/// What is handed over when nobody sets anything.
fn defaults() -> Handed {
    Handed {
        server: Settings {
            listen: "127.0.0.1:8443".parse().unwrap(),
            probe_listen: "127.0.0.1:8080".parse().unwrap(),
            gates: Gate::ALL.map(|gate| (gate, Caller::Anyone)).into(),
            certificate: None,
            client_ca: None,
            certificate_pace: crate::watch::Pace::default(),
            deadline: Duration::from_secs(3),
            shutdown_delay: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(15),
            workers: server::Workers::default(),
            limits: server::Limits::default(),
        },
        on_fault: [
            (Gate::Authz, OnFault::Deny),
            (Gate::Mutate, OnFault::Deny),
            (Gate::Validate, OnFault::Deny),
        ],
        image_default_allow: false,
        allow_identities: Vec::new(),
    }
}

fn named(names: &[&str]) -> Caller {
    Caller::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Flags, and what they change of the defaults.
type Case = (&'static [&'static str], fn(&mut Handed));

const CASES: &[Case] = &[
    (&[], |_| {}),
    (&["--listen", "127.0.0.1:1"], |it| {
        it.server.listen = "127.0.0.1:1".parse().unwrap();
    }),
    (&["--probe-listen", "127.0.0.1:2"], |it| {
        it.server.probe_listen = "127.0.0.1:2".parse().unwrap();
    }),
    (&["--gate", "image", "--gate", "mutate"], |it| {
        it.server.gates = [(Gate::Image, Caller::Anyone), (Gate::Mutate, Caller::Anyone)].into();
    }),
    (
        &[
            "--tls-cert",
            "c",
            "--tls-key",
            "k",
            "--gate",
            "image",
            "--insecure-allow-anonymous",
            "image",
        ],
        |it| {
            it.server.gates = [(Gate::Image, Caller::Anyone)].into();
            it.server.certificate = Some(CertificateFiles {
                certificate: "c".into(),
                key: "k".into(),
            });
        },
    ),
    (
        &[
            "--client-ca",
            "ca",
            "--allow-client",
            "b",
            "--allow-client",
            "authn=a",
            "--gate",
            "authn",
            "--gate",
            "authz",
            "--gate",
            "mutate",
            "--insecure-allow-anonymous",
            "mutate",
        ],
        |it| {
            it.server.gates = [
                (Gate::Authn, named(&["a", "b"])),
                (Gate::Authz, named(&["b"])),
                (Gate::Mutate, Caller::Anyone),
            ]
            .into();
            it.server.client_ca = Some("ca".into());
        },
    ),
    (
        &[
            "--allow-identity",
            "group=system:g",
            "--allow-identity",
            "user=system:u",
        ],
        |it| {
            it.allow_identities = vec![
                AllowIdentity::Group("system:g".to_owned()),
                AllowIdentity::User("system:u".to_owned()),
            ];
        },
    ),
    (&["--on-fault", "authz=defer"], |it| {
        it.on_fault[0] = (Gate::Authz, OnFault::Defer);
    }),
    (&["--on-fault", "mutate=defer"], |it| {
        it.on_fault[1] = (Gate::Mutate, OnFault::Defer);
    }),
    (&["--on-fault", "validate=defer"], |it| {
        it.on_fault[2] = (Gate::Validate, OnFault::Defer);
    }),
    (&["--image-default", "allow"], |it| it.image_default_allow = true),
    (&["--deadline", "1500ms"], |it| {
        it.server.deadline = Duration::from_millis(1500);
    }),
    (&["--shutdown-delay", "0s"], |it| {
        it.server.shutdown_delay = Duration::ZERO;
    }),
    (&["--shutdown-timeout", "1m"], |it| {
        it.server.shutdown_timeout = Duration::from_secs(60);
    }),
];

#[test]
fn each_flag_arrives_where_it_is_read_and_nowhere_else() {
    for (flags, change) in CASES {
        let mut expected = defaults();
        change(&mut expected);
        assert_eq!(handed(flags), expected, "{flags:?}");
    }
}

#[test]
fn every_setting_that_is_handed_over_is_turned() {
    // These are not handed over but used at start: what is loaded, kept and watched, and how the log is written.
    let at_start = [
        Setting::Policy,
        Setting::PolicyV0,
        Setting::Data,
        Setting::Jwks,
        Setting::JwksCa,
        Setting::JwksRefresh,
        Setting::Kubeconfig,
        Setting::LastGood,
        Setting::LogFormat,
    ];
    for setting in Setting::ALL
        .into_iter()
        .filter(|setting| !at_start.contains(setting))
    {
        let flag = format!("--{}", setting.row().flag);
        let turned = CASES
            .iter()
            .any(|(flags, _)| flags.iter().any(|word| *word == flag));
        assert!(turned, "{flag}");
    }
}
