//! What `regate test` says of tests that were run: its reports in every form, their order, and the lines that were reached.

use serde_json::{Value, json};

use super::{Desk, POLICY};

#[test]
fn a_failed_test_shows_the_line_the_values_and_what_was_printed() {
    let desk = Desk::with_tests(
        "import data.kubernetes.admission.owner\n\
         test_jane if {\n\
         \tmessages := owner.deny with input as {\"request\": {\"userInfo\": {\"username\": \"jane\"}}}\n\
         \tprint(\"messages are\", messages)\n\
         \tmessages == {\"jane may not\"}\n\
         }\n\
         test_count if {\n\
         \tcount(owner.deny) == 2\n\
         }\n\
         test_passes if print(\"from a test that passed\")\n",
    );
    let (code, out, error) = desk.test(&["--parallel", "1"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((code, error.as_str()), (1, ""));
    assert!(
        lines[0].starts_with("policies/a_test.rego:3: failed data.t.test_jane ("),
        "{out}"
    );
    assert_eq!(
        lines[1..10],
        [
            "  policies/a_test.rego:6:2: messages == {\"jane may not\"}",
            "    --- expected, right of ==",
            "    +++ actual, left of ==",
            "    @@ -1,3 +1,4 @@",
            "     {",
            "       \"jane may not\",",
            "    +  \"no owner\",",
            "     }",
            "  printed at policies/a_test.rego:5: messages are {\"jane may not\", \"no owner\"}",
        ]
    );
    assert_eq!(
        lines[11..],
        [
            "  policies/a_test.rego:9:2: count(owner.deny) == 2",
            "    count(owner.deny) is 1",
            "    owner.deny is {\"no owner\"}",
            "1 passed, 2 failed, 0 skipped",
        ]
    );
    let (_, out, _) = desk.test(&["-v"]);
    assert!(
        out.contains("passed data.t.test_passes (")
            && out.contains("\n  printed at policies/a_test.rego:11: from a test that passed\n"),
        "{out}"
    );
}

#[test]
fn the_order_of_the_report_is_that_of_the_files_however_many_run_at_a_time() {
    let mut files = vec![("policies/a.rego".to_owned(), POLICY.to_owned())];
    for file in 0..12 {
        let tests: String = (0..6)
            .map(|test| format!("test_{test} if count(numbers.range(0, {})) > 5\n", test * 400))
            .collect();
        files.push((
            format!("policies/f{file}_test.rego"),
            format!("package f{file}_test\n{tests}"),
        ));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let desk = Desk::new(&files);
    let places = |threads: &str| -> Vec<String> {
        let report = desk.json(&["--parallel", threads]);
        let tests = report["tests"].as_array().unwrap().iter();
        tests
            .map(|test| format!("{}:{} {}", test["file"], test["line"], test["outcome"]))
            .collect()
    };
    let (one, eight) = (places("1"), places("8"));
    assert_eq!(one.len(), 72);
    assert_eq!(one, eight);
}

#[test]
fn reports_are_written_in_every_form_and_to_files() {
    let desk = Desk::with_tests(
        "test_a if true\ntest_b if 1 == 2\ntest_c if to_number(\"<\") == 1\ntodo_d if true\n",
    );
    let (code, out, error) = desk.test(&["-o", "pretty", "-o", "junit=out.xml,github=out.txt"]);
    assert_eq!((code, error.as_str()), (1, ""));
    assert!(out.ends_with("1 passed, 2 failed, 1 skipped\n"), "{out}");
    let read = |name: &str| std::fs::read_to_string(desk.path().join(name)).unwrap();
    let junit = read("out.xml");
    let begin = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <testsuites tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\">\n  \
        <testsuite name=\"data.t\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\" time=\"";
    assert!(junit.starts_with(begin), "{junit}");
    assert!(
        junit.contains(
            "<failure message=\"policies/a_test.rego:3:11: 1 == 2\">policies/a_test.rego:3: \
             policies/a_test.rego:3:11: 1 == 2</failure>"
        ),
        "{junit}"
    );
    assert!(
        junit.contains("<skipped/>") && junit.contains("<error message=\""),
        "{junit}"
    );
    assert_eq!(junit.matches("<testcase ").count(), 4);
    assert_eq!(
        read("out.txt").lines().next().unwrap(),
        "::error file=policies/a_test.rego,line=3,title=data.t.test_b::policies/a_test.rego:3:11: 1 == 2"
    );
    for arguments in [
        ["-o", "json", "-o", "junit"].as_slice(),
        &["-o", "json", "--coverage=json"],
        &["-o", "pretty", "-o", "pretty"],
    ] {
        let (code, out, error) = desk.test(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert_eq!(
            error,
            "regate: standard output takes one report: name a file for the others, as in `-o junit=FILE`\n"
        );
    }
    let (code, _, error) = desk.test(&["-o", "junit=nowhere/out.xml"]);
    assert_eq!(code, 2);
    assert!(error.starts_with("regate: nowhere/out.xml: "), "{error}");
    for (wrong, expected) in [
        ("tap", "one of pretty, json, junit, github"),
        ("junit=", "a file is wanted behind `=`"),
    ] {
        let (code, _, error) = desk.test(&["-o", wrong]);
        assert_eq!(code, 2, "{wrong}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_form_of_other_commands_for_people_is_that_of_the_tests_too() {
    let desk = Desk::with_tests("test_a if true\n");
    let output = desk.command(&[]).env("REGATE_OUTPUT", "text").output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "1 passed, 0 failed, 0 skipped\n"
    );
}

#[test]
fn each_package_and_each_suite_is_a_suite_of_junits_with_what_was_printed() {
    let desk = Desk::with_tests("test_a if true\n");
    for (name, text) in [
        (
            "policies/b_test.rego",
            "package u\ntest_b if print(\"<hello>\")\ntest_c if true\n",
        ),
        (
            "policies/a_suite.yaml",
            "apiVersion: regate.dev/v1alpha1\nkind: Suite\ncases:\n- name: one\n  gate: validate\n  \
             object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n  expect: {decision: deny}\n",
        ),
    ] {
        desk.write(name, text);
    }
    let (code, out, error) = desk.test(&["-o", "junit"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let suites: Vec<&str> = out
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("<testsuite name=\"")?
                .split(" failures")
                .next()
        })
        .collect();
    assert_eq!(
        suites,
        [
            "policies/a_suite.yaml\" tests=\"1\"",
            "data.t\" tests=\"1\"",
            "data.u\" tests=\"2\"",
        ]
    );
    assert_eq!(out.matches("<system-out>").count(), 1);
    assert!(
        out.contains("<system-out>policies/b_test.rego:2: &lt;hello&gt;</system-out>"),
        "{out}"
    );
}

#[test]
fn a_test_of_several_bodies_fails_where_the_first_does_and_tells_of_each() {
    let desk = Desk::with_tests(
        "test_a if {\n\tinput.one\n}\n\
         test_a if {\n\tsome x in [1, 2, 3, 4, 5]\n\tx > 10\n}\n",
    );
    let report = desk.json(&[]);
    let test = &report["tests"][0];
    let failure = &test["failure"];
    assert_eq!(
        (&test["line"], &failure["file"], &failure["line"]),
        (&2.into(), &"policies/a_test.rego".into(), &3.into())
    );
    let message = failure["message"].as_str().unwrap();
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.first(), Some(&"policies/a_test.rego:3:2: input.one"));
    assert!(lines.contains(&"policies/a_test.rego:7:2: x > 10"), "{message}");
    assert_eq!(lines.last(), Some(&"  … and 2 other ways to get there"));
}

#[test]
fn coverage_tells_the_lines_that_no_test_came_to() {
    let desk = Desk::with_tests(
        "import data.kubernetes.admission.owner\n\
         test_owner if count(owner.deny) == 0 with input.request.object.metadata.labels.owner as \"a\"\n",
    );
    desk.write(
        "policies/lib.rego",
        "package lib\nx := input.y\nz if {\n\tx == 1\n\tx == 2\n}\n",
    );
    let (code, out, _) = desk.test(&["--coverage"]);
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "1 passed, 0 failed, 0 skipped\n \
         40.0%  policies/a.rego  not reached: 3, 5, 8\n  \
         0.0%  policies/lib.rego  not reached: 2, 4-5\n \
         25.0%  of 8 lines of 2 files\n"
    );
    let (_, out, _) = desk.test(&["--coverage=json", "-o", "pretty=pretty.txt"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["percent"], &report["coveredLines"], &report["lines"]),
        (&25.0.into(), &2.into(), &8.into())
    );
    assert_eq!(
        report["files"][0],
        json!({"file": "policies/a.rego", "percent": 40.0, "covered": [4, 9], "notCovered": [3, 5, 8]})
    );
    let (_, out, _) = desk.test(&["--coverage=lcov=cov.info"]);
    assert_eq!(out, "1 passed, 0 failed, 0 skipped\n");
    let lcov = std::fs::read_to_string(desk.path().join("cov.info")).unwrap();
    assert!(
        lcov.starts_with("SF:policies/a.rego\nDA:3,0\nDA:4,1\n")
            && lcov.contains("\nLF:5\nLH:2\nend_of_record\n"),
        "{lcov}"
    );
    let (code, _, error) = desk.test(&["--threshold", "30"]);
    assert_eq!(
        (code, error.as_str()),
        (1, "the tests cover 25% of the policies, less than 30%\n")
    );
    let (code, _, error) = desk.test(&["--threshold", "25"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let (code, _, error) = desk.test(&["--threshold", "101"]);
    assert_eq!(code, 2);
    assert!(error.contains("a number from 0 to 100"), "{error}");
}

#[test]
fn programs_are_told_all_that_is_known_of_each_test() {
    let desk = Desk::with_tests("test_a if {\n\tprint(\"one\")\n\tfalse\n}\ntodo_b if true\n");
    let mut report = desk.json(&["--timeout", "60"]);
    for test in report["tests"].as_array_mut().unwrap() {
        let seconds = test.as_object_mut().unwrap().remove("seconds").unwrap();
        assert!((0.0..60.0).contains(&seconds.as_f64().unwrap()), "{seconds}");
    }
    assert_eq!(
        report,
        json!({
            "passed": 0, "failed": 1, "skipped": 1,
            "tests": [
                {
                    "group": "data.t", "name": "test_a", "outcome": "failed",
                    "file": "policies/a_test.rego", "line": 2,
                    "failure": {
                        "file": "policies/a_test.rego", "line": 4,
                        "message": "policies/a_test.rego:4:2: false",
                    },
                    "prints": ["policies/a_test.rego:3: one"],
                },
                {
                    "group": "data.t", "name": "todo_b", "outcome": "skipped",
                    "file": "policies/a_test.rego", "line": 6,
                    "failure": null,
                    "prints": [],
                },
            ],
        })
    );
}
