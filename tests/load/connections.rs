//! Many connections at once, as an API server opens them in a burst.

use std::thread;

use serde_json::Value;

use crate::either;
use crate::process::Process;

crate::cases![each_of_many_connections_gets_its_own_answers];

const POLICY: &str = r#"
package kubernetes.admission.names
deny contains sprintf("no %s", [input.request.uid]) if startswith(input.request.uid, "bad")
"#;

const CONNECTIONS: usize = 50;

fn each_of_many_connections_gets_its_own_answers() {
    let process = Process::start(&[("policies/names.rego", POLICY)], &["--policy", "policies"]);
    let reviews = either(20, 2_000);
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let mut client = process.client();
            scope.spawn(move || {
                for number in 0..reviews {
                    let word = if number % 2 == 0 { "good" } else { "bad" };
                    let uid = format!("{word}-{connection}-{number}");
                    let response = client.post("/v1/validate", review(&uid));
                    assert_eq!(response.status, 200, "{uid}");
                    let answer: Value = serde_json::from_str(&response.body).unwrap();
                    let answer = &answer["response"];
                    assert_eq!(answer["uid"], uid);
                    assert_eq!(answer["allowed"], word == "good", "{answer}");
                    if word == "bad" {
                        assert_eq!(answer["status"]["message"], format!("[names] no {uid}"));
                    }
                }
            });
        }
    });
}

fn review(uid: &str) -> String {
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{uid}",
        "kind":{{"group":"","version":"v1","kind":"ConfigMap"}},
        "resource":{{"group":"","version":"v1","resource":"configmaps"}},"operation":"CREATE",
        "userInfo":{{"username":"jane"}},"object":{{"apiVersion":"v1","kind":"ConfigMap"}}}}}}"#
    )
}
