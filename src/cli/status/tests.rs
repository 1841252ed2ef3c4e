//! What people read, and whom the configuration means.

use serde_json::json;

use super::*;

#[test]
fn the_report_is_a_few_lines_and_a_table() {
    let report = json!({
        "version": "1", "ready": true, "checks": {"policies": true, "running": true},
        "served": {
            "revision": "ab12", "loaded": "2026-11-22T10:00:00Z",
            "source": {"paths": {"paths": ["policies"], "pathsV0": ["old"], "data": ["more"]}},
            "warnings": [{"file": "a.rego", "line": 3, "column": 5, "message": "an exception ended"}],
            "policies": [
                {"gate": "authz", "name": "staff", "enforcement": "deny", "order": 0, "match": [], "exceptions": 0},
                {"gate": "validate", "name": "labels.team", "enforcement": "dryrun", "order": -10, "exceptions": 2,
                 "match": [{"kinds": ["Pod"]}, {"namespaces": ["a", "b"]}]},
            ]
        },
        "refused": {"at": "2026-11-22T11:00:00Z", "findings": [{"file": "b.rego", "line": 1, "column": 2, "message": "no"}]}
    });
    let report: Report = serde_json::from_value(report).unwrap();
    let expected = r#"ready:     yes
revision:  ab12
loaded:    2026-11-22T10:00:00Z
source:    policies, old (v0), more (data)
warning:   a.rego:3:5: an exception ended

GATE       NAME          ENFORCEMENT   ORDER   EXCEPTIONS   MATCH
authz      staff         deny          0       0            everything
validate   labels.team   dryrun        -10     2            {"kinds":["Pod"]} and {"namespaces":["a","b"]}

refused at 2026-11-22T11:00:00Z:
  b.rego:1:2: no
"#;
    assert_eq!(text(&report), expected);
}

#[test]
fn a_server_that_is_not_ready_says_what_fails() {
    let report = Report {
        checks: [("namespaces", false), ("policies", false), ("running", true)]
            .map(|(name, passed)| (name.to_owned(), passed))
            .into(),
        ..Report::default()
    };
    assert_eq!(
        text(&report),
        "ready:     no: namespaces, policies\nrevision:  none, no policies are loaded\n"
    );
}

#[test]
fn the_server_of_the_configuration_is_asked_on_this_host() {
    let server = |address: &str| local(address.parse().unwrap()).map_err(|error| error.to_string());
    assert_eq!(server("127.0.0.1:8080"), Ok("http://127.0.0.1:8080".to_owned()));
    assert_eq!(server("0.0.0.0:80"), Ok("http://127.0.0.1:80".to_owned()));
    assert_eq!(server("[::]:80"), Ok("http://127.0.0.1:80".to_owned()));
    assert_eq!(
        server("[2001:db8::1]:80"),
        Ok("http://[2001:db8::1]:80".to_owned())
    );
    assert_eq!(
        server("127.0.0.1:0"),
        Err("--server: the server of this configuration chooses its port when it starts".to_owned())
    );
}
