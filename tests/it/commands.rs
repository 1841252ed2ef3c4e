//! `regate check`, `regate review` and `regate capabilities` as their users run them: the real binary, what it prints, how it ends.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory with `policies/`, where commands run.
pub(crate) struct Desk(TempDir);

const LABEL: &str = "package kubernetes.mutation.label\n\
    patch contains {\"op\": \"add\", \"path\": [\"metadata\", \"labels\", \"team\"], \"value\": \"none\"} if {\n\
    not input.request.object.metadata.labels.team\n}\n";
const OWNER: &str = "package kubernetes.admission.owner\n\
    deny contains sprintf(\"%v/%v has no team\", [input.request.namespace, input.request.name]) if {\n\
    not input.request.object.metadata.labels.team\n}\n\
    deny contains \"jane may not\" if input.request.userInfo.username == \"jane\"\n\
    deny contains \"it was there\" if input.request.oldObject.metadata.labels.old\n";
const AUTHZ: &str = "package kubernetes.authorization.readers\n\
    allow if { input.spec.resourceAttributes.verb == \"get\"; \"dev\" in input.spec.groups }\n\
    deny contains \"no exec\" if input.spec.resourceAttributes.subresource == \"exec\"\n";
const AUTHN: &str = "package kubernetes.authentication.tokens\n\
    user := {\"username\": \"jane\"} if input.spec.token == \"secret-canary\"\n";

impl Desk {
    pub(crate) fn new(policies: &[&str]) -> Self {
        let desk = Desk(tempfile::tempdir().unwrap());
        std::fs::create_dir(desk.path().join("policies")).unwrap();
        for (number, policy) in policies.iter().enumerate() {
            desk.write(&format!("policies/{number}.rego"), policy);
        }
        desk
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_regate"))
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads no input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {}\n";

#[test]
fn check_says_everything_at_once_or_nothing() {
    let desk = Desk::new(&[OWNER, LABEL]);
    let (code, out, error) = desk.run(&["check"], "");
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.starts_with("2 policies, nothing found, revision "), "{out}");

    desk.write(
        "policies/bad.rego",
        "package kubernetes.admission.bad\ndenny contains \"x\" if lowr(input.a) == \"a\"\n",
    );
    desk.write(
        "policies/worse.rego",
        "package kubernetes.admission.worse\ndeny contains if\n",
    );
    let (code, out, _) = desk.run(&["check"], "");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(code, 1);
    assert_eq!(
        lines[..3],
        [
            "policies/bad.rego:1:1: no rule that the validate gate reads: one of deny, warn, audit_annotations",
            "policies/bad.rego:2:1: `denny` is read by no gate: did you mean `deny`? If not, choose a name less like it",
            "policies/bad.rego:2:23: there is no function `lowr`: did you mean `lower`?",
        ]
    );
    assert!(lines[3].starts_with("policies/worse.rego:2:"), "{out}");

    let (code, out, _) = desk.run(&["check", "-o", "json", "policies/bad.rego"], "");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report["findings"].as_array().unwrap().len()), (1, 3));
    assert_eq!(
        report["findings"][2],
        json!({
            "id": "unknown-function", "severity": "error", "file": "policies/bad.rego", "line": 2, "column": 23,
            "message": "there is no function `lowr`", "hint": "did you mean `lower`?",
            "page": "docs/checks/unknown-function.md",
        })
    );

    let (code, out, _) = desk.run(&["check", "-o", "long", "policies/bad.rego"], "");
    let told = "policies/bad.rego:2:23: error[unknown-function]: there is no function `lowr`\n  |\n\
                2 | denny contains \"x\" if lowr(input.a) == \"a\"\n  |                       ^\n  \
                help: did you mean `lower`?\n  see docs/checks/unknown-function.md\n\n";
    assert!(code == 1 && out.ends_with(told), "{out}");
}

#[test]
fn check_of_paths_without_any_policy_ends_with_2() {
    let desk = Desk::new(&[OWNER]);
    std::fs::create_dir(desk.path().join("empty")).unwrap();
    desk.write("empty/data.json", "{}");
    let (code, out, error) = desk.run(&["check", "--policy", "empty"], "");
    assert_eq!((code, error.as_str()), (2, ""));
    assert_eq!(
        out,
        "there is nothing to check: no file of these paths is a policy\n"
    );
    desk.write("empty/lib.rego", "package lib\nf(x) := x\n");
    let (code, out, _) = desk.run(&["check", "--policy", "empty"], "");
    assert!(code == 0 && out.starts_with("0 policies, nothing found"), "{out}");
}

