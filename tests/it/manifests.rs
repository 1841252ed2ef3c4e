//! `regate manifests` as an operator runs it: the real binary, the files it leaves, what it refuses.

use std::path::Path;
use std::process::{Command, Output};

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory with a certificate and its key.
struct Files {
    directory: TempDir,
    certificate: String,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pair = rcgen::generate_simple_self_signed(["regate.example.com".to_owned()]).unwrap();
        let certificate = pair.cert.pem();
        std::fs::write(directory.path().join("ca.crt"), &certificate).unwrap();
        std::fs::write(directory.path().join("client.crt"), &certificate).unwrap();
        std::fs::write(
            directory.path().join("client.key"),
            pair.signing_key.serialize_pem(),
        )
        .unwrap();
        let policies = directory.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        for (root, rule) in [
            ("authentication", "user := {\"username\": \"jane\"}"),
            ("authorization", "deny contains \"x\""),
            ("image", "deny contains \"x\""),
            ("mutation", "deny contains \"x\""),
            ("admission", "deny contains \"x\""),
        ] {
            let text = format!("package kubernetes.{root}.p\n{rule}\n");
            std::fs::write(policies.join(format!("{root}.rego")), text).unwrap();
        }
        Self {
            directory,
            certificate,
        }
    }

    /// Runs the command where the files are, with nothing but the given environment.
    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_regate"))
            .arg("manifests")
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    fn document(&self, name: &str) -> Value {
        serde_saphyr::from_str(&self.read(name)).unwrap()
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().canonicalize().unwrap()
    }
}

fn error(output: &Output) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(output.stdout.is_empty());
    error
}

const URL: [&str; 6] = [
    "--out",
    "out",
    "--url",
    "https://127.0.0.1:8443",
    "--ca",
    "ca.crt",
];
const CLIENT: [&str; 4] = ["--client-cert", "client.crt", "--client-key", "client.key"];
const GATES: [&str; 10] = [
    "--gate", "authn", "--gate", "authz", "--gate", "image", "--gate", "mutate", "--gate", "validate",
];

