//! Tests of making and writing certificates.

use std::os::unix::fs::PermissionsExt;

use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use super::*;

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

fn names(file: &Path) -> Vec<String> {
    let text = fs::read(file).unwrap();
    let (_, pem) = parse_x509_pem(&text).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    names
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            GeneralName::IPAddress([a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
            GeneralName::IPAddress(bytes) => format!("{} bytes", bytes.len()),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn keys_are_readable_by_their_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let paths = write(directory.path(), &Request::default(), false).unwrap();
    for key in [&paths.ca_key, &paths.key, &paths.client_key] {
        assert_eq!(mode(key), 0o600, "{}", key.display());
        assert!(
            fs::read_to_string(key)
                .unwrap()
                .starts_with("-----BEGIN PRIVATE KEY-----")
        );
    }
}

#[test]
fn keys_that_exist_are_overwritten_only_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("client.key");
    fs::write(&key, "precious").unwrap();

    let error = write(directory.path(), &Request::default(), false).unwrap_err();
    let message = format!(
        "{} exists already: use another directory, or --force to overwrite it",
        key.display()
    );
    assert_eq!(error.to_string(), message);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

    write(directory.path(), &Request::default(), true).unwrap();
    assert_ne!(fs::read_to_string(&key).unwrap(), "precious");
    assert_eq!(mode(&key), 0o600);
}

#[test]
fn the_server_is_known_by_its_hosts_and_services() {
    let directory = tempfile::tempdir().unwrap();
    let request = Request {
        hosts: vec![
            "regate.example".to_owned(),
            "10.0.0.7".to_owned(),
            "localhost".to_owned(),
        ],
        services: vec!["regate.policy-system".to_owned()],
        ..Request::default()
    };
    let paths = write(directory.path(), &request, false).unwrap();
    assert_eq!(
        names(&paths.certificate),
        [
            "localhost",
            "127.0.0.1",
            "16 bytes",
            "regate.example",
            "10.0.0.7",
            "regate.policy-system",
            "regate.policy-system.svc.cluster.local",
            "regate.policy-system.svc",
        ]
    );
}

#[test]
fn a_service_has_a_name_and_a_namespace() {
    for service in ["regate", "a.b.c", ".b", "a."] {
        let request = Request {
            services: vec![service.to_owned()],
            ..Request::default()
        };
        let error = write(Path::new("/nonexistent"), &request, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{service}` is no Service: write NAME.NAMESPACE")
        );
    }
}

#[test]
fn development_certificates_are_private_and_go_with_their_owner() {
    let made = Development::create(&[]).unwrap();
    let directory = made.paths().ca.parent().unwrap().to_owned();
    assert_eq!(mode(&directory), 0o700);
    assert!(made.paths().ca.exists());
    drop(made);
    assert!(!directory.exists());
}