const ENDED: &str = "# METADATA\n# custom:\n#   enforcement: dryrun\n#   exceptions:\n\
    #   - {match: {namespaces: [shop]}, reason: it was old, until: \"2020-01-31\"}\n\
    package kubernetes.admission.owner\ndeny contains \"no\"\n";

#[test]
fn check_warns_of_exceptions_that_have_ended_and_finds_nothing_wrong_with_them() {
    let desk = Desk::new(&[ENDED]);
    let warning = "an exception of validate/owner ended with 2020-01-31: it was old";
    let (code, out, error) = desk.run(&["check"], "");
    assert_eq!((code, error.as_str()), (0, ""));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], format!("warning: policies/0.rego:5:7: {warning}"));
    assert!(
        lines[1].starts_with("1 policies, nothing found, revision "),
        "{out}"
    );
    assert_eq!(lines.len(), 2);

    let (code, out, _) = desk.run(&["check", "-o", "json"], "");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    assert_eq!(
        report["warnings"],
        json!([{
            "id": "ended-exception", "severity": "warning", "file": "policies/0.rego", "line": 5, "column": 7,
            "message": warning, "hint": null, "page": "docs/checks/ended-exception.md",
        }])
    );
    assert_eq!(report["findings"], json!([]));
    assert_eq!(
        report["policies"],
        json!([{ "gate": "validate", "name": "owner", "enforcement": "dryrun" }])
    );
}

#[test]
fn review_tells_what_had_no_effect_and_who_warned() {
    let with = |custom: &str, name: &str| {
        format!(
            "# METADATA\n# custom:\n#   {custom}\npackage kubernetes.admission.{name}\ndeny contains \"no {name}\"\n"
        )
    };
    let excepting = "exceptions: [{match: {names: [web]}, reason: the web is old}]";
    let policies = [
        with("enforcement: dryrun", "rehearsed"),
        with("enforcement: warn", "soft"),
        with(excepting, "freed"),
    ];
    let desk = Desk::new(&policies.each_ref().map(String::as_str));
    let (code, out, _) = desk.run(&["review", "-", "--gate", "validate"], POD);
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "-: Pod default/web: validate: allow; warned by soft\n  warning: [soft] no soft\n  \
             would deny: [rehearsed] no rehearsed\n  not asked, by an exception: [freed] the web is old\n"
        )
    );
}

#[test]
fn check_ends_with_2_for_what_cannot_be_read() {
    let desk = Desk::new(&[OWNER]);
    let (code, out, _) = desk.run(&["check", "elsewhere"], "");
    assert_eq!(code, 2);
    assert!(out.contains("elsewhere"), "{out}");
}

const OPEN: &str = "# METADATA\n# custom:\n#   match:\n#     resources: [pods]\n\
    #     namespaceSelector: {matchLabels: {open: \"no\"}}\n\
    package kubernetes.admission.open\n\
    deny contains sprintf(\"%v says %v\", [input.regate.namespace.name, input.regate.namespace.annotations.note])\n";

#[test]
fn review_takes_namespaces_from_a_file_in_place_of_the_clusters() {
    let desk = Desk::new(&[OPEN]);
    desk.write("pod.yaml", POD);
    desk.write(
        "ns.yaml",
        "apiVersion: v1\nkind: List\nitems:\n\
         - {apiVersion: v1, kind: Namespace, metadata: {name: shut, labels: {open: \"no\"}, annotations: {note: stay}}}\n\
         - {apiVersion: v1, kind: Namespace, metadata: {name: wide}}\n",
    );
    let asked = |arguments: &[&str]| {
        let review = ["review", "--gate", "validate", "pod.yaml"];
        let (code, out, _) = desk.run(&[review.as_slice(), arguments].concat(), "");
        (code, out)
    };
    let fault = |text: &str| {
        let said = format!("  the policies could not be evaluated\n  fault of open (namespace): {text}\n");
        (1, format!("pod.yaml: Pod default/web: validate: error\n{said}"))
    };
    assert_eq!(
        asked(&["--namespace-file", "ns.yaml", "--namespace", "shut"]),
        (
            1,
            "pod.yaml: Pod shut/web: validate: deny by open\n  [open] shut says stay\n".to_owned()
        )
    );
    assert_eq!(
        asked(&["--namespace-file", "ns.yaml", "--namespace", "wide"]),
        (0, "pod.yaml: Pod wide/web: validate: allow\n".to_owned())
    );
    assert_eq!(
        asked(&["--namespace-file", "ns.yaml"]),
        fault("its Namespace is not there: neither in the cluster nor, for a command, in --namespace-file")
    );
    assert_eq!(
        asked(&[]),
        fault(
            "no Namespace is known: start the server in the cluster or with --kubeconfig FILE, or give a command \
             --namespace-file FILE"
        )
    );
}

