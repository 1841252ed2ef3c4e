//! Gatekeeper's suites, run by `regate test`: folders as its own command has them, with template, constraint and objects.

use super::{Desk, outcomes};

const TEMPLATE: &str = r#"apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: uniqueport}
spec:
  crd:
    spec:
      names: {kind: UniquePort}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            reserved: {type: array, items: {type: integer}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package uniqueport

      violation[{"msg": msg}] {
        port := input.review.object.spec.ports[_].port
        port == input.parameters.reserved[_]
        msg := sprintf("port %d is reserved", [port])
      }

      violation[{"msg": msg}] {
        port := input.review.object.spec.ports[_].port
        other := data.inventory.namespace[namespace]["v1"]["Service"][name]
        other.spec.ports[_].port == port
        msg := sprintf("port %d is that of %s/%s", [port, namespace, name])
      }
"#;

const CONSTRAINT: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1
kind: UniquePort
metadata: {name: ports}
spec:
  match: {kinds: [{apiGroups: [''], kinds: [Service]}]}
  parameters: {reserved: [22, 23]}
";

const CASES: &str = "
  - name: free
    object: samples/web.yaml
    assertions: [{violations: no}]
  - name: reserved
    object: samples/shell.yaml
    assertions:
    - violations: yes
    - violations: 2
    - violations: 1
      message: '^port 2[2] is'
    - violations: no
      message: that of
  - name: taken
    object: samples/web.yaml
    inventory: [samples/inventory.yaml]
    assertions: [{violations: 1, message: 'that of shop/(till|cart)$'}]
  - name: later
    skip: true
    object: samples/unwritten.yaml
    assertions: [{violations: yes}]
";

fn service(name: &str, ports: &[u16]) -> String {
    let ports: String = ports.iter().map(|port| format!("  - port: {port}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  ports:\n{ports}"
    )
}

/// A folder of a library with these cases.
fn desk(cases: &str) -> Desk {
    let desk = Desk::new(&[]);
    let suite = format!(
        "kind: Suite\napiVersion: test.gatekeeper.sh/v1alpha1\nmetadata: {{name: ports}}\ntests:\n\
         - name: ports\n  template: template.yaml\n  constraint: samples/constraint.yaml\n  cases:{cases}"
    );
    for (name, text) in [
        ("suite.yaml", suite.as_str()),
        ("template.yaml", TEMPLATE),
        ("samples/constraint.yaml", CONSTRAINT),
        ("samples/web.yaml", &service("web", &[80])),
        ("samples/shell.yaml", &service("shell", &[22, 23])),
        ("samples/inventory.yaml", &service("till", &[80, 81])),
    ] {
        desk.write(&format!("library/ports/{name}"), text);
    }
    desk
}

#[test]
fn the_cases_of_a_library_are_run_as_its_suites_say() {
    let desk = desk(CASES);
    let report = desk.json(&["library"]);
    assert_eq!(
        outcomes(&report),
        [
            ("ports/free", "passed"),
            ("ports/reserved", "passed"),
            ("ports/taken", "passed"),
            ("ports/later", "skipped"),
        ]
    );
    let (code, out, error) = desk.test(&["library"]);
    assert_eq!(
        (code, out.as_str(), error.as_str()),
        (0, "3 passed, 0 failed, 1 skipped\n", "")
    );
}

#[test]
fn an_assertion_that_does_not_hold_fails_with_what_was_said() {
    for (from, to, expected) in [
        (
            "assertions: [{violations: no}]",
            "assertions: [{violations: yes}]",
            "library/ports/suite.yaml:9: failed ports/free (\n  at least 1 violations expected, 0 found; there are none at all\n",
        ),
        (
            "violations: 2",
            "violations: 3",
            "library/ports/suite.yaml:12: failed ports/reserved (\n  3 violations expected, 2 found; there are: port 22 is reserved | port 23 is reserved\n",
        ),
        (
            "message: '^port 2[2] is'",
            "message: '^port 4[2] is'",
            "library/ports/suite.yaml:12: failed ports/reserved (\n  1 violations like `^port 4[2] is` expected, 0 found; there are: port 22 is reserved | port 23 is reserved\n",
        ),
        (
            "message: that of",
            "message: reserved",
            "library/ports/suite.yaml:12: failed ports/reserved (\n  none violations like `reserved` expected, 2 found; there are: port 22 is reserved | port 23 is reserved\n",
        ),
        (
            "    inventory: [samples/inventory.yaml]\n",
            "",
            "library/ports/suite.yaml:21: failed ports/taken (\n  1 violations like `that of shop/(till|cart)$` expected, 0 found; there are none at all\n",
        ),
    ] {
        let (code, out, error) = desk(&CASES.replace(from, to)).test(&["library"]);
        assert_eq!((code, error.as_str()), (1, ""), "{out}");
        let told = without_times(&out);
        assert_eq!(told, format!("{expected}2 passed, 1 failed, 1 skipped\n"));
    }
}

/// Each `(… ms)` as `(`.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once('(') {
        Some((before, took)) if took.ends_with(" ms)") => format!("{before}(\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn a_file_that_is_not_there_ends_the_run_before_it_begins() {
    let wrong = CASES
        .replacen("samples/web.yaml", "samples/wbe.yaml", 1)
        .replace("samples/inventory.yaml", "samples/gone.yaml");
    let (code, out, error) = desk(&wrong).test(&["library"]);
    assert_eq!((code, out.as_str()), (2, ""));
    for expected in [
        "library/ports/suite.yaml:10:13: there is no file `samples/wbe.yaml`",
        "library/ports/suite.yaml:23:17: there is no file `samples/gone.yaml`",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    // What is not run may be unwritten: only that.
    let (code, _, error) = desk(&CASES.replace("    skip: true\n", "")).test(&["library"]);
    assert_eq!(code, 2);
    assert!(
        error.contains("there is no file `samples/unwritten.yaml`"),
        "{error}"
    );
}

/// What a suite of one test over these files says.
fn suite(template: &str, constraint: &str, object: &str, violations: &str) -> String {
    format!(
        "kind: Suite\napiVersion: test.gatekeeper.sh/v1alpha1\ntests:\n- name: ports\n  template: {template}\n  \
         constraint: {constraint}\n  cases:\n  - {{name: one, object: {object}, assertions: [{{violations: {violations}}}]}}\n"
    )
}

#[test]
fn each_suite_has_its_own_templates_and_constraints_whatever_lies_beside_them() {
    let desk = desk(CASES);
    // The same kind and the same name again, with other parameters, in a folder of its own, and one outside of it.
    for (name, text) in [
        ("library/more/template.yaml", TEMPLATE.to_owned()),
        (
            "library/more/samples/a/constraint.yaml",
            CONSTRAINT.replace("22, 23", "80"),
        ),
        (
            "library/more/samples/b/constraint.yaml",
            CONSTRAINT.replace("22, 23", "443"),
        ),
        ("library/more/web.yaml", service("web", &[80])),
        (
            "library/shared/constraint.yaml",
            CONSTRAINT.replace("22, 23", "8080"),
        ),
        (
            "library/more/suite.yaml",
            suite("template.yaml", "samples/a/constraint.yaml", "web.yaml", "1"),
        ),
        (
            "library/more/other/suite.yaml",
            suite(
                "../template.yaml",
                "../../shared/constraint.yaml",
                "../web.yaml",
                "no",
            ),
        ),
    ] {
        desk.write(name, &text);
    }
    let (code, out, error) = desk.test(&["library"]);
    assert_eq!(
        (code, out.as_str(), error.as_str()),
        (0, "5 passed, 0 failed, 1 skipped\n", "")
    );
    // What no suite has anything to do with is to be served, and has to load.
    desk.write("library/served/constraint.yaml", CONSTRAINT);
    let (code, _, error) = desk.test(&["library"]);
    assert_eq!(code, 2);
    assert_eq!(
        error,
        "library/served/constraint.yaml:1:1: there is no template for the kind `UniquePort`\n"
    );
    desk.write("library/served/template.yaml", TEMPLATE);
    assert_eq!(desk.test(&["library"]).0, 0);
}

#[test]
fn a_suite_of_ours_asks_the_templates_and_constraints_beside_a_gatekeepers_suite() {
    let case = "apiVersion: regate.dev/v1alpha1\nkind: Suite\ncases:\n\
        - {name: shell, gate: validate, manifest: policies/ports/shell.yaml, expect: {decision: deny, by: [ports]}}\n";
    let desk = Desk::new(&[
        ("policies/ports/template.yaml", TEMPLATE),
        ("policies/ports/constraint.yaml", CONSTRAINT),
        ("policies/ports/shell.yaml", &service("shell", &[22])),
        (
            "policies/ports/suite.yaml",
            &suite("template.yaml", "constraint.yaml", "shell.yaml", "1"),
        ),
        ("ports_suite.yaml", case),
    ]);
    let report = desk.json(&["policies", "ports_suite.yaml"]);
    assert_eq!(outcomes(&report), [("ports/one", "passed"), ("shell", "passed")]);
    // And then all of it has to be what a server would load.
    desk.write("policies/ports/samples/constraint.yaml", CONSTRAINT);
    let (code, _, error) = desk.test(&["policies", "ports_suite.yaml"]);
    assert_eq!(code, 2);
    assert_eq!(
        error,
        "policies/ports/samples/constraint.yaml:1:1: a second policy called `UniquePort/ports`: \
         the first is at policies/ports/constraint.yaml:1\n"
    );
    assert_eq!(desk.test(&["policies"]).0, 0);
}
