//! `regate cert` as its users run it.

use std::path::Path;
use std::process::{Command, Output};

fn cert(arguments: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_regate"))
        .arg("cert")
        .args(arguments)
        .arg(directory)
        .output()
        .unwrap()
}

const FILES: [&str; 6] = [
    "ca.crt",
    "ca.key",
    "tls.crt",
    "tls.key",
    "client.crt",
    "client.key",
];

#[test]
fn six_files_are_written_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("new").join("certs");
    let output = cert(
        &[
            "--service",
            "regate.policy-system",
            "--client-name",
            "api",
            "--days",
            "2",
        ],
        &made,
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let expected: String = FILES
        .iter()
        .map(|file| format!("{}\n", made.join(file).display()))
        .collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);

    let pem = |file| std::fs::read(made.join(file)).unwrap();
    let (server, client) = (pem("tls.crt"), pem("client.crt"));
    let (_, server) = x509_parser::pem::parse_x509_pem(&server).unwrap();
    let (_, client) = x509_parser::pem::parse_x509_pem(&client).unwrap();
    let (server, client) = (server.parse_x509().unwrap(), client.parse_x509().unwrap());
    assert_eq!(client.subject().to_string(), "CN=api");
    let validity = client.validity();
    let hours = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 3600;
    assert_eq!(hours, 49, "two days and an hour before now");
    let names = format!("{:?}", server.subject_alternative_name().unwrap().unwrap().value);
    assert!(names.contains("regate.policy-system.svc"), "{names}");
    let usage = |certificate: &x509_parser::certificate::X509Certificate<'_>| {
        let usage = certificate.extended_key_usage().unwrap().unwrap().value.clone();
        (usage.server_auth, usage.client_auth)
    };
    assert_eq!((usage(&server), usage(&client)), ((true, false), (false, true)));
}

#[test]
fn what_is_there_stays_unless_forced() {
    let directory = tempfile::tempdir().unwrap();
    assert!(cert(&[], directory.path()).status.success());
    let key = || std::fs::read(directory.path().join("ca.key")).unwrap();
    let before = key();
    let output = cert(&[], directory.path());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "regate: {} exists already: use another directory, or --force to overwrite it\n",
            directory.path().join("ca.crt").display()
        )
    );
    assert_eq!(key(), before);
    assert!(cert(&["--force"], directory.path()).status.success());
    assert_ne!(key(), before);
}

#[test]
fn what_cannot_be_certified_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, message) in [
        (
            ["--service", "regate"],
            "regate: `regate` is no Service: write NAME.NAMESPACE\n",
        ),
        (
            ["--host", "b\u{fc}cher.example"],
            "regate: `b\u{fc}cher.example` cannot be a name in a certificate\n",
        ),
        (
            ["--client-name", ""],
            "regate: `` cannot be a name in a certificate\n",
        ),
    ] {
        let output = cert(&arguments, directory.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), message);
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