#[test]
fn review_ends_with_2_for_a_file_of_namespaces_that_holds_something_else() {
    let desk = Desk::new(&[OWNER]);
    desk.write("pod.yaml", POD);
    for (file, said) in [
        (
            "pod.yaml",
            "regate: pod.yaml: `kind: Pod` of `apiVersion: v1` is not a Namespace of v1, nor a List of them\n",
        ),
        (
            "absent.yaml",
            "regate: absent.yaml: No such file or directory (os error 2)\n",
        ),
    ] {
        let (code, out, error) = desk.run(&["review", "--namespace-file", file, "pod.yaml"], "");
        assert_eq!((code, out.as_str(), error.as_str()), (2, "", said));
    }
}

#[test]
fn review_mutates_a_manifest_and_validates_the_result() {
    let desk = Desk::new(&[OWNER, LABEL]);
    desk.write("pod.yaml", POD);
    assert_eq!(
        desk.run(&["review", "pod.yaml"], ""),
        (
            0,
            "pod.yaml: Pod default/web: mutate: allow by label\n  add /metadata/labels {\"team\":\"none\"}\n\
             pod.yaml: Pod default/web: validate: allow\n"
                .to_owned(),
            String::new()
        )
    );
    let (code, out, _) = desk.run(
        &["review", "-f", "pod.yaml", "--gate", "validate", "-n", "shop"],
        "",
    );
    assert_eq!(code, 1);
    assert_eq!(
        out,
        "pod.yaml: Pod shop/web: validate: deny by owner\n  [owner] shop/web has no team\n"
    );
}

#[test]
fn review_asks_no_further_where_mutating_is_refused() {
    let closed = "package kubernetes.mutation.closed\ndeny contains \"not today\"\n";
    let (code, out, _) = Desk::new(&[OWNER, closed]).run(&["review", "-"], POD);
    assert_eq!(
        (code, out.as_str()),
        (
            1,
            "-: Pod default/web: mutate: deny by closed\n  [closed] not today\n"
        )
    );
}

#[test]
fn review_knows_who_asks_and_what_was_there() {
    let desk = Desk::new(&[OWNER, LABEL]);
    desk.write("pod.yaml", POD);
    desk.write(
        "old.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {old: yes}}\n",
    );
    let (code, out, _) = desk.run(
        &[
            "review",
            "pod.yaml",
            "--as",
            "jane",
            "--operation",
            "update",
            "--old",
            "old.yaml",
        ],
        "",
    );
    assert_eq!(code, 1);
    assert!(
        out.ends_with("  [owner] it was there; [owner] jane may not\n"),
        "{out}"
    );
    let (code, _, error) = desk.run(&["review", "pod.yaml", "--operation", "UPDATE"], "");
    assert_eq!(
        (code, error.as_str()),
        (
            2,
            "regate: pod.yaml: an UPDATE needs the old object: --old FILE\n"
        )
    );
}

#[test]
fn review_prints_the_response_that_the_server_would_send() {
    let desk = Desk::new(&[OWNER, LABEL]);
    let review = json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1", "request": {
        "uid": "u", "operation": "CREATE", "name": "web", "namespace": "t", "object": {}, "userInfo": { "username": "joe" },
        "kind": { "group": "", "version": "v1", "kind": "Pod" },
        "resource": { "group": "", "version": "v1", "resource": "pods" } } });
    let (code, out, _) = desk.run(&["review", "-o", "json", "-"], &review.to_string());
    assert_eq!(code, 1);
    let response: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(response["apiVersion"], "admission.k8s.io/v1beta1");
    assert_eq!(response["response"]["uid"], "u");
    assert_eq!(
        response["response"]["status"]["message"],
        "[owner] t/web has no team"
    );

    // A list and several documents are one review per object and gate.
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n\
                - {apiVersion: v1, kind: Pod, metadata: {name: b}}\n---\n";
    let (code, out, _) = desk.run(&["review", "-o", "json", "-"], &format!("{list}{POD}"));
    assert_eq!((code, out.lines().count()), (0, 6));
}

