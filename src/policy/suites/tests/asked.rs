//! What a case is asked with: the review of its object, the inventory, the Namespaces; and what cannot be asked.

use super::*;

/// A folder with one template and constraint, and a test of these cases.
fn with(template: &str, constraint: &str, cases: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let suite = format!(
        "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests:\n- name: t\n  template: t.yaml\n  constraint: c.yaml\n  cases:\n{cases}"
    );
    let (head, _) = POLICIES.split_once("    rego: |\n").unwrap();
    let rego: String = template.lines().map(|line| format!("      {line}\n")).collect();
    let (name, _) = CONSTRAINT.split_once("spec:\n").unwrap();
    let folder = folder(&suite);
    for (name, text) in [
        ("t.yaml", format!("{head}    rego: |\n{rego}").as_str()),
        ("c.yaml", &format!("{name}{constraint}")),
    ]
    .iter()
    .chain(files)
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// What becomes of each entry: nothing where it passed.
fn whys(folder: &tempfile::TempDir) -> Vec<String> {
    let base = folder.path().display().to_string();
    let why = |(_, verdict)| match verdict {
        Verdict::Passed => String::new(),
        Verdict::Skipped => "skipped".to_owned(),
        Verdict::Failed(why) => why.join("\n").replace(&base, ""),
    };
    tried(folder).into_iter().map(why).collect()
}

/// A case with this object, whose one message is this.
fn case(object: &str, inventory: &str, message: &str) -> String {
    format!(
        "  - name: {object}\n    object: {object}.yaml\n    inventory: [{inventory}]\n    \
         assertions: [{{violations: 1, message: '^{message}$'}}]\n"
    )
}

#[test]
fn a_case_is_asked_as_the_review_of_its_object() {
    let template = "package t\n\
        violation[{\"msg\": msg}] {\n  r := input.review\n  \
        msg := sprintf(\"%v|%v|%v|%v|%v\", [r.name, r.namespace, r.operation, r.kind, r.oldObject])\n}";
    let site =
        "mine\\|shop\\|\\|\\{\"group\": \"example[.]org\", \"kind\": \"Site\", \"version\": \"v1\"\\}\\|null";
    let node = "n\\|\\|\\|\\{\"group\": \"\", \"kind\": \"Node\", \"version\": \"v1\"\\}\\|null";
    let review = "a\\|b\\|UPDATE\\|\\{\"group\": \"\", \"kind\": \"Pod\", \"version\": \"v1\"\\}\\|\\{\"old\": true\\}";
    let cases = case("site", "", site) + &case("node", "", node) + &case("update", "", review);
    let folder = with(
        template,
        "",
        &cases,
        &[
            ("node.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n"),
            (
                "update.yaml",
                "apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest:\n  name: a\n  namespace: b\n  operation: UPDATE\n  \
                 kind: {group: '', version: v1, kind: Pod}\n  object: {}\n  oldObject: {old: true}\n",
            ),
        ],
    );
    assert_eq!(whys(&folder), [""; 3]);
}

#[test]
fn the_inventory_stands_as_gatekeeper_lays_it_out() {
    let template = "package t\nviolation[{\"msg\": msg}] {\n  msg := sprintf(\"%v\", [data.inventory])\n}";
    let namespace = "\"cluster\": \\{\"v1\": \\{\"Namespace\": \\{\"shop\": \\{.*";
    let other =
        "\"namespace\": \\{\"shop\": \\{\"example[.]org/v1\": \\{\"Site\": \\{\"mine\": .*\"other\": .*";
    let cases = case(
        "site",
        "namespace.yaml, both.yaml",
        &format!("\\{{{namespace}, {other}"),
    );
    let both = format!("---\n{}---\n{}", site("mine"), site("other"));
    let folder = with(template, "", &cases, &[("both.yaml", &both)]);
    assert_eq!(whys(&folder), [""]);
}

#[test]
fn a_case_knows_the_namespaces_of_its_inventory_and_none_else() {
    let template = "package t\nviolation[{\"msg\": msg}] {\n  metadata := input.review._unstable.namespace.metadata\n  \
        msg := sprintf(\"%v %v %v\", [metadata.name, metadata.labels, metadata.annotations])\n}\n\
        violation[{\"msg\": \"none\"}] {\n  not input.review._unstable\n}";
    let namespace = |version: &str| {
        format!(
            "apiVersion: {version}\nkind: Namespace\nmetadata: {{name: shop, labels: {{a: b}}, annotations: {{c: d}}}}\n"
        )
    };
    let told = "shop \\{\"a\": \"b\"\\} \\{\"c\": \"d\"\\}";
    let cases = case("site", "ours.yaml", told)
        + &case("site", "foreign.yaml", "x")
        + &case("ours", "", told)
        + &case("node", "", "none");
    let folder = with(
        template,
        "",
        &cases,
        &[
            ("ours.yaml", &namespace("v1")),
            ("foreign.yaml", &namespace("example.org/v1")),
            ("node.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n"),
        ],
    );
    let none = "1 violations like `^x$` expected, 0 found; there are: none";
    assert_eq!(whys(&folder), ["", none, "", ""]);
}

#[test]
fn a_constraint_is_asked_about_either_object_whose_labels_it_selects() {
    let template = "package t\nviolation[{\"msg\": \"x\"}] { true }";
    let review = |objects: &str| {
        format!(
            "apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest:\n  operation: UPDATE\n  \
             kind: {{group: '', version: v1, kind: Pod}}\n{objects}"
        )
    };
    let (old, new) = (
        "  object: {}\n  oldObject: {metadata: {labels: {a: b}}}\n",
        "  object: {metadata: {labels: {a: b}}}\n  oldObject: {}\n",
    );
    let cases = case("old", "", "x") + &case("new", "", "x") + &case("neither", "", "x");
    let folder = with(
        template,
        "spec: {match: {labelSelector: {matchLabels: {a: b}}}}\n",
        &cases,
        &[
            ("old.yaml", &review(old)),
            ("new.yaml", &review(new)),
            ("neither.yaml", &review("  object: {}\n  oldObject: {}\n")),
        ],
    );
    assert_eq!(
        whys(&folder),
        [
            "",
            "",
            "1 violations like `^x$` expected, 0 found; there are none at all"
        ]
    );
}

#[test]
fn what_a_case_cannot_be_asked_with_fails_it() {
    let template = "package t\nviolation[{\"msg\": msg}] {\n  msg := f(input.review.object)\n}\n\
        f(object) = 1 { object.kind }\nf(object) = \"x\" { object.kind }\nviolation[{\"msg\": \"a\"}]\nviolation[{\"msg\": \"b\"}]";
    let cases = ["two", "none", "text", "shapeless", "site"].map(|name| case(name, "", "a"));
    let folder = with(
        template,
        "",
        &cases.concat(),
        &[
            ("two.yaml", &format!("{}---\n{}", site("a"), site("b"))),
            ("none.yaml", "---\n"),
            ("text.yaml", "a\n"),
            (
                "shapeless.yaml",
                "apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\n",
            ),
        ],
    );
    assert_eq!(
        whys(&folder),
        [
            "two.yaml does not hold exactly one object",
            "/none.yaml: holds no objects",
            "/text.yaml: holds no objects",
            "the AdmissionReview has no `request`",
            "/t.yaml:20:17: two different values for one rule or function",
        ]
    );
    let more = "  - {name: a, object: site.yaml, assertions: [{violations: 1}]}\n";
    let template = "package t\nviolation[{\"msg\": \"a\"}]\nviolation[{\"msg\": \"b\"}]";
    assert_eq!(
        whys(&with(template, "", more, &[])),
        ["1 violations expected, 2 found; there are: a | b"]
    );
}

#[test]
fn a_template_and_its_constraint_may_stand_in_one_file() {
    let cases = "  - {name: a, object: site.yaml, assertions: [{violations: 1}]}\n";
    let folder = with("package t\nviolation[{\"msg\": \"a\"}] { true }", "", cases, &[]);
    let path = |name: &str| folder.path().join(name);
    let both = ["t.yaml", "c.yaml"].map(|name| fs::read_to_string(path(name)).unwrap());
    fs::write(path("t.yaml"), both.join("---\n")).unwrap();
    let suite = fs::read_to_string(path("suite.yaml")).unwrap();
    fs::write(path("suite.yaml"), suite.replace("c.yaml", "t.yaml")).unwrap();
    assert_eq!(whys(&folder), [""]);
}

#[test]
fn a_constraint_that_is_expected_to_be_refused_is_one_entry_whatever_cases_it_has() {
    let cases = "  - {name: a, object: site.yaml, assertions: [{violations: no}]}\n  invalid: true\n";
    let rego = "package t\nviolation[{\"msg\": \"a\"}] { true }";
    let folder = with(rego, "spec: {parameters: {limit: much}}\n", cases, &[]);
    assert_eq!(read(&folder).unwrap()[0].entries()[0].name, "t");
    assert_eq!(whys(&folder), [""]);
}

#[test]
fn what_is_skipped_may_name_what_is_not_there_and_nothing_behind_it_may() {
    let skipped = "- name: s\n  skip: true\n  template: nowhere.yaml\n  constraint: nowhere.yaml\n";
    let test = "- name: t\n  template: template.yaml\n  constraint: gone.yaml\n";
    let suite = |skip: &str| {
        format!("apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n{skip}tests:\n{skipped}{test}")
    };
    let findings = read(&folder(&suite(""))).unwrap_err();
    let told: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(told, ["there is no file `gone.yaml`"]);
    assert_eq!(whys(&folder(&suite("skip: true\n"))), ["skipped", "skipped"]);
}
