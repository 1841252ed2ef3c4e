//! What policies came to, in metrics and log of the real binary; and sets that a server refuses.

use serde_json::{Value, json};

use crate::process::{Process, refusal, soon};
use crate::server_process::admission;

const ARGUMENTS: &[&str] = &["--policy", "policies"];

/// A policy of the validate gate with this METADATA and these lines behind the package.
fn policy(name: &str, custom: &str, rules: &str) -> String {
    format!("# METADATA\n# custom: {custom}\npackage kubernetes.admission.{name}\n{rules}\n")
}

#[test]
fn each_policy_is_counted_by_what_it_came_to_and_rehearsals_and_exceptions_are_told() {
    let denies = "deny contains sprintf(\"%s\\n\\u001b[31mno\", [input.request.uid])";
    let excepted = r#"{exceptions: [{match: {names: [web]}, reason: "it was there\nbefore"}]}"#;
    let files = [
        (
            "policies/a.rego",
            policy("rehearsing", "{enforcement: dryrun}", denies),
        ),
        ("policies/b.rego", policy("excepted", excepted, denies)),
        (
            "policies/c.rego",
            policy("warning", "{enforcement: warn}", denies),
        ),
        (
            "policies/d.rego",
            policy(
                "faulty",
                "{enforcement: dryrun}",
                "deny contains \"x\" if to_number(input.request.uid) == 1",
            ),
        ),
        (
            "policies/e.rego",
            policy(
                "quiet",
                "{order: 1}",
                "deny contains \"x\" if input.request.uid == \"other\"",
            ),
        ),
        (
            "policies/f.rego",
            policy(
                "long",
                "{enforcement: dryrun}",
                "deny contains concat(\"\", [\"é\" | some _ in numbers.range(1, 2000)])",
            ),
        ),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let process = Process::start_logging("debug", &files, ARGUMENTS);
    let response = process.client().post("/v1/validate", admission("u-1", ""));
    let answer: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(answer["response"]["allowed"], true, "{answer}");

    let logged = soon("both rehearsals are logged", || {
        Some(process.events("would_deny")).filter(|lines| lines.len() == 2)
    });
    let line = logged.iter().find(|line| line["policy"] == "rehearsing").unwrap();
    assert_eq!(
        [&line["level"], &line["gate"], &line["uid"], &line["text"]],
        ["INFO", "validate", "u-1", "[rehearsing] u-1  [31mno"]
    );
    let long = logged.iter().find(|line| line["policy"] == "long").unwrap();
    let text = long["text"].as_str().unwrap();
    assert!(
        (1_020..=1_024).contains(&text.len()) && text.ends_with('é'),
        "{text}"
    );
    let logged = process.events("excepted");
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(
        ["level", "gate", "uid", "policy", "reason"].map(|key| &logged[0][key]),
        ["DEBUG", "validate", "u-1", "excepted", "it was there before"]
    );

    let series = |policy: &str, enforcement: &str, outcome: &str| {
        format!(
            "regate_policy_decisions_total{{gate=\"validate\",policy=\"{policy}\",enforcement=\"{enforcement}\",outcome=\"{outcome}\"}} 1"
        )
    };
    let mut counted = process.metrics("regate_policy_decisions_total");
    counted.sort();
    assert_eq!(
        counted,
        [
            series("excepted", "deny", "excepted"),
            series("faulty", "dryrun", "fault"),
            series("long", "dryrun", "would_deny"),
            series("rehearsing", "dryrun", "would_deny"),
            series("warning", "warn", "warn"),
        ]
    );
}

const NEEDY: &str = "# METADATA\n# custom:\n#   needs: [data.teams]\npackage kubernetes.admission.needy\n\n\
    deny contains \"x\" if data.teams[input.request.uid]\n";

const LABELLED: &str = "# METADATA\n# custom:\n#   match:\n#     namespaceSelector: {matchLabels: {a: b}}\n\
    package kubernetes.admission.labelled\n\ndeny contains \"x\" if input.request.uid == \"u-1\"\n";

const READING: &str = "package kubernetes.mutation.reading\n\n\
    deny contains \"x\" if input.regate.namespace.labels.a\n";

const MISSING: &str = "no Namespace is known to this server, and these policies use them (`input.regate.namespace` or \
    `namespaceSelector`): mutate/reading, validate/labelled. Start it in the cluster or with --kubeconfig FILE";

#[test]
fn data_that_a_policy_needs_and_nobody_gives_keeps_the_server_from_starting() {
    let (code, told) = refusal(&[("policies/needy.rego", NEEDY)], ARGUMENTS);
    assert_eq!(code, Some(1));
    assert!(told.starts_with("policies/needy.rego:3:"), "{told}");
    assert!(told.contains("data.teams"), "{told}");
    let files = [("policies/needy.rego", NEEDY), ("more/teams/data.json", "{}")];
    let process = Process::start(&files, &[ARGUMENTS, &["--data", "more"]].concat());
    assert_eq!(process.probe("/readyz").0, 200);
}

#[test]
fn policies_that_use_namespaces_are_refused_by_name_where_none_is_known() {
    let files = [
        ("policies/labelled.rego", LABELLED),
        ("policies/reading.rego", READING),
    ];
    assert_eq!(refusal(&files, ARGUMENTS), (Some(1), format!("{MISSING}\n")));
    // With a way to know them it starts, if only to wait for them.
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    });
    let kubeconfig = kubeconfig.to_string();
    let files = [files.as_slice(), &[("kubeconfig", &kubeconfig)]].concat();
    let process = Process::start(&files, &[ARGUMENTS, &["--kubeconfig", "kubeconfig"]].concat());
    assert_eq!(process.status(&[]).0, 1);
    assert!(
        process
            .probe("/readyz?verbose")
            .1
            .contains("[-]namespaces failed\n")
    );
}

#[test]
fn a_reload_that_could_not_work_on_this_server_is_refused_and_the_last_good_policies_stay() {
    let quiet = policy(
        "quiet",
        "{order: 0}",
        "deny contains \"quiet\" if input.request.uid == \"u-1\"",
    );
    let process = Process::start(&[("policies/quiet.rego", &quiet)], ARGUMENTS);
    std::fs::write(process.path("policies/labelled.rego"), LABELLED).unwrap();
    std::fs::write(process.path("policies/needy.rego"), NEEDY).unwrap();
    let findings = soon("both are refused", || {
        let lines = process.events("policy_rejected");
        let told = |what: &str| {
            lines
                .iter()
                .any(|line| line["finding"].as_str().unwrap().contains(what))
        };
        (told("data.teams") && told("validate/labelled. Start it")).then_some(lines)
    });
    assert!(
        findings
            .iter()
            .all(|line| line["level"] == "ERROR" && line["message"] == "the last good policies stay")
    );
    let response = process.client().post("/v1/validate", admission("u-1", ""));
    assert!(response.body.contains("[quiet] quiet"), "{}", response.body);
    assert_eq!(process.probe("/readyz").0, 200);
}
