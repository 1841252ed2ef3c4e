//! What a template sees of the review and of data, and what becomes of its violations.

use super::*;

#[test]
fn templates_and_constraints_may_stand_in_lists() {
    let items = |objects: &[&str]| {
        let item = |object: &&str| {
            let lines = object.lines().enumerate();
            let lines =
                lines.map(|(number, line)| format!("{}{line}\n", if number == 0 { "- " } else { "  " }));
            lines.collect::<String>()
        };
        let items: String = objects.iter().map(item).collect();
        format!("apiVersion: v1\nkind: List\nitems:\n{items}")
    };
    let other = CONSTRAINT.replace("pods-have-owners", "others-have-owners");
    let set = set(&[&items(&[TEMPLATE, CONSTRAINT, &other])]);
    let names: Vec<&str> = set.policies().iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["others-have-owners", "pods-have-owners"]);
}

#[test]
fn a_template_sees_nothing_of_the_data_but_the_inventory() {
    let rego = "package t\nviolation[{\"msg\": data.secrets.a}] { data.inventory }";
    let manifests = [&*with_rego(rego), &*with_parameters("{labels: []}")];
    let data = json!({"secrets": {"a": "b"}, "inventory": {}});
    let findings = load(&files(&manifests, Some(data))).unwrap_err();
    let told: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("nothing provides `data.secrets"), "{told:?}");
}

#[test]
fn violations_are_sorted_by_their_text() {
    let violations = "package t\nviolation[{\"msg\": \"b\", \"details\": {\"a\": 1}}]\nviolation[{\"msg\": \"a\", \"details\": {\"a\": 2}}]";
    assert_eq!(says(violations, json!({})), ["a", "b"]);
}

#[test]
fn a_template_finds_the_namespace_where_older_versions_had_it() {
    let rego = "package t\nviolation[{\"msg\": msg}] {\n  namespace := input.review._unstable.namespace\n  \
        msg := sprintf(\"%v %v %v\", [namespace.apiVersion, namespace.kind, namespace.metadata.labels.team])\n}";
    let set = set(&[&with_rego(rego), &with_parameters("{labels: []}")]);
    let policy = &set.policies()[0];
    assert!(policy.reads_namespace);
    let namespace = crate::policy::namespaces::Namespace {
        name: "shop".to_owned(),
        labels: [("team".to_owned(), "carts".to_owned())].into(),
        annotations: [].into(),
    };
    let input = policy.dialect.input(Question {
        review: &Document::from_json(&json!({ "request": {"object": {}} })),
        regate: Document::empty(),
        parameters: &policy.parameters,
        namespace: Some(&namespace),
    });
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(20),
        context: Context::default(),
    };
    let outcome = set.evaluate(policy, &input.unwrap(), &limits).unwrap();
    assert_eq!(outcome.deny[0].msg, "v1 Namespace carts");
}

#[test]
fn the_namespace_is_missed_in_whatever_way_a_template_may_look_for_it() {
    let reads = |rego: &str| {
        let set = set(&[&with_rego(rego), &with_parameters("{labels: []}")]);
        set.policies()[0].reads_namespace
    };
    let rego = |body: &str| format!("package t\nviolation[{{\"msg\": \"x\"}}] {{\n  {body}\n}}");
    assert!(reads(&rego(
        "input.review._unstable.namespace.metadata.name == \"a\""
    )));
    assert!(reads(&rego(
        "review := input.review\n  review._unstable.namespace"
    )));
    assert!(reads(&rego("object.get(input, [\"review\", \"_unstable\"], {})")));
    assert!(!reads(&rego("input.review.object._unstable")));
    assert!(!reads(&rego("input.review.namespace == \"a\"")));
    let library = "    libs:\n    - |\n      package lib.a\n      is(review) { review._unstable.namespace; input.review }\n    rego: |\n";
    let main = "package t\nimport data.lib.a\nviolation[{\"msg\": \"x\"}] { a.is(input.review.object) }";
    let library = with_rego(main).replace("    rego: |\n", library);
    let set = set(&[&library, &with_parameters("{labels: []}")]);
    assert!(set.policies()[0].reads_namespace);
}