#[test]
fn writes_every_file_with_absolute_paths_and_prints_their_names() {
    let files = Files::new();
    let output = files.run(&[URL.as_slice(), &CLIENT, &GATES].concat(), &[]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let out = files.path().join("out");
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut written: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    let mut lines: Vec<_> = printed.lines().map(str::to_owned).collect();
    written.sort_unstable();
    lines.sort_unstable();
    assert_eq!(lines, written);
    assert_eq!(lines.len(), 10);

    let flags = files.read("out/kube-apiserver.flags");
    assert!(
        flags.contains(&format!(
            "\n--authorization-config={}/authz.yaml\n",
            out.display()
        )),
        "{flags}"
    );
    let user = &files.document("out/authn.kubeconfig")["users"][0]["user"];
    assert_eq!(user["client-certificate"], json!(files.path().join("client.crt")));
    assert_eq!(user["client-key"], json!(files.path().join("client.key")));
    let configuration: ValidatingWebhookConfiguration =
        serde_saphyr::from_str(&files.read("out/validating.yaml")).unwrap();
    let [webhook] = configuration.webhooks.unwrap().try_into().unwrap();
    assert_eq!(
        webhook.client_config.ca_bundle.unwrap().0,
        files.certificate.as_bytes()
    );
}

#[test]
fn paths_are_those_of_the_directory_that_the_files_move_to() {
    let files = Files::new();
    let moved = ["--install-dir", "/etc/kubernetes/regate"];
    let output = files.run(&[URL.as_slice(), &CLIENT, &GATES, &moved].concat(), &[]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let user = &files.document("out/admission.kubeconfig")["users"][0]["user"];
    let expected = json!({
        "client-certificate": "/etc/kubernetes/regate/client.crt",
        "client-key": "/etc/kubernetes/regate/client.key",
    });
    assert_eq!(user, &expected);
    let here = files.path().display().to_string();
    for entry in std::fs::read_dir(files.path().join("out")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(&here), "{text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
}

#[test]
fn a_service_registers_admission_only() {
    let files = Files::new();
    let arguments = [
        "--out",
        "out",
        "--service",
        "regate-system/regate:8443",
        "--ca",
        "ca.crt",
    ];
    let output = files.run(&arguments, &[]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut written: Vec<_> = std::fs::read_dir(files.path().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort_unstable();
    assert_eq!(
        written,
        [
            "kube-apiserver.flags",
            "mutating.yaml",
            "undo.sh",
            "validating.yaml"
        ]
    );

    let output = files.run(&[arguments.as_slice(), &["--gate", "authn"]].concat(), &[]);
    let expected = "regate: --service with --gate authn: kube-apiserver asks authn from its host, where no Service \
                    has a name; give --url for it\n";
    assert_eq!(error(&output), expected);
}

#[test]
fn the_environment_gives_what_flags_give() {
    let files = Files::new();
    let environment = [
        ("REGATE_OUT", "out"),
        ("REGATE_URL", "https://127.0.0.1:8443"),
        ("REGATE_CA", "ca.crt"),
        ("REGATE_GATE", "validate,mutate"),
        ("REGATE_RULE", "CREATE,DELETE:apps/deployments,CONNECT:/pods/exec"),
        ("REGATE_EXEMPT_NAMESPACE", "a,b"),
        ("REGATE_FAILURE_POLICY", "validate=Ignore,mutate=Ignore"),
    ];
    let output = files.run(&[], &environment);
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{warnings}");
    assert!(
        warnings.contains("warning: validate=Ignore: while Regate is down"),
        "{warnings}"
    );
    let webhook = &files.document("out/validating.yaml")["webhooks"][0];
    assert_eq!(webhook["failurePolicy"], "Ignore");
    assert_eq!(webhook["rules"][2]["operations"], json!(["CREATE", "DELETE"]));
    assert_eq!(webhook["rules"][3]["resources"], json!(["pods/exec"]));
    let namespaces = &webhook["namespaceSelector"]["matchExpressions"][0]["values"];
    assert_eq!(namespaces, &json!(["a", "b", "kube-system"]));
}

#[test]
fn rules_follow_the_policies_and_one_that_nobody_enforces_ends_it_with_1() {
    let files = Files::new();
    let policy = |name: &str, matching: &str| {
        let text = format!(
            "# METADATA\n# custom:\n#   enforcement: dryrun\n#   match: {matching}\n\
             package kubernetes.admission.{name}\ndeny contains \"x\"\n"
        );
        std::fs::write(files.path().join("policies").join(format!("{name}.rego")), text).unwrap();
    };
    std::fs::remove_file(files.path().join("policies/admission.rego")).unwrap();
    policy("jobs", "{kinds: [batch/Job], operations: [DELETE]}");
    let output = files.run(&[URL.as_slice(), &["--gate", "validate"]].concat(), &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("warning: never asked about the namespace kube-system: validate/jobs\n"),
        "{said}"
    );
    let rules = &files.document("out/validating.yaml")["webhooks"][0]["rules"];
    let rule = json!({ "apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["jobs"],
        "scope": "*" });
    assert_eq!(rules, &json!([rule]));

    policy("nodes", "{kinds: [Node], operations: [CREATE]}");
    let output = files.run(&[URL.as_slice(), &["--gate", "validate"]].concat(), &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = "\nvalidate/nodes: nobody enforces it: its `match` is about nothing but /nodes, and admission is never \
                    asked about that\n";
    assert!(said.contains(expected), "{said}");
    assert!(!output.stdout.is_empty());
}

#[test]
fn constraints_of_gatekeeper_are_registered_for_what_is_written_and_not_for_what_goes() {
    let files = Files::new();
    std::fs::remove_file(files.path().join("policies/admission.rego")).unwrap();
    let text = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: never}\nspec:\n  \
                crd: {spec: {names: {kind: Never}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    \
                rego: |\n      package never\n      violation[{\"msg\": \"never\"}] { true }\n---\n\
                apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Never\nmetadata: {name: no-jobs}\nspec:\n  \
                match: {kinds: [{apiGroups: [batch], kinds: [Job]}]}\n";
    std::fs::write(files.path().join("policies/never.yaml"), text).unwrap();
    let output = files.run(&[URL.as_slice(), &["--gate", "validate"]].concat(), &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let rules = &files.document("out/validating.yaml")["webhooks"][0]["rules"];
    let rule = json!({ "apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
        "resources": ["jobs"], "scope": "*" });
    assert_eq!(rules, &json!([rule]));
}

#[test]
fn undo_runs_without_regate_and_deletes_what_was_created() {
    let files = Files::new();
    let output = files.run(&[URL.as_slice(), &GATES].concat(), &[]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let undo = Command::new(files.path().join("out/undo.sh"))
        .env("KUBECTL", "echo")
        .output()
        .unwrap();
    let said = String::from_utf8(undo.stdout).unwrap();
    assert_eq!(
        undo.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&undo.stderr)
    );
    assert!(said.starts_with(
        "delete validatingwebhookconfiguration regate --ignore-not-found\n\
         delete mutatingwebhookconfiguration regate --ignore-not-found\n\
         Take these flags out of kube-apiserver:\n"
    ));
    assert!(
        said.ends_with("usually --authorization-mode=Node,RBAC\n"),
        "{said}"
    );
}

#[test]
fn what_must_not_or_cannot_get_into_the_files_is_refused() {
    let files = Files::new();
    std::fs::write(files.path().join("empty"), "").unwrap();
    let certificate_and_key = files.read("ca.crt") + &files.read("client.key");
    std::fs::write(files.path().join("both.pem"), certificate_and_key).unwrap();
    let with_ca = |ca| ["--out", "out", "--url", "https://127.0.0.1:8443", "--ca", ca];
    for (arguments, message) in [
        (
            with_ca("both.pem").to_vec(),
            "regate: --ca both.pem: holds a private key, which must not get into the files\n",
        ),
        (
            with_ca("empty").to_vec(),
            "regate: --ca empty: holds no certificate\n",
        ),
        (
            with_ca("missing").to_vec(),
            "regate: --ca missing: No such file or directory (os error 2)\n",
        ),
        (
            [URL.as_slice(), &["--install-dir", "etc"]].concat(),
            "regate: --install-dir etc: not an absolute path\n",
        ),
        (
            [
                URL.as_slice(),
                &["--client-cert", "client.key", "--client-key", "client.key"],
            ]
            .concat(),
            "regate: --client-cert client.key: no items found\n",
        ),
        (
            [
                URL.as_slice(),
                &["--client-cert", "client.crt", "--client-key", "ca.crt"],
            ]
            .concat(),
            "regate: --client-key ca.crt: no items found\n",
        ),
    ] {
        assert_eq!(error(&files.run(&arguments, &[])), message);
        assert_eq!(
            names(&files.path().join("out")),
            [""; 0],
            "nothing may be left behind"
        );
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn flags_that_exclude_or_need_each_other_are_refused() {
    let files = Files::new();
    for (arguments, message) in [
        (
            [URL.as_slice(), &["--service", "a/b:1"]].concat(),
            "the argument '--url <https://HOST:PORT>' cannot be used with '--service <NAMESPACE/NAME:PORT>'",
        ),
        (
            vec!["--out", "out", "--ca", "ca.crt"],
            "the following required arguments were not provided:\n  --url",
        ),
        (
            [URL.as_slice(), &["--client-cert", "client.crt"]].concat(),
            "the following required arguments were not provided:\n  --client-key <FILE>",
        ),
        (
            [URL.as_slice(), &["--failure-policy", "image=Ignore"]].concat(),
            "`image=Ignore` is no failure policy: validate=Fail|Ignore, mutate=Fail|Ignore or authz=Deny|NoOpinion",
        ),
    ] {
        let error = error(&files.run(&arguments, &[]));
        assert!(error.contains(message), "{error}");
    }
}
