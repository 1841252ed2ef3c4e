use super::*;

fn parse(text: &str) -> Result<Source, Finding> {
    Source::parse(&RegoFile {
        path: "p.rego".into(),
        text: text.into(),
        is_test: false,
        v0: false,
    })
}

#[test]
fn finds_rules_reads_and_calls() {
    let source = parse(
        "package kubernetes.admission.x\nimport data.regate.lib.pods\nimport data.sites as s\n\
         deny contains msg if {\n  some c in pods.containers\n  startswith(c.image, data.registry[input.a].host)\n\
         \tpods.bad(c)\n  msg := sprintf(\"%v\", [helper(c)])\n}\n\
         helper(c) := c.name\naudit_annotations[\"a\"] := 1\nuser.username := \"x\"\ndefault allow := false\n",
    )
    .unwrap();
    assert_eq!(source.package, ["kubernetes", "admission", "x"]);
    let rules: Vec<_> = source
        .rules
        .iter()
        .map(|rule| (rule.name.as_str(), rule.arguments))
        .collect();
    assert_eq!(
        rules,
        [
            ("deny", None),
            ("helper", Some(1)),
            ("audit_annotations", None),
            ("user", None),
            ("allow", None)
        ]
    );
    let reads: Vec<_> = source.reads.iter().map(|path| path.join(".")).collect();
    assert_eq!(
        reads,
        [
            "regate.lib.pods",
            "regate.lib.pods.bad",
            "regate.lib.pods.containers",
            "registry",
            "sites"
        ]
    );
    let calls: Vec<_> = source.rules[0]
        .calls
        .iter()
        .map(|call| call.function.join("."))
        .collect();
    assert_eq!(
        calls,
        ["startswith", "data.regate.lib.pods.bad", "sprintf", "helper"]
    );
    assert_eq!(source.rules[1].at, Position { line: 10, column: 1 });
}

#[test]
fn what_is_read_of_the_input_is_known_through_imports_too() {
    let reads = |text: &str| {
        let source = parse(text).unwrap();
        let reads = source.input_reads.iter().map(|path| path.join("."));
        reads.collect::<Vec<_>>()
    };
    assert_eq!(
        reads(
            "package p\nimport input.request as req\nimport input.unused\n\
             deny contains x if {\n  x := req.object.spec[input.a[req.name]].b\n  input[\"regate\"][\"namespace\"].labels.team\n}\n\
             f(y) := input.deep[y].z\n"
        ),
        [
            "a",
            "deep",
            "regate.namespace.labels.team",
            "request.name",
            "request.object.spec"
        ]
    );
    assert_eq!(reads("package p\nx := json.marshal(input)\n"), [""]);
    assert!(reads("package p\nx := {\"input\": data.input}\n").is_empty());
}

#[test]
fn a_file_of_the_old_language_is_parsed_as_such() {
    let file = |v0| RegoFile {
        path: "p.rego".into(),
        text: "package p\ndeny[x] { x := input.a }\n".into(),
        is_test: false,
        v0,
    };
    assert!(Source::parse(&file(false)).is_err());
    assert_eq!(Source::parse(&file(true)).unwrap().rules[0].name, "deny");
}

#[test]
fn a_syntax_error_names_file_line_and_column() {
    let finding = parse("package a\nallow if {\n  x ==\n}\n").unwrap_err();
    assert_eq!(
        (finding.file.as_deref(), finding.line, finding.column),
        (Some("p.rego"), Some(4), Some(1))
    );
    assert!(!finding.message.is_empty());
}

#[test]
fn literals_nested_too_deep_are_refused_before_the_parser_sees_them() {
    let nested = |depth: usize| format!("package a\nx := {}{}\n", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(8)).is_ok());
    let finding = parse(&nested(60)).unwrap_err();
    assert_eq!((finding.line, finding.column), (Some(2), Some(20)));
    assert_eq!(
        finding.message,
        "brackets nested more than 14 deep: name a part of it in a rule"
    );
    assert!(parse("package a\n# [[[[[[[[[[[[[[[[[[[[\nx := \"[[[[[[[[[[[[[[[[[[[[\"\n").is_ok());
}

#[test]
fn brackets_in_strings_of_any_kind_do_not_count_and_hide_none() {
    let many = "regex.match(`^\\[a`, \"[\")\n".repeat(40);
    assert!(parse(&format!("package a\nx if {{\n{many}}}\n")).is_ok());
    let hidden = format!("package a\nx := [`\"`, {}1{}]\n", "[".repeat(32), "]".repeat(32));
    assert_eq!(
        parse(&hidden).unwrap_err().message,
        "brackets nested more than 14 deep: name a part of it in a rule"
    );
    let raw = format!(
        "package a\nx := `#\n\"`\ny := {}1{}\n",
        "[".repeat(32),
        "]".repeat(32)
    );
    assert_eq!(parse(&raw).unwrap_err().line, Some(4));
}

#[test]
fn a_syntax_error_that_the_engine_tells_on_one_line_has_its_place_once() {
    let finding = parse("package a\nx if {\n\tsome a, b, c in []\n}\n").unwrap_err();
    assert_eq!(
        finding.to_string(),
        "p.rego:3:13: encountered `c` while expecting `in`"
    );
}
