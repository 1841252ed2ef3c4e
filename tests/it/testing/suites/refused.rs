//! What is refused in suites: each mistake at its place, and files that are made to do harm.

use std::process::{Command, Stdio};

use super::desk;

#[test]
fn what_a_suite_says_that_means_nothing_is_told_with_its_place_and_nothing_runs() {
    let ok = "expect: {decision: allow}";
    let coded = |code: &str| {
        let object = "object: {apiVersion: v1, kind: Pod}";
        format!("cases:\n- {{name: a, {object}, expect: {{decision: deny, code: {code}}}}}\n")
    };
    for (suite, expected) in [
        (
            "cases: []\n".to_owned(),
            "1:1: a suite has a list of `cases`, at least one",
        ),
        (
            format!("casez: []\ncases:\n- {{name: a, token: t, {ok}}}\n"),
            "3:1: a suite has no key `casez`: did you mean `cases`?",
        ),
        (
            format!("defaults: {{users: x}}\ncases:\n- {{name: a, token: t, {ok}}}\n"),
            "3:12: `defaults` has no key `users`: did you mean `user`?",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: allow, messagesContain: []}}\n".to_owned(),
            "4:66: `messagesContain` holds of everything: name a text",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: allow, messagesContain: [x, \"\"]}}\n"
                .to_owned(),
            "4:66: `messagesContain` holds of everything: name a text",
        ),
        (
            format!("cases:\n- {{token: t, {ok}}}\n"),
            "4:3: a case has a `name`, a string that is not empty",
        ),
        (
            format!("cases:\n- {{name: a, token: t, {ok}}}\n- {{name: a, token: t, {ok}}}\n"),
            "5:3: another case of this suite is called `a`",
        ),
        (
            format!("cases:\n- {{name: a, {ok}}}\n"),
            "4:3: a case has one of `review`, `object`, `manifest`, `token`, `verb`, `images`",
        ),
        (
            format!("cases:\n- {{name: a, token: t, verb: get, {ok}}}\n"),
            "4:3: a case has one of `review`, `object`, `manifest`, `token`, `verb`, `images`",
        ),
        (
            format!("cases:\n- {{name: a, token: t, operation: CREATE, {ok}}}\n"),
            "4:23: a case with `token` has no key `operation`",
        ),
        (
            format!("cases:\n- {{name: a, manifest: files/none.yaml, {ok}}}\n"),
            "4:23: policies/files/none.yaml: cannot be read: No such file or directory (os error 2)",
        ),
        (
            format!("cases:\n- {{name: a, token: t, no: x, {ok}}}\n"),
            "4:23: a case with `token` has no key `no`",
        ),
        (
            format!("cases:\n- {{name: a, token: 1, {ok}}}\n"),
            "4:20: `token` is a string, not a number",
        ),
        (
            format!("cases:\n- {{name: a, token: t, audiences: [1], {ok}}}\n"),
            "4:34: `audiences` is a list of strings",
        ),
        (
            format!("cases:\n- {{name: a, object: [x], {ok}}}\n"),
            "4:21: `object` is a map whose keys are strings",
        ),
        (
            format!("cases:\n- {{name: a, manifest: files/two.yaml, {ok}}}\n"),
            "4:23: `manifest` is one review or one object",
        ),
        (
            format!("cases:\n- {{name: a, manifest: files/old.yaml, oldObject: files/two.yaml, {ok}}}\n"),
            "4:50: policies/files/two.yaml: one manifest is wanted here",
        ),
        (
            format!("cases:\n- {{name: a, manifest: files/old.yaml, namespace: {{labels: {{}}}}, {ok}}}\n"),
            "4:50: a `namespace` that is a map has a `name`",
        ),
        (
            format!(
                "cases:\n- {{name: a, manifest: files/old.yaml, namespace: {{name: x, labels: {{a: 1}}}}, {ok}}}\n"
            ),
            "4:68: `labels` is a map of strings",
        ),
        (
            format!("cases:\n- {{name: a, object: {{kind: Pod}}, {ok}}}\n"),
            "4:21: object: a manifest has apiVersion and kind",
        ),
        (
            format!("cases:\n- {{name: a, object: {{kind: TokenReview, spec: {{}}}}, {ok}}}\n"),
            "4:21: `object` is an object; a review is given as `review`",
        ),
        (
            format!("cases:\n- {{name: a, review: {{apiVersion: v1, kind: Pod}}, {ok}}}\n"),
            "4:21: `review` is a review; an object is given as `object` or `manifest`",
        ),
        (
            format!("cases:\n- {{name: a, object: {{apiVersion: v1, kind: Pod}}, gate: authz, {ok}}}\n"),
            "4:56: `gate` is mutate or validate; other reviews say theirs themselves",
        ),
        (
            format!("cases:\n- {{name: a, object: {{apiVersion: v1, kind: Pod}}, operation: PATCH, {ok}}}\n"),
            "4:61: `operation` is one of CREATE, UPDATE, DELETE",
        ),
        (
            format!("cases:\n- {{name: a, verb: get, {ok}}}\n"),
            "4:19: a case with `verb` has either `resource` or `path`",
        ),
        (
            format!("cases:\n- {{name: a, token: t, now: tomorrow, {ok}}}\n"),
            "4:28: `now` is a time as in `2026-01-31T12:00:00Z`",
        ),
        (
            format!("cases:\n- {{name: a, token: t, parameters: {{token: {{}}}}, {ok}}}\n"),
            "4:36: there is no policy `token` at authn: did you mean `tokens`?",
        ),
        (
            format!(
                "cases:\n- {{name: a, token: t, data: {{kubernetes: {{admission: {{owner: 1}}}}}}, {ok}}}\n"
            ),
            "4:29: data at `data.kubernetes.admission.owner.deny` would hide a rule there",
        ),
        (
            "cases:\n- {name: a, token: t}\n".to_owned(),
            "4:3: a case says what to `expect`",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {user: {}}}\n".to_owned(),
            "4:31: `expect` has a `decision`: allow, deny, no opinion, error",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: yes}}\n".to_owned(),
            "4:42: `decision` is one of allow, deny, no opinion, error",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: deny, code: 403}}\n".to_owned(),
            "4:54: an answer of authn has no `code`",
        ),
        (coded("99"), "4:81: `code` is an HTTP status"),
        (coded("600"), "4:81: `code` is an HTTP status"),
        (coded("\"403\""), "4:81: `code` is an HTTP status"),
        (
            "cases:\n- {name: a, token: t, expect: {decision: deny, by: [owner]}}\n".to_owned(),
            "4:52: there is no policy `owner` at authn",
        ),
        (
            "cases:\n- {name: a, token: t, expect: {decision: deny, mesages: []}}\n".to_owned(),
            "4:48: `expect` has no key `mesages`: did you mean `messages`?",
        ),
        ("cases: [\n".to_owned(), ""),
    ] {
        let (code, out, error) = desk(&suite).test(&[]);
        assert_eq!((code, out.as_str()), (2, ""), "{suite}{error}");
        let expected = format!("policies/all_suite.yaml:{expected}");
        assert!(
            error.lines().any(|line| line == expected
                || (suite == "cases: [\n" && line.starts_with("policies/all_suite.yaml:"))),
            "{expected}\n{error}"
        );
    }
    let desk = desk("");
    desk.write(
        "policies/all_suite.yaml",
        "apiVersion: v1\nkind: Suites\ncases:\n- {name: a, token: t, expect: {decision: deny}}\n",
    );
    let (code, _, error) = desk.test(&[]);
    assert_eq!(
        (code, error.as_str()),
        (
            2,
            "policies/all_suite.yaml:1:13: `apiVersion` must be regate.dev/v1alpha1\n\
             policies/all_suite.yaml:2:7: `kind` must be Suite\n"
        )
    );
    desk.write("policies/all_suite.yaml", "kind: Suite\ncases: [{}]\n");
    let (code, _, error) = desk.test(&[]);
    let version = "policies/all_suite.yaml:1:1: a suite says `apiVersion: regate.dev/v1alpha1`\n";
    assert!(code == 2 && error.starts_with(version), "{error}");
}

