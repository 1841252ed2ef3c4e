//! `regate test` as authors run it: the real binary on folders of policies, tests and suites.

mod gatekeeper;
mod odd;
mod reports;
mod suites;
mod watching;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

pub(super) const POLICY: &str = "package kubernetes.admission.owner\n\n\
    deny contains msg if {\n\tnot input.request.object.metadata.labels.owner\n\tmsg := \"no owner\"\n}\n\n\
    deny contains \"jane may not\" if {\n\tinput.request.userInfo.username == \"jane\"\n}\n";

/// A directory with files, where the command runs.
pub(super) struct Desk(TempDir);

impl Desk {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(desk.path().join("policies")).unwrap();
        files.iter().for_each(|(name, text)| desk.write(name, text));
        desk
    }

    /// One policy and a file of tests in the package `t`.
    pub(super) fn with_tests(tests: &str) -> Self {
        let tests = format!("package t\n{tests}");
        Self::new(&[("policies/a.rego", POLICY), ("policies/a_test.rego", &tests)])
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_regate"));
        command
            .arg("test")
            .args(arguments)
            .current_dir(self.path())
            .env_clear();
        command
    }

    /// How it ends, and what it prints to both.
    pub(super) fn test(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let (_, out, error) = self.test(&[&["-o", "json"], arguments].concat());
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"))
    }
}

