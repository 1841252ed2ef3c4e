//! Templates and constraints that could not be enforced as they are meant.

use super::*;

#[test]
fn what_cannot_be_enforced_as_it_is_meant_is_refused() {
    let constraint = |from: &str, to: &str| CONSTRAINT.replace(from, to);
    let template = |from: &str, to: &str| TEMPLATE.replace(from, to);
    let same = || CONSTRAINT.to_owned();
    let mut wrong = Vec::new();
    for (template, constraint, expected) in [
        (
            template("kind: ConstraintTemplate", "kind: Template"),
            same(),
            "0.yaml:1:1: the only kind of",
        ),
        (
            template("sh/v1\n", "sh/v2\n"),
            same(),
            "0.yaml:1:1: templates have a version of v1, v1beta1, v1alpha1, not `v2`",
        ),
        (
            template("name: wantslabels", "name: labels"),
            same(),
            "0.yaml:1:1: a template is called like the kind",
        ),
        (
            template("admission.k8s.gatekeeper.sh", "other.sh"),
            same(),
            "0.yaml:32:5: the target `other.sh` is not served",
        ),
        (
            template("violation[", "violations["),
            same(),
            "0.yaml:41:7: a template needs a rule `violation`",
        ),
        (
            template("package lib.labels", "package labels"),
            same(),
            "0.yaml:35:7: the packages of `libs` are `lib` and below it",
        ),
        (
            template("    rego: |", "    rega: |"),
            same(),
            "0.yaml:32:5: a template needs Rego",
        ),
        (
            template("minimum: 0", "minimum: x"),
            same(),
            "0.yaml:12:11: is no schema",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("kind: WantsLabels", "kind: WantLabels"),
            "1.yaml:1:1: there is no template for the kind `WantLabels`: did you mean `WantsLabels`?",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("action: warn", "action: no").replace("Action: warn", "Action: block"),
            "1.yaml:6:22: `enforcementAction` is one of deny, warn, dryrun, scoped",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("Action: warn", "Action: scoped"),
            "1.yaml:6:22: `scoped` needs `scopedEnforcementActions`",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("    kinds:\n    -", "    knds:\n    -"),
            "1.yaml:8:5: `knds` is no key of a constraint's `match`",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("  match:", "  match:\n    source: Generated"),
            "1.yaml:8:13: `source` is All or Original",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("  match:", "  match:\n    scope: Pods"),
            "1.yaml:8:12: `scope` is one of *, Cluster, Namespaced",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("  match:", "  matches: {}\n  match:"),
            "1.yaml:7:3: the `spec` of a constraint has",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("name: pods-have-owners", "name: Pods"),
            "1.yaml:1:1: a constraint's name is of",
        ),
        (
            TEMPLATE.to_owned(),
            format!("{CONSTRAINT}---\n{CONSTRAINT}"),
            "1.yaml:14:1: a second policy called `WantsLabels/pods-have-owners`: the first is at 1.yaml:1",
        ),
        (
            TEMPLATE.to_owned(),
            "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\n".to_owned(),
            "1.yaml:1:1: objects of `mutations.gatekeeper.sh` are not read",
        ),
        (
            TEMPLATE.to_owned(),
            "apiVersion: expansion.gatekeeper.sh/v1\nkind: ExpansionTemplate\n".to_owned(),
            "1.yaml:1:1: objects of `expansion.gatekeeper.sh` are not read",
        ),
        (
            template(
                "      violation[{\"msg\": msg, \"details\"",
                "      violation(x) = y { y := x }\n      violation2[{\"msg\": msg, \"details\"",
            ),
            same(),
            "0.yaml:41:7: a template needs a rule `violation`",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("name: pods-have-owners", &format!("name: {}", "a".repeat(254))),
            "1.yaml:1:1: a constraint's name is of",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("    kinds:\n    -", "    kinds:\n    - Pod\n    -"),
            "1.yaml:9:7: an item of `kinds` is a map of `apiGroups` and `kinds`",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("kinds: [Pod]", "kind: [Pod]"),
            "1.yaml:10:7: an item of `kinds` has `apiGroups` and `kinds`",
        ),
        (
            TEMPLATE.to_owned(),
            constraint(
                "    kinds:\n    - apiGroups: ['']\n      kinds: [Pod]",
                "    kinds: Pod",
            ),
            "1.yaml:8:12: `kinds` must be a list of maps, it is a string",
        ),
        (
            TEMPLATE.to_owned(),
            constraint(
                "  match:\n    kinds:\n    - apiGroups: ['']\n      kinds: [Pod]",
                "  match: Pod",
            ),
            "1.yaml:7:10: `match` must be a map, it is a string",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("  match:", "  match:\n    namespaces: [shop, 5]"),
            "1.yaml:8:17: this must be a list of strings",
        ),
        (
            template("  targets:\n", "  targets:\n  - target: other.sh\n"),
            same(),
            "0.yaml:1:1: a template has exactly one of `spec.targets`",
        ),
        (
            template("    libs:\n", "    libs:\n    - 5\n"),
            same(),
            "0.yaml:34:7: a module is a string, this is a number",
        ),
        (
            TEMPLATE.to_owned(),
            constraint("  match:", "  match:\n    name: 5"),
            "1.yaml:8:11: `name` is a string",
        ),
        (
            template(
                "      package lib.labels\n",
                "      package lib.labels\n\n      regate_entry = 1\n",
            ),
            same(),
            "0.yaml:37:7: the name `regate_entry` is reserved",
        ),
        (
            format!(
                "{}    code:\n    - engine: Rego\n      source: {{version: v2, rego: 'package t'}}\n",
                TEMPLATE.split_once("    libs:").unwrap().0
            ),
            same(),
            "0.yaml:34:7: Rego has the versions v0 and v1, not `v2`",
        ),
        (
            format!("{TEMPLATE}---\n{TEMPLATE}"),
            same(),
            "a second template for the kind `WantsLabels`: the first is at 0.yaml:1",
        ),
        (
            TEMPLATE.to_owned(),
            "a: b: c".to_owned(),
            "1.yaml:1:5: is no YAML",
        ),
    ] {
        let found = findings(&[&template, &constraint]);
        if !found.iter().any(|one| one.contains(expected)) {
            wrong.push((expected, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        findings(&[TEMPLATE, &constraint("kind: WantsLabels", "kind: UniqueHosts")]),
        ["1.yaml:1:1: there is no template for the kind `UniqueHosts`"]
    );
    let alone = load(&files(&[TEMPLATE], None)).unwrap();
    let warnings: Vec<String> = alone.warnings.iter().map(Finding::to_string).collect();
    assert_eq!(
        warnings,
        ["0.yaml:1:1: there is no constraint of kind `WantsLabels`: nobody asks this template"]
    );
    let cel = TEMPLATE.split_once("    libs:").unwrap().0;
    let cel = format!("{cel}    code:\n    - engine: K8sNativeValidation\n      source: {{}}\n");
    assert_eq!(
        findings(&[&cel, CONSTRAINT]),
        ["0.yaml:32:5: this template is written for K8sNativeValidation alone: only Rego is evaluated"]
    );
}

#[test]
fn what_cannot_be_read_of_a_template_is_not_missed_in_the_rest_of_it() {
    let broken = TEMPLATE.replace("names := {name", "names := {{name");
    let findings = findings(&[&broken, CONSTRAINT]);
    assert!(findings[0].starts_with("0.yaml:40:7: expecting"), "{findings:?}");
    // That nothing provides the library is no finding of its own.
    assert!(
        !findings.iter().any(|one| one.contains("nothing provides")),
        "{findings:?}"
    );
}