#[test]
fn a_mistake_that_concerns_several_cases_is_told_once() {
    let case = "object: {apiVersion: v1, kind: ConfigMap}, expect: {decision: allow}";
    let suite = "defaults: {namespace: {name: shop, label: {}}}\n";
    let desk = desk(&format!(
        "{suite}cases:\n- {{name: a, {case}}}\n- {{name: b, {case}}}\n"
    ));
    let (code, out, error) = desk.test(&[]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(
        error,
        "policies/all_suite.yaml:3:36: `namespace` has no key `label`: did you mean `labels`?\n"
    );
}

#[test]
fn hostile_suites_are_findings_and_no_reason_to_hang() {
    let desk = desk("cases:\n- {name: a, token: t, expect: {decision: allow}}\n");
    let told = |expected: &str| {
        let (code, out, error) = desk.test(&[]);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(
            error.starts_with("policies/b_suite.yaml") && error.contains(expected),
            "{expected}: {error}"
        );
    };
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, inner) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        let items = vec![format!("*{inner}"); 10].join(", ");
        bomb += &format!("{name}: &{name} [{items}]\n");
    }
    desk.write("policies/b_suite.yaml", &bomb);
    told("its aliases stand for too much");
    desk.write("policies/b_suite.yaml", &"[".repeat(100_000));
    told("");
    desk.write("policies/b_suite.yaml", "");
    told("a suite is a map");
    desk.write("policies/b_suite.yaml", &"# much\n".repeat(700_000));
    told("is longer than 4194304 bytes");
    std::fs::write(desk.path().join("policies/b_suite.yaml"), b"a: \xff\n").unwrap();
    told("is not UTF-8");
    std::fs::remove_file(desk.path().join("policies/b_suite.yaml")).unwrap();
    let made = Command::new("mkfifo")
        .arg(desk.path().join("policies/b_suite.yaml"))
        .status()
        .unwrap();
    assert!(made.success());
    told("is no file");
    // What is served has nothing to do with it.
    let checked = Command::new(env!("CARGO_BIN_EXE_regate"))
        .args(["check", "policies"])
        .current_dir(desk.path())
        .env_clear()
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(checked.success());
    std::fs::remove_file(desk.path().join("policies/b_suite.yaml")).unwrap();
    std::os::unix::fs::symlink("gone", desk.path().join("policies/b_suite.yaml")).unwrap();
    told("cannot be read");
}
