//! Files of providers: what is read, and what is told of those that cannot be used.

use super::*;
use crate::config::{Config, Setting, Sources};

fn policies(flags: &[(Setting, &str)]) -> Policies {
    let flags: Vec<_> = flags
        .iter()
        .map(|(setting, word)| (*setting, vec![(*word).to_owned()]))
        .collect();
    let sources = Sources {
        flags: &flags,
        environment: &|_| None,
        file: None,
    };
    Config::resolve(&sources).unwrap().config.policies
}

fn of_file(text: &str) -> Result<Outside, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().display().to_string();
    asked(&policies(&[(Setting::Provider, &path)]))
        .map_err(|error| format!("{error:#}").replace(&path, "FILE"))
}

fn manifest(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: externaldata.gatekeeper.sh/v1beta1\nkind: Provider\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

#[test]
fn nothing_is_reached_where_nothing_is_configured() {
    let outside = asked(&policies(&[])).unwrap();
    assert!(outside.http.is_none() && outside.providers.is_none());
}

#[test]
fn hosts_of_http_send_are_those_of_the_list() {
    let outside = asked(&policies(&[(Setting::HttpAllow, "private=a.example:8443")])).unwrap();
    let client = outside.http.as_ref().unwrap();
    assert_eq!(client.admits("https://a.example:8443/x"), Ok(()));
    assert!(client.admits("https://a.example/x").is_err());
    assert!(outside.providers.is_none());
}

#[test]
fn providers_are_read_as_gatekeeper_has_them() {
    let two = manifest("one", "{url: 'https://one.example:8090/validate', timeout: 3}")
        + "---\n"
        + &manifest("two", "{url: 'https://two.example/'}");
    let outside = of_file(&two).unwrap();
    let providers = outside.providers.as_ref().unwrap();
    let known: Vec<_> = providers
        .named
        .iter()
        .map(|(name, it)| (name.as_str(), it.timeout.as_secs()))
        .collect();
    assert_eq!(known, [("one", 3), ("two", 1)]);
    for url in ["https://one.example:8090/x", "https://two.example/x"] {
        assert_eq!(providers.client.admits(url), Ok(()));
    }
    // Who may be asked for external data may not be asked for anything else.
    assert!(outside.http.is_none());
}

#[test]
fn a_provider_that_cannot_be_used_is_told_of() {
    let two =
        manifest("a", "{url: 'https://a.example'}") + "---\n" + &manifest("a", "{url: 'https://b.example'}");
    for (text, expected) in [
        (
            manifest("a", "{url: 'http://a.example'}"),
            "the provider `a`: its url does not begin with https://",
        ),
        (
            manifest("a", "{url: 'https://'}"),
            "not an URL that can be asked: it cannot be read",
        ),
        (
            manifest("a", "{url: 'https://a.example', timeout: 0}"),
            "the provider `a`: its timeout is no time",
        ),
        (
            manifest("a", "{url: 'https://a.example', caBundle: '!'}"),
            "the provider `a`: its caBundle is no PEM in base64",
        ),
        (
            manifest("a", "{url: 'https://a.example', caBundle: c2VjcmV0}"),
            "the provider `a`: the authorities are not certificates in PEM",
        ),
        (
            manifest("a", "{url: 'https://a.example', insecure: true}"),
            "unknown field `insecure`",
        ),
        (two, "a second provider `a`"),
        ("kind: Provider\n".to_owned(), "missing field"),
        (
            manifest("a", "{url: 'https://a.example'}").replace("kind: Provider", "kind: Secret"),
            "`a` is no Provider of externaldata.gatekeeper.sh",
        ),
    ] {
        let told = of_file(&text).unwrap_err();
        assert!(told.contains(expected), "{text}{told}");
    }
    // What is no file could be waited for, or have no end.
    for (path, problem) in [
        (
            "/nowhere/at-all.yaml",
            "cannot be read: No such file or directory (os error 2)",
        ),
        ("/dev/null", "is no file"),
    ] {
        let told = asked(&policies(&[(Setting::Provider, path)])).unwrap_err();
        assert_eq!(format!("{told:#}"), format!("--provider {path}: {problem}"));
    }
}
