//! `regate config` as a user runs it: the real binary, its environment, its files, its exit codes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const FILE: &str = "\
apiVersion: regate.dev/v1alpha1
kind: ServerConfiguration
listen:
  reviews: 127.0.0.1:1001
  probes: 127.0.0.1:1002
limits:
  deadline: 1s
policies:
  paths: [from-file]
";

/// Runs the binary with nothing but the given environment.
fn regate(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_regate"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn resolved(arguments: &[&str], environment: &[(&str, &str)]) -> Value {
    let arguments = [&["config", "-o", "json"], arguments].concat();
    serde_json::from_str(&stdout(&regate(&arguments, environment))).unwrap()
}

fn write(directory: &Path, text: &str) -> String {
    let path = directory.join("regate.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn flag_wins_over_environment_over_file_over_default() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), FILE);
    let environment = [
        ("REGATE_LISTEN", "127.0.0.1:2001"),
        ("REGATE_PROBE_LISTEN", "127.0.0.1:2002"),
    ];
    let shown = resolved(&["--config", &file, "--listen", "127.0.0.1:3001"], &environment);
    assert_eq!(
        shown["config"]["listen"],
        json!({"reviews": "127.0.0.1:3001", "probes": "127.0.0.1:2002"})
    );
    assert_eq!(shown["config"]["limits"], json!({"deadline": "1s"}));
    assert_eq!(
        shown["config"]["shutdown"],
        json!({"delay": "10s", "timeout": "15s"})
    );
    for (key, origin) in [
        ("listen.reviews", "flag"),
        ("listen.probes", "environment"),
        ("limits.deadline", "file"),
        ("shutdown.delay", "default"),
        ("shutdown.timeout", "default"),
    ] {
        assert_eq!(shown["origins"][key], json!(origin), "{key}");
    }
}

#[test]
fn the_file_is_found_through_the_environment_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), FILE);
    let shown = resolved(&[], &[("REGATE_CONFIG", &file)]);
    assert_eq!(shown["config"]["policies"]["paths"], json!(["from-file"]));
}

#[test]
fn a_list_is_split_at_commas_in_the_environment_and_repeated_as_a_flag() {
    let from_environment = resolved(&[], &[("REGATE_POLICY", "a,b")]);
    assert_eq!(from_environment["config"]["policies"]["paths"], json!(["a", "b"]));
    let from_flags = resolved(&["--policy", "a,b", "--policy", "c"], &[("REGATE_POLICY", "d")]);
    assert_eq!(from_flags["config"]["policies"]["paths"], json!(["a,b", "c"]));
}

#[test]
fn what_is_printed_is_a_configuration_file_that_resolves_to_the_same() {
    let arguments = [
        "--gate",
        "validate",
        "--gate",
        "authz",
        "--client-ca",
        "ca: #.crt",
        "--allow-client",
        "authz=true",
        "--allow-client",
        "spiffe://a/b?c=d",
        "--allow-client",
        "'\"",
        "--on-fault",
        "authz=defer",
        "--deadline",
        "1500ms",
    ];
    let printed = stdout(&regate(&[&["config"], arguments.as_slice()].concat(), &[]));
    assert!(
        printed.contains("  deadline: 1s500ms  # from flag --deadline\n"),
        "{printed}"
    );
    assert!(
        printed.contains("  reviews: 127.0.0.1:8443  # default\n"),
        "{printed}"
    );

    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), &printed);
    let again = resolved(&["--config", &file], &[]);
    assert_eq!(again["config"], resolved(&arguments, &[])["config"]);
    assert_eq!(again["origins"]["gates.authz.onFault"], json!("file"));
}

#[test]
fn a_configuration_that_cannot_be_served_exits_with_2_and_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), &FILE.replace("deadline", "deadlin"));
    let missing = directory.path().join("missing.yaml").to_str().unwrap().to_owned();
    for (arguments, environment, message) in [
        (
            vec!["--config", &file],
            vec![],
            format!("regate: {file}: unknown field `deadlin`"),
        ),
        (
            vec!["--config", &missing],
            vec![],
            format!("regate: --config {missing}: No such file or directory"),
        ),
        (
            vec!["--tls-cert", "a"],
            vec![],
            "regate: --tls-cert without --tls-key: a certificate".to_owned(),
        ),
        (
            vec![],
            vec![("REGATE_DEADLINE", "3")],
            "regate: REGATE_DEADLINE: `3`: `3` is no duration".to_owned(),
        ),
    ] {
        let output = regate(&[&["config"], arguments.as_slice()].concat(), &environment);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.starts_with(&message), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_names_flags_and_their_variables_and_not_what_the_variables_hold() {
    let help = stdout(&regate(
        &["serve", "--help"],
        &[("REGATE_LISTEN", "127.0.0.1:1234")],
    ));
    assert!(help.contains("--listen <ADDRESS:PORT>"), "{help}");
    assert!(help.contains("[env: REGATE_LISTEN]"), "{help}");
    assert!(!help.contains("127.0.0.1:1234"), "{help}");
}
