use super::*;
use crate::policy::files::RegoFile;

fn source(text: &str) -> Source {
    Source::parse(&RegoFile {
        path: "0.rego".into(),
        text: text.to_owned(),
        is_test: false,
        v0: false,
    })
    .unwrap()
}

/// What is found in a module that asks.
fn found(block: &str, statement: &str) -> Vec<String> {
    let text = format!("{block}\n{statement}\nasks := rego.metadata.chain()\n");
    let mut findings = Vec::new();
    write_in(&mut [source(&text)], &mut findings);
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_opa_refuses_of_a_block_is_found_in_its_place() {
    let package = "package a";
    for (block, statement, why) in [
        (
            "# METADATA\n# scope: rule",
            package,
            "1:1: METADATA: a block of scope `rule` stands above a rule",
        ),
        (
            "# METADATA\n# scope: import",
            package,
            "1:1: METADATA: there is no scope `import`",
        ),
        (
            "# METADATA\n# title: [a]",
            package,
            "2:10: METADATA: a string stands here, not a list: quote it",
        ),
        (
            "# METADATA\n# authors: a",
            package,
            "2:12: METADATA: `authors` is a list, not a string",
        ),
        (
            "# METADATA\n# authors: [{}]",
            package,
            "2:13: METADATA: an author has a `name` or an `email`",
        ),
        (
            "# METADATA\n# custom: a",
            package,
            "2:11: METADATA: `custom` is a map",
        ),
        (
            "# METADATA\n# entrypoint: true\n# scope: subpackages",
            package,
            "1:1: METADATA: a `subpackages` is no entrypoint",
        ),
        (
            "# METADATA\n# related_resources: [\"\"]",
            package,
            "2:23: METADATA: a related resource is a URL like https://example.com/page",
        ),
    ] {
        assert_eq!(found(block, statement), [format!("0.rego:{why}")], "{block}");
    }
    let import = "package a\n# METADATA\n# title: A\nimport data.b";
    assert_eq!(
        found(import, ""),
        ["0.rego:2:1: METADATA: it stands above no rule and no package"]
    );
    let twice = "package a\n# METADATA\n# scope: document\n\n# METADATA\n# scope: document\np := 1";
    assert_eq!(
        found(twice, ""),
        ["0.rego:5:1: METADATA: a second block of scope `document`"]
    );
}

#[test]
fn what_other_yaml_reads_otherwise_is_refused() {
    for plain in ["2027-01-31", "010", "1_000", "0x1F", "+5", "2027-01-31T00:00:00Z"] {
        let block = format!("# METADATA\n# custom:\n#   a: [{plain}]");
        let why = "OPA takes this for a time or another number: quote it";
        assert_eq!(
            found(&block, "package a"),
            [format!("0.rego:3:9: METADATA: {why}")],
            "{plain}"
        );
    }
    for plain in [
        "\"2027-01-31\"",
        "true",
        "10",
        "1.5",
        "0",
        "1.2.3",
        "10m",
        "yes",
        "0.5",
        "-1",
    ] {
        let block = format!("# METADATA\n# custom:\n#   a: [{plain}]");
        assert_eq!(found(&block, "package a"), [] as [String; 0], "{plain}");
    }
}

#[test]
fn nothing_is_read_where_nobody_asks() {
    let mut findings = Vec::new();
    let mut sources = [source("# METADATA\n# scope: rule\npackage a\n")];
    write_in(&mut sources, &mut findings);
    assert_eq!((findings.len(), sources[0].is_annotated), (0, false));
}

#[test]
fn the_lines_of_a_module_that_asks_stay_where_they_are() {
    let text = "# METADATA\n# title: A\npackage a\n\np := rego.metadata.chain(\n)\n\nq := 1 if rego.metadata.rule() == {}\n";
    let mut sources = [source(text)];
    write_in(&mut sources, &mut Vec::new());
    let normalized = &sources[0].normalized;
    assert_eq!(normalized.text.lines().count(), text.lines().count());
    let chain = r#"rego.metadata.chain([{"path":["a","p"]},{"annotations":{"scope":"package","title":"A"},"path":["a"]}])"#;
    assert!(
        normalized.text.replace('\n', "").contains(chain),
        "{}",
        normalized.text
    );
}
