//! `kubectl regate`: a review is told before anything is applied, of what the cluster has and of who asks.

use std::os::unix::fs::symlink;

use anyhow::Result;
use tempfile::TempDir;

use crate::stage::{PROGRAM, Stage};

super::cases![kubectl_explains_a_review_before_anything_is_applied];

/// Tells everything that is looked up in a cluster.
const TELLER: &str = r#"package kubernetes.admission.teller

deny contains msg if {
	request := input.request
	old := object.get(request, ["oldObject", "data", "a"], "absent")
	env := input.regate.namespace.labels.env
	msg := sprintf("%s by %s in %s, was %s", [request.operation, request.userInfo.username, env, old])
}

deny contains "an outsider" if not "system:authenticated" in input.request.userInfo.groups

deny contains "kept" if input.request.object.data.b == "2"
"#;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: told}\ndata: {a: \"1\"}\n";
const CLASS: &str =
    "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: told}\nvalue: 1\n";
const UNKNOWN: &str = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: told}\n";

fn kubectl_explains_a_review_before_anything_is_applied(stage: &Stage) -> Result<()> {
    let plane = stage.plain()?;
    let desk = TempDir::with_prefix("regate-plugin-")?;
    let (desk, bin) = (desk.path(), desk.path().join("bin"));
    std::fs::create_dir_all(desk.join("policies"))?;
    std::fs::create_dir(&bin)?;
    for name in ["kubectl-regate", "kubectl_complete-regate"] {
        symlink(PROGRAM, bin.join(name))?;
    }
    for (name, text) in [
        ("policies/teller.rego", TELLER),
        ("told.yaml", CONFIG),
        ("class.yaml", CLASS),
        ("unknown.yaml", UNKNOWN),
    ] {
        std::fs::write(desk.join(name), text)?;
    }
    let admin = plane.admin();
    admin.must("create namespace plugin-told")?;
    admin.must("label namespace plugin-told env=lab")?;
    let run = |line: &str| admin.with_plugins(line, desk, &bin);
    let review = |more: &str| run(&format!("regate review --gate validate -n plugin-told {more}"));

    let new = review("-f told.yaml")?;
    let said = "told.yaml: ConfigMap plugin-told/told: validate: deny by teller\n  [teller] ";
    assert_eq!((new.stderr.as_str(), new.code), ("", 1));
    assert_eq!(new.stdout, format!("{said}CREATE by admin in lab, was absent"));

    // What is there makes it an update, and what the manifest does not say stays.
    admin.must("create configmap told -n plugin-told --from-literal=a=0 --from-literal=b=2")?;
    let update = review("-f told.yaml")?;
    assert_eq!(
        update.stdout,
        format!("{said}UPDATE by admin in lab, was 0; [teller] kept")
    );
    let jane = review("-f told.yaml --as jane --explain")?;
    assert!(
        jane.stdout.starts_with(&format!(
            "{said}UPDATE by jane in lab, was 0; [teller] kept\n  asked: teller (deny) in "
        )),
        "{}",
        jane.stdout
    );
    let outsider = "✗ policies/teller.rego:10  deny contains \"an outsider\"\n        line 10: \
                    not \"system:authenticated\" in input.request.userInfo.groups\n          \
                    input.request.userInfo.groups is [\"system:authenticated\"]";
    assert!(jane.stdout.contains(outsider), "{}", jane.stdout);
    let delete = review("-f told.yaml --operation DELETE")?;
    assert_eq!(delete.stdout, format!("{said}DELETE by admin in lab, was 0"));
    assert_eq!(
        admin.must("get configmap told -n plugin-told -o jsonpath={.data.a}")?,
        "0"
    );

    // The API server knows what is in no namespace, and what it does not serve.
    let class = run("regate review --gate validate class.yaml")?;
    assert_eq!(
        (class.stdout.lines().next(), class.stderr.as_str()),
        (Some("class.yaml: PriorityClass told: validate: allow"), "")
    );
    let unknown = review("-f unknown.yaml")?;
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""));
    assert!(
        unknown
            .stderr
            .starts_with("regate: unknown.yaml: Gadget of example.com/v1: "),
        "{}",
        unknown.stderr
    );
    let nowhere = review("-f told.yaml --context nowhere")?;
    assert_eq!(nowhere.code, 2);
    assert!(
        nowhere.stderr.starts_with("regate: kubeconfig: "),
        "{}",
        nowhere.stderr
    );

    let completed = run("__complete regate rev")?;
    assert!(completed.stdout.starts_with("review\t"), "{completed:?}");
    assert!(completed.stdout.ends_with("\n:4"), "{completed:?}");
    let completed = run("__complete regate review --expl")?;
    assert!(completed.stdout.starts_with("--explain\t"), "{completed:?}");
    let help = run("regate review --help")?;
    assert!(
        help.stdout.contains("Usage: kubectl regate review "),
        "{}",
        help.stdout
    );
    Ok(())
}
