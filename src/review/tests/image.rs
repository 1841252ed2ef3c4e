use super::*;

const TRUSTED: &str = r#"package kubernetes.image.trusted
allow if { every c in input.spec.containers { startswith(c.image, "registry.test/") } }
"#;

#[test]
fn image_denies_needs_an_allow_where_one_exists_and_else_allows() {
    let status = |policies: &[&str], image: &str| {
        ask(Gate::Image, policies, &image_review(&[image]))["status"].clone()
    };
    let annotations = json!({ "no_latest.count": "1" });
    assert_eq!(
        status(&[NO_LATEST], "a:latest"),
        json!({ "allowed": false, "reason": "[no_latest] a:latest has no fixed tag", "auditAnnotations": annotations })
    );
    assert_eq!(
        status(&[NO_LATEST], "a:1"),
        json!({ "allowed": true, "auditAnnotations": annotations })
    );
    assert_eq!(
        status(&[TRUSTED], "registry.test/a:1"),
        json!({ "allowed": true })
    );
    assert_eq!(
        status(&[TRUSTED], "a:1"),
        json!({ "allowed": false, "reason": "no policy allows these images" })
    );
    assert_eq!(status(&[NO_LATEST, TRUSTED], "a:1")["allowed"], json!(false));
    assert_eq!(
        status(&[], "a:1"),
        json!({ "allowed": false, "reason": "no policy is about these images" })
    );
    let open = Settings {
        image_default_allow: true,
        ..Settings::default()
    };
    let (answer, _) = ask_with(
        &open,
        Gate::Image,
        &[],
        image_review(&["a:1"]).to_string().as_bytes(),
    );
    assert!(String::from_utf8_lossy(&answer.body).contains(r#""allowed":true"#));
}

#[test]
fn image_faults_refuse() {
    let faulty = "package kubernetes.image.p\nallow if to_number(\"x\") == 1\n";
    let want = json!({ "allowed": false, "reason": "the policies could not be evaluated" });
    assert_eq!(ask(Gate::Image, &[faulty], &image_review(&["a"]))["status"], want);
}