#[test]
fn review_decides_questions_and_tokens() {
    let desk = Desk::new(&[AUTHZ, AUTHN]);
    let ask = |arguments: &[&str]| {
        let (code, out, error) = desk.run(&[&["review", "--as", "joe"], arguments].concat(), "");
        assert_eq!(error, "");
        (code, out)
    };
    assert_eq!(
        ask(&["--verb", "get", "--resource", "pods", "--as-group", "dev"]),
        (0, "joe get pods: authz: allow by readers\n".to_owned())
    );
    assert_eq!(
        ask(&["--verb", "create", "--resource", "pods/exec", "-n", "t"]),
        (
            1,
            "joe create pods: authz: deny by readers\n  [readers] no exec\n".to_owned()
        )
    );
    assert_eq!(
        ask(&["--verb", "get", "--path", "/healthz"]),
        (1, "joe get /healthz: authz: no opinion\n".to_owned())
    );

    let (code, out, error) = desk.run(&["review", "--token", "-"], "secret-canary\n");
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "token: authn: allow by tokens\n  user: {\"username\":\"jane\"}\n"
        )
    );
    assert!(!error.contains("canary"));
    let (code, out, _) = desk.run(&["review", "--token", "-"], "another");
    assert_eq!((code, out.as_str()), (1, "token: authn: no opinion\n"));
}

#[test]
fn review_ends_with_2_when_it_cannot_be_done() {
    let desk = Desk::new(&[OWNER]);
    let error = |arguments: &[&str], input: &str| {
        let (code, out, error) = desk.run(&[&["review"], arguments].concat(), input);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        error
    };
    assert_eq!(
        error(&[], ""),
        "regate: nothing to review: name a file, --token or --verb\n"
    );
    assert_eq!(
        error(&["missing.yaml"], ""),
        "regate: missing.yaml: No such file or directory (os error 2)\n"
    );
    assert_eq!(
        error(&["-"], "kind: Pod\n"),
        "regate: -: a manifest has apiVersion and kind\n"
    );
    assert_eq!(
        error(&["--token", "-"], "\n"),
        "regate: --token: the token is empty\n"
    );
    assert_eq!(
        error(&["-", "--gate", "authn"], POD),
        "regate: a manifest is for mutate or validate, not for authn\n"
    );
    desk.write("policies/bad.rego", "package kubernetes.admission.bad\n");
    assert_eq!(
        error(&["-"], POD),
        "policies/bad.rego:1:1: no rule that the validate gate reads: one of deny, warn, audit_annotations\n"
    );
}

#[test]
fn warnings_and_operations_without_a_value_are_told() {
    let advice = "package kubernetes.admission.advice\nwarn contains \"soon gone\" if input.request.object\n";
    let bare = "package kubernetes.mutation.bare\n\
        patch contains {\"op\": \"remove\", \"path\": [\"metadata\", \"labels\"]} if {\n\
        input.request.object.metadata.labels\n}\n";
    let desk = Desk::new(&[advice, bare]);
    let pod = POD.replace("{name: web}", "{name: web, labels: {a: b}}");
    let (code, out, _) = desk.run(&["review", "-"], &pod);
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "-: Pod default/web: mutate: allow by bare\n  remove /metadata/labels\n\
             -: Pod default/web: validate: allow; warned by advice\n  warning: [advice] soon gone\n"
        )
    );
}

#[test]
fn a_fault_is_told_with_its_place() {
    let faulty =
        "package kubernetes.admission.faulty\ndeny contains \"x\" if to_number(input.request.name) == 1\n";
    let desk = Desk::new(&[faulty]);
    let (code, out, _) = desk.run(&["review", "-", "--gate", "validate"], POD);
    assert_eq!(code, 1);
    assert!(
        out.starts_with(
            "-: Pod default/web: validate: error\n  the policies could not be evaluated\n  fault of faulty (builtin): policies/0.rego:2:"
        ),
        "{out}"
    );
}

#[test]
fn capabilities_have_what_reaches_out_where_it_is_configured_and_only_there() {
    let desk = Desk::new(&[]);
    desk.write(
        "provider.yaml",
        "apiVersion: externaldata.gatekeeper.sh/v1beta1\nkind: Provider\nmetadata: {name: checks}\n\
         spec: {url: https://checks.example.com/validate}\n",
    );
    let offered = |arguments: &[&str]| {
        let (code, out, error) = desk.run(&[&["capabilities"], arguments].concat(), "");
        assert_eq!((code, error.as_str()), (0, ""), "{arguments:?}");
        let document: Value = serde_json::from_str(&out).unwrap();
        let builtins = document["builtins"].as_array().unwrap();
        ["external_data", "http.send", "count"]
            .map(|name| builtins.iter().any(|builtin| builtin["name"] == name))
    };
    assert_eq!(offered(&[]), [false, false, true]);
    assert_eq!(offered(&["--http-allow", "example.com"]), [false, true, true]);
    assert_eq!(offered(&["--provider", "provider.yaml"]), [true, false, true]);
}