/// Name and outcome of each test.
pub(super) fn outcomes(report: &Value) -> Vec<(&str, &str)> {
    let tests = report["tests"].as_array().unwrap().iter();
    tests
        .map(|test| (test["name"].as_str().unwrap(), test["outcome"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_policies_of_the_project_pass_their_tests_and_all_of_their_lines_are_reached() {
    let output = Command::new(env!("CARGO_BIN_EXE_regate"))
        .args(["test", "policies", "-o", "json", "--threshold", "100"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed: Vec<_> = outcomes(&report)
        .into_iter()
        .filter(|(_, outcome)| *outcome != "passed")
        .collect();
    assert_eq!(failed, []);
    assert!(report["passed"].as_u64().unwrap() >= 351, "{}", report["passed"]);
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stderr)),
        (Some(0), "".into())
    );
}

#[test]
fn a_test_passes_when_it_is_true_and_in_no_other_case() {
    let desk = Desk::with_tests(
        "import data.kubernetes.admission.owner\n\
         test_true if count(owner.deny) == 1\n\
         test_constant := true\n\
         test_false := false\n\
         test_default if false\n\
         default test_default := false\n\
         test_undefined if input.nothing\n\
         test_text := \"true\"\n\
         test_set contains true\n\
         test_error if to_number(\"x\") == 1\n\
         test_conflict := 1\n\
         test_conflict := 2\n\
         todo_test_later if false\n\
         todo_later if false\n\
         helper if false\n",
    );
    let report = desk.json(&[]);
    assert_eq!(
        outcomes(&report),
        [
            ("test_true", "passed"),
            ("test_constant", "passed"),
            ("test_false", "failed"),
            ("test_default", "failed"),
            ("test_undefined", "failed"),
            ("test_text", "failed"),
            ("test_set", "failed"),
            ("test_error", "error"),
            ("test_conflict", "error"),
            ("todo_test_later", "skipped"),
            ("todo_later", "skipped"),
        ]
    );
    let counts = ["passed", "failed", "skipped"].map(|key| report[key].as_u64().unwrap());
    assert_eq!(counts, [2, 7, 2]);
    let failure = |name: &str| {
        let tests = report["tests"].as_array().unwrap();
        let test = tests.iter().find(|test| test["name"] == name).unwrap();
        test["failure"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(failure("test_false"), "it is false");
    assert_eq!(
        failure("test_set"),
        "it has a value of type set; a test passes when it is true"
    );
    assert!(
        failure("test_error").starts_with("policies/a_test.rego:11:24: to_number: "),
        "{}",
        failure("test_error")
    );
    assert!(failure("test_conflict").contains("two different values"));
    let (code, out, error) = desk.test(&[]);
    assert_eq!(code, 1);
    assert!(out.ends_with("\n2 passed, 7 failed, 2 skipped\n"), "{out}");
    assert_eq!(
        error,
        "warning: policies/a_test.rego:13:1: `test_conflict` is there already: the test passes if one of them is true\n"
    );
}

#[test]
fn input_data_functions_builtins_and_time_can_be_stood_in_for() {
    let lib = "package lib\nimport data.stock\n\
        late if time.now_ns() > 10\n\
        price(x) := stock.prices[x]\n\
        sum := price(input.name) * count(input.items)\n";
    let desk = Desk::new(&[
        ("policies/a.rego", POLICY),
        ("policies/lib.rego", lib),
        ("policies/stock/data.json", "{\"stock\": 1}"),
        (
            "policies/lib_test.rego",
            "package lib_test\nimport data.lib\n\
             test_input_and_data if {\n\
             \tlib.sum == 6 with input as order(\"a\", [1, 2]) with data.stock.prices as {\"a\": 3}\n\
             }\n\
             test_part_of_input if lib.sum == 3 with input.name as \"a\" with input.items as [1] with data.stock.prices as {\"a\": 3}\n\
             test_function if lib.sum == 14 with input as order(\"a\", [1, 2]) with data.lib.price as seven\n\
             test_builtin if lib.sum == 35 with input as order(\"a\", []) with data.lib.price as seven with count as 5\n\
             test_time if not lib.late with time.now_ns as 9\n\
             test_late if lib.late with time.now_ns as 11\n\
             test_now if lib.late\n\
             test_without_input if not lib.sum\n\
             seven(_) := 7\n\
             order(name, items) := {\"name\": name, \"items\": items}\n",
        ),
    ]);
    desk.write("policies/stock/data.json", "{\"prices\": {}}");
    let (code, out, error) = desk.test(&["-v"]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(out.ends_with("\n8 passed, 0 failed, 0 skipped\n"), "{out}");
}

#[test]
fn a_test_in_a_policys_own_package_changes_nothing_of_what_is_served() {
    let desk = Desk::new(&[
        ("policies/a.rego", POLICY),
        (
            "policies/a_test.rego",
            "package kubernetes.admission.owner\ndeny contains \"of the test\"\ntest_it if count(deny) == 2\n",
        ),
        (
            "policies/a_suite.yaml",
            "apiVersion: regate.dev/v1alpha1\nkind: Suite\ncases:\n- name: served\n  gate: validate\n  \
             object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n  \
             expect: {decision: deny, messages: ['[owner] no owner']}\n",
        ),
    ]);
    let (code, out, error) = desk.test(&[]);
    assert_eq!(
        (code, out.as_str(), error.as_str()),
        (0, "2 passed, 0 failed, 0 skipped\n", "")
    );
}

#[test]
fn what_fails_in_a_test_fails_as_at_the_policys_gate() {
    let desk = Desk::new(&[
        (
            "policies/lax.rego",
            "# METADATA\n# custom:\n#   builtinErrors: undefined\npackage kubernetes.admission.lax\n\
             deny contains \"a number\" if to_number(input.x) > 0\ndeny contains \"always\"\n",
        ),
        (
            "policies/strict.rego",
            "package kubernetes.admission.strict\n\
             deny contains \"a number\" if to_number(input.x) > 0\ndeny contains \"always\"\n",
        ),
        (
            "policies/tokens.rego",
            "package kubernetes.authentication.tokens\n\
             user := {\"username\": json.unmarshal(input.spec.token).name}\n",
        ),
        (
            "policies/lax_test.rego",
            "package lax_test\nimport data.kubernetes.admission.lax\n\
             test_passed_over if lax.deny == {\"always\"} with input.x as \"y\"\n",
        ),
        (
            "policies/strict_test.rego",
            "package strict_test\nimport data.kubernetes.admission.strict\n\
             test_a_fault if strict.deny == {\"always\"} with input.x as \"y\"\n",
        ),
        (
            "policies/tokens_test.rego",
            "package tokens_test\nimport data.kubernetes.authentication.tokens\n\
             test_rubbish_is_nobody if not tokens.user with input.spec.token as \"rubbish\"\n",
        ),
    ]);
    assert_eq!(
        outcomes(&desk.json(&[])),
        [
            ("test_passed_over", "passed"),
            ("test_a_fault", "error"),
            ("test_rubbish_is_nobody", "passed"),
        ]
    );
}

#[test]
fn where_no_test_ran_nothing_passed() {
    let none = Desk::new(&[("policies/a.rego", POLICY)]);
    let message =
        "regate: no test ran: there is no rule `test_…` in a file `*_test.rego`, and no `*_suite.yaml`\n";
    assert_eq!(none.test(&[]), (2, String::new(), message.to_owned()));
    let todo = Desk::with_tests("todo_test_a if false\n");
    let message = "regate: no test ran: all 1 are skipped, as their names begin with `todo_`\n";
    assert_eq!(todo.test(&[]), (2, String::new(), message.to_owned()));
    let some = Desk::with_tests("test_a if true\n");
    let message = "regate: no test ran: --run nothing.like.it finds none\n";
    assert_eq!(
        some.test(&["--run", "nothing.like.it"]),
        (2, String::new(), message.to_owned())
    );
    let both = Desk::with_tests("test_a if true\ntodo_test_b if false\n");
    let message = "regate: no test ran: all 1 are skipped, as their names begin with `todo_`\n";
    assert_eq!(
        both.test(&["--run", "test_b"]),
        (2, String::new(), message.to_owned())
    );
    let (code, _, error) = some.test(&["nowhere"]);
    assert_eq!(code, 2);
    assert!(error.contains("nowhere: cannot be read"), "{error}");
}

#[test]
fn only_tests_that_are_asked_for_run() {
    let desk = Desk::with_tests("test_one if true\ntest_two if false\ntodo_one if true\n");
    let (code, out, _) = desk.test(&["-r", "^data[.]t[.].*one$", "-v"]);
    assert_eq!(code, 0);
    assert!(out.contains("passed data.t.test_one ("), "{out}");
    assert!(out.ends_with("1 passed, 0 failed, 1 skipped\n"), "{out}");
    let (code, _, error) = desk.test(&["-r", "("]);
    assert_eq!(code, 2);
    assert!(error.contains("invalid value '(' for '--run <REGEX>'"), "{error}");
}

#[test]
fn tests_are_checked_like_policies_and_a_bad_one_runs_none() {
    for (tests, expected) in [
        (
            "test_a if data.kubernetes.admission.owner.denny\n",
            "policies/a_test.rego:2:11: nothing provides `data.kubernetes.admission.owner.denny`: did you mean \
             `data.kubernetes.admission.owner.deny`?\n",
        ),
        (
            "test_a if starts_with(\"a\", \"b\")\n",
            "policies/a_test.rego:2:11: there is no function `starts_with`: did you mean `startswith`?\n",
        ),
        (
            "test_a if x == 1\n",
            "policies/a_test.rego:2:11: nothing binds `x`: there is no such variable here, and no rule or import of \
             that name\n",
        ),
        (
            "test_a if {\n",
            "policies/a_test.rego:3:1: expecting expression\n",
        ),
        (
            "test_a if f(1)\nf(x) if f(x)\n",
            "policies/a_test.rego:3:1: `f` calls itself: Rego has no recursion\n",
        ),
    ] {
        let (code, out, error) = Desk::with_tests(tests).test(&[]);
        assert_eq!((code, out.as_str()), (2, ""), "{tests}");
        assert_eq!(error, expected, "{tests}");
    }
    // What a policy lacks no test makes good.
    let desk = Desk::new(&[
        (
            "policies/a.rego",
            "package kubernetes.admission.a\ndeny contains data.lib.text\n",
        ),
        (
            "policies/a_test.rego",
            "package lib\ntext := \"x\"\ntest_a if text == \"x\"\n",
        ),
    ]);
    let (code, _, error) = desk.test(&[]);
    assert_eq!(code, 2);
    assert!(
        error.starts_with("policies/a.rego:2:15: nothing provides `data.lib.text`"),
        "{error}"
    );
    // Data over a rule of a test would be its value.
    let desk = Desk::with_tests("x := 1\ntest_a if x == 2\n");
    desk.write("policies/data.json", "{\"t\": {\"x\": 2}}");
    let (code, _, error) = desk.test(&[]);
    assert_eq!(
        (code, error.as_str()),
        (
            2,
            "policies/a_test.rego:2:1: data at `data.t.x` hides this rule\n"
        )
    );
}

#[test]
fn tests_that_would_never_run_are_told() {
    let desk = Desk::with_tests("test_a if true\ntest_f(x) if x\ntest_a if false\n");
    desk.write("policies/b.rego", "package lib\ntest_here if true\n");
    let (code, _, error) = desk.test(&[]);
    assert_eq!(code, 0);
    assert_eq!(
        error,
        "warning: policies/a_test.rego:3:1: `test_f` is not run: it is a function, and a test is a rule\n\
         warning: policies/a_test.rego:4:1: `test_a` is there already: the test passes if one of them is true\n\
         warning: policies/b.rego:2:1: `test_here` is not run: tests stand in files `*_test.rego`\n"
    );
}

#[test]
fn a_test_that_does_not_end_fails_after_its_time_and_the_others_are_reported() {
    let desk = Desk::with_tests(
        "xs := numbers.range(1, 2000)\n\
         test_endless if {\n\tsome a in xs\n\tsome b in xs\n\tsome c in xs\n\ta + b + c == 0\n}\n\
         test_quick if true\n",
    );
    let report = desk.json(&["--timeout", "0.5"]);
    assert_eq!(
        outcomes(&report),
        [("test_endless", "error"), ("test_quick", "passed")]
    );
    assert_eq!(
        report["tests"][0]["failure"]["message"],
        "the evaluation did not end in time"
    );
}
