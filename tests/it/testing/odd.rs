//! Tests that say less than their authors think, and what is odd about files and texts.

use super::{Desk, POLICY, outcomes};

#[test]
fn a_default_of_a_test_and_what_stands_in_for_nothing_are_told() {
    let desk = Desk::with_tests(
        "import data.kubernetes.admission.owner\ndefault test_a := true\ntest_a if owner.deny == 1\n\
         test_b if owner.deny with input as {} with data.kubernetes.admission.owner.dney as 1 with data.mine as 2\n",
    );
    let (_, _, error) = desk.test(&[]);
    assert_eq!(
        error,
        "warning: policies/a_test.rego:3:1: `test_a` is true by default: no body of it has to hold\n\
         warning: policies/a_test.rego:5:44: `with` replaces `data.kubernetes.admission.owner.dney`, and there is \
         nothing to replace: did you mean `data.kubernetes.admission.owner.deny`?\n"
    );
}

#[test]
fn a_test_in_a_package_with_a_quoted_name_is_run() {
    let desk = Desk::new(&[
        ("policies/a.rego", POLICY),
        (
            "policies/a_test.rego",
            "package t[\"own-er\"].x\ntest_a if true\ntest_b if false\n",
        ),
    ]);
    let report = desk.json(&[]);
    assert_eq!(outcomes(&report), [("test_a", "passed"), ("test_b", "failed")]);
}

#[test]
fn nothing_that_a_terminal_obeys_is_printed() {
    let desk = Desk::with_tests("test_a if {\n\tprint(\"\\u001b[2Jx\\ny\")\n\tfalse\n}\n");
    let (_, out, _) = desk.test(&[]);
    assert!(
        out.contains("\n  printed at policies/a_test.rego:3:  [2Jx\n  y\n"),
        "{out:?}"
    );
}

#[test]
fn a_threshold_is_not_met_where_there_is_nothing_to_cover() {
    let desk = Desk::new(&[("policies/a_test.rego", "package t\ntest_a if true\n")]);
    let (code, _, error) = desk.test(&["--threshold", "1"]);
    assert_eq!(
        (code, error.as_str()),
        (1, "there are no policies that the tests could cover\n")
    );
    assert_eq!(desk.test(&["--threshold", "0"]).0, 0);
}

#[test]
fn a_byte_order_mark_before_a_file_is_no_part_of_it() {
    let desk = Desk::new(&[
        ("policies/a.rego", &format!("\u{feff}{POLICY}")),
        ("policies/a_test.rego", "\u{feff}package t\ntest_a if true\n"),
    ]);
    assert_eq!(outcomes(&desk.json(&[])), [("test_a", "passed")]);
}

#[test]
fn a_case_of_gatekeepers_ends_with_its_time_and_keeps_no_other_from_being_run() {
    let template = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: slow}\n\
        spec:\n  crd: {spec: {names: {kind: Slow}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n\
        \x20     package slow\n      violation[{\"msg\": \"x\"}] {\n        input.review.object.metadata.name == \"slow\"\n\
        \x20       i := numbers.range(1, 100000)[_]\n        j := numbers.range(1, 100000)[_]\n        i * j == -1\n      }\n";
    let constraint =
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Slow\nmetadata: {name: slow}\nspec: {}\n";
    let suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests:\n- name: t\n  template: template.yaml\n  \
        constraint: constraint.yaml\n  cases:\n  - {name: a, object: slow.yaml, assertions: [{violations: no}]}\n  \
        - {name: b, object: quick.yaml, assertions: [{violations: no}]}\n";
    let object = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n");
    let desk = Desk::new(&[
        ("policies/template.yaml", template),
        ("policies/constraint.yaml", constraint),
        ("policies/suite.yaml", suite),
        ("policies/slow.yaml", &object("slow")),
        ("policies/quick.yaml", &object("quick")),
    ]);
    let report = desk.json(&["--timeout", "1", "--parallel", "1"]);
    assert_eq!(outcomes(&report), [("t/a", "failed"), ("t/b", "passed")]);
    assert_eq!(
        report["tests"][0]["failure"]["message"],
        "the evaluation did not end in time"
    );
}
