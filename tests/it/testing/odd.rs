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
