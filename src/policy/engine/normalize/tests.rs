//! What is rewritten into what, and where the author finds it. That it means the same as in OPA is tested in `tests/opa`.

use crate::policy::engine::ast::{Position, Source};
use crate::policy::files::RegoFile;

fn source(text: &str) -> Source {
    Source::parse(&RegoFile {
        path: "p.rego".into(),
        text: text.into(),
        is_test: false,
        v0: false,
    })
    .unwrap()
}

/// A body as the engine reads it.
fn body(text: &str) -> String {
    let (before, after) = ("package p\nr if {\n", "\n}\n");
    let source = source(&format!("{before}{text}{after}"));
    assert_eq!(source.findings, []);
    let rewritten = &source.normalized.text;
    rewritten
        .strip_prefix(before)
        .unwrap()
        .strip_suffix(after)
        .unwrap()
        .to_owned()
}

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn operands_are_taken_out_in_their_place() {
    for (written, rewritten) in [
        ("not f(input.x)", "__n0 := input.x; not f(__n0)"),
        (
            "not f(input.x, 1, data.y) with input as {\n} with g as 1",
            "__n0 := input.x with input as { } with g as 1; __n1 := data.y with input as { } with g as 1; \
             not f(__n0, 1, __n1) with input as {\n} with g as 1",
        ),
        (
            "not startswith( # a\n  input.x,\n  \"y\",\n)",
            "\n__n0 := input.x; not startswith( __n0, \"y\", )\n\n",
        ),
        (
            "not input.a[input.b] == \"c\"",
            "__n0 := input.b; not input.a[__n0] == \"c\"",
        ),
        ("not (input.a)>(1)", "__n0 := input.a; not (__n0)>(1)"),
        (
            "not count([x | some x in data.xs; not f(x.y)]) > 1",
            "__n1 := count([x | some x in data.xs; __n0 := x.y; not f(__n0)]); not __n1 > 1",
        ),
    ] {
        // Names are counted from the outside to the inside; only that they differ matters.
        let plain = |text: &str| text.replace("__n1", "__n0");
        assert_eq!(plain(&body(written)), plain(rewritten), "{written}");
    }
}

#[test]
fn what_is_defined_anyhow_stays() {
    for written in [
        "not input.x",
        "not input.x == 1",
        "x := 1; not f(x, 2, \"a\")",
        "some x in data.xs; not x in [\"a\", 1]",
        "not {x | some x in data.xs} == set()",
        "not true",
    ] {
        assert_eq!(body(written), written);
    }
}

#[test]
fn a_body_without_braces_gets_them() {
    let rewritten = source("package p\nr if not f(input.x) with input as 1\nelse := 2 if not f(input.y)\n");
    assert_eq!(
        rewritten.normalized.text,
        "package p\nr if { __n0 := input.x with input as 1; not f(__n0) with input as 1 }\n\
         else := 2 if { __n1 := input.y; not f(__n1) }\n"
    );
}

#[test]
fn no_line_of_a_policy_of_ours_moves() {
    let mut rewritten = 0;
    for file in crate::policy::files::Files::builtin().modules {
        let source = Source::parse(&file).unwrap();
        let normalized = &source.normalized;
        rewritten += usize::from(normalized.text != source.text);
        assert_eq!(
            normalized.text.lines().count(),
            source.text.lines().count(),
            "{}",
            file.path
        );
        // Whatever a line begins with is where it was.
        for (number, (line, author)) in normalized.text.lines().zip(source.text.lines()).enumerate() {
            let indent = line.len() - line.trim_start().len();
            assert_eq!(
                indent,
                author.len() - author.trim_start().len(),
                "{}:{}",
                file.path,
                number + 1
            );
        }
    }
    assert!(rewritten > 2, "{rewritten} files were rewritten");
}

#[test]
fn names_that_are_made_up_are_nobody_elses() {
    assert!(body("__n0 := 1; not f(input.x, __n0)").ends_with("__n_0 := input.x; not f(__n_0, __n0)"));
}

#[test]
fn a_bracket_that_begins_a_line_is_no_call() {
    assert_eq!(
        body("x := input.a\n  (x + 1) > 2"),
        "x := input.a\n  ;(x + 1) > 2"
    );
    assert_eq!(body("x := a[\"b\"] # c\n(x) > 2"), "x := a[\"b\"] # c\n;(x) > 2");
    for written in ["not\n(1) > 1", "1 in\n(x)", "x := 1 +\n(2)", "f(\n(1))"] {
        assert_eq!(body(written).matches(';').count(), 0, "{written}");
    }
}

#[test]
fn what_is_iterated_is_asked_whether_it_is_a_collection() {
    assert_eq!(
        body("some i, x in input.xs with input.y as 1"),
        "__n0 := input.xs with input.y as 1; __n0 >= []; some i, x in __n0"
    );
    assert_eq!(
        body("some i, x in (input.xs[_]) with input.y as 1"),
        "__n0 := input.xs[_] with input.y as 1; __n0 >= []; some i, x in (__n0)"
    );
    assert_eq!(
        source("package p\nr if some x in input.xs\n").normalized.text,
        "package p\nr if { input.xs >= []; some x in input.xs }\n"
    );
    // Rules, data and what is written out are their author's matter.
    for written in [
        "some x in data.xs",
        "some x in r",
        "some x in [1]",
        "some x in numbers.range(1, 2)",
    ] {
        assert_eq!(body(written), written);
    }
}

#[test]
fn chained_bodies_become_rules() {
    let text = "package p\nd contains x if { x := 1 } {\n  x := 2\n}\n{ x := 3 }\ne := 1 if { false } else := 2 if { true }\n";
    assert_eq!(
        source(text).normalized.text,
        "package p\nd contains x if { x := 1 }  d contains x if {\n  x := 2\n}\n d contains x if { x := 3 }\n\
         e := 1 if { false } else := 2 if { true }\n"
    );
    for (written, rewritten) in [
        // What a function or a rule gives, it gives from each body.
        (
            "f(x) = y {\n y := x.a\n} {\n y := x.b\n}",
            "f(x) = y {\n y := x.a\n}  f(x) = y {\n y := x.b\n}",
        ),
        (
            "r = 1 { input.a } { input.b }",
            "r = 1 { input.a }  r = 1 { input.b }",
        ),
        // The braces of a value are no body.
        (
            "f(x) = {\"a\": x} { x > 1 } { x < 0 }",
            "f(x) = {\"a\": x} { x > 1 }  f(x) = {\"a\": x} { x < 0 }",
        ),
        ("r = {1} | {2} { input.a }", "r = {1} | {2} { input.a }"),
        (
            "default r = {}\nr = {1} { input.a }",
            "default r = {}\nr = {1} { input.a }",
        ),
        // A head of several lines is repeated on one.
        (
            "r = concat( # both\n `a\n`,\n [\"b\"]\n) { input.a } { input.b }",
            "r = concat( # both\n `a\n`,\n [\"b\"]\n) { input.a }  r = concat( \"a\\n\", [\"b\"] ) { input.b }",
        ),
        // What stands above has nothing to do with it, whatever word it ends with.
        (
            "import future.keywords.if\nimport future.keywords.contains\nr = 2 { input.b } { input.c }",
            "import future.keywords.if\nimport future.keywords.contains\nr = 2 { input.b }  r = 2 { input.c }",
        ),
        (
            "a := input.set\nr = 2 { input.b } { input.c }",
            "a := input.set\nr = 2 { input.b }  r = 2 { input.c }",
        ),
        (
            "a { input.a }\nr = 2 { input.b } { input.c }",
            "a { input.a }\nr = 2 { input.b }  r = 2 { input.c }",
        ),
    ] {
        let text = format!("package p\n{written}\n");
        let mut normalized = super::Normalized::new(&text, super::Origin::File);
        normalized.edit(super::lines::split_chains(&text, &super::tokens::tokens(&text)));
        assert_eq!(normalized.text, format!("package p\n{rewritten}\n"));
    }
}

#[test]
fn the_last_operand_of_a_builtin_may_take_the_result() {
    for (written, rewritten) in [
        ("base64.decode(\"eA==\", x)", "x = base64.decode(\"eA==\")"),
        (
            "rand.intn(\n  \"a\", # seed\n  [1][0],\n  [x, y],\n)",
            "[x, y] = rand.intn(\n  \"a\", # seed\n  [1][0])\n\n",
        ),
        ("time.now_ns(x)", "x = time.now_ns()"),
        ("trim_space(\"x\", x)", "x = trim_space(\"x\")"),
        ("count(xs, n) with input as 1", "n = count(xs) with input as 1"),
        (
            "count([x | upper(\"a\", x)], n)",
            "n = count([x | x = upper(\"a\")])",
        ),
        ("not count(\"ab\", 2)", "not count(\"ab\") == 2"),
        (
            "not count(\"ab\", input.n)",
            "__n0 := input.n; not count(\"ab\") == __n0",
        ),
        ("walk(input, [p, v])", "walk(input, [p, v])"),
        ("[p, v] = walk(input)", "walk(input, [p, v])"),
        (
            "[p, v] := walk(\n  input,\n)",
            "some p, v; walk(\n  input, [p, v]\n)",
        ),
        ("[_, 1] = walk(input)", "walk(input, [_, 1])"),
        ("not walk(\"a\", [[], 1])", "[1 | walk(\"a\", [[], 1])] == []"),
    ] {
        assert_eq!(body(written), rewritten, "{written}");
    }
    let bare = "package p\nr if [p, _] := walk(input)\n";
    assert_eq!(
        source(bare).normalized.text,
        "package p\nr if { some p; walk(input, [p, _]) }\n"
    );
    // A function of the file is no builtin, whatever its name.
    let own = "package p\ncount(x, y) := [x, y]\nr if count(1, 2)\n";
    assert_eq!(source(own).normalized.text, own);
}

#[test]
fn places_are_the_authors() {
    let text =
        "package p\nr if {\n\tx := input.n\n\t(x) > 1; not f(input.x, \"é\", input.y); input.after\n}\n";
    let source = source(text);
    let engines = |needle: &str| {
        let rewritten = &source.normalized.text;
        let line = rewritten.lines().nth(3).unwrap();
        let before = &line[..line.find(needle).unwrap()];
        // As the engine counts: four for a tab, and bytes in strings.
        at(4, u32::try_from(before.len() + 4).unwrap())
    };
    assert_eq!(source.normalized.place(at(3, 5)), at(3, 2));
    assert_eq!(source.normalized.place(engines("(x)")), at(4, 2));
    assert_eq!(source.normalized.place(engines("input.x")), at(4, 17));
    assert_eq!(source.normalized.place(engines("input.y")), at(4, 31));
    assert_eq!(source.normalized.place(engines("input.after")), at(4, 41));
    // What was made up is where what it stands for begins.
    assert_eq!(source.normalized.place(engines("not f(")), at(4, 38));
    assert_eq!(source.normalized.place(at(5, 1)), at(5, 1));
    assert_eq!(source.normalized.text.lines().count(), text.lines().count());
}

#[test]
fn what_takes_a_result_is_where_its_author_wrote_it() {
    let source = source("package p\nr if {\n  split(\"a\", input.by,\n    [x, x.y])\n}\n");
    let line = source.normalized.text.lines().nth(2).unwrap();
    assert_eq!(line, "  [x, x.y] = split(\"a\", input.by)");
    let column = |needle: &str| u32::try_from(line.find(needle).unwrap() + 1).unwrap();
    assert_eq!(source.normalized.place(at(3, column("[x, x.y]"))), at(4, 5));
    assert_eq!(source.normalized.place(at(3, column("split"))), at(3, 3));
    assert_eq!(source.normalized.place(at(3, column("input.by"))), at(3, 14));
}

#[test]
fn lines_that_were_written_into_may_be_longer_than_an_authors() {
    let long = format!("package p\nr if {{ not f(input.{}) }}\n", "x".repeat(900));
    assert!(source(&long).normalized.text.lines().any(|line| line.len() > 900));
    let operands = vec![format!("input.{}", "x".repeat(900)); 9].join(", ");
    let wide = source(&format!("package p\nr if {{ not f({operands}) }}\n"));
    assert!(wide.normalized.text.lines().any(|line| line.len() > 8192));
    let mut engine = regorus::Engine::new();
    wide.normalized.allow_length(&mut engine);
    engine
        .add_policy("p".into(), wide.normalized.text.clone())
        .unwrap();
    let too_long = format!("package p\nr if {{ f(\"{}\") }}\n", "x".repeat(8200));
    let refused = Source::parse(&RegoFile {
        path: "p.rego".into(),
        text: too_long,
        is_test: false,
        v0: false,
    })
    .unwrap_err();
    assert_eq!(
        (refused.line, refused.message.as_str()),
        (Some(2), "line exceeds maximum column width of 8192")
    );
}

#[test]
fn what_cannot_be_read_as_opa_does_is_told() {
    let told = |body: &str| {
        let source = source(&format!("package p\nr if {{\n  {body}\n}}\n"));
        let findings: Vec<_> = source.findings.iter().map(ToString::to_string).collect();
        findings.join("\n")
    };
    let operands = "operands of a negated call have to be defined, and these cannot be looked at before it: give them \
                    names above, as in `x := …`, and negate a call of the names";
    assert_eq!(told("not f(`a\nb`, input.x)"), format!("p.rego:3:3: {operands}"));
    assert_eq!(
        told("true; not f(input.x) with input as [x | some x in [1]]"),
        format!("p.rego:3:9: {operands}")
    );
    assert_eq!(
        told("x := -input.y"),
        "p.rego:3:8: a minus stands before numbers only: write `0 - x`"
    );
    assert_eq!(told("x := -1; y := 2 -x"), "");
}

#[test]
fn what_stands_in_beside_something_else_is_looked_at_before_the_statement() {
    for (written, rewritten) in [
        (
            "g with input as input.b with data.c as 1",
            "__w0 := input.b; g with input as __w0 with data.c as 1",
        ),
        (
            "not g with input as f({\n  \"a\": 1, # one\n}) with data.c as input.x[_]",
            "__w0 := f({ \"a\": 1, }); __w1 := input.x[_]; not g with input as __w0\n\n with data.c as __w1",
        ),
        (
            "x := [1 | g with input as input.b with data.c as g]",
            "x := [1 | __w0 := input.b; g with input as __w0 with data.c as g]",
        ),
        ("g with input as input.b", "g with input as input.b"),
    ] {
        assert_eq!(body(written), rewritten, "{written}");
    }
    // A body without braces gets them, and what was moved is found where it was written.
    let text = "package p\nr if g with input as f(1) with data.c as set()\nelse := 2\n";
    let source = source(text);
    assert_eq!(
        source.normalized.text,
        "package p\nr if { __w0 := f(1); g with input as __w0 with data.c as set() }\nelse := 2\n"
    );
    assert_eq!(source.normalized.place(at(2, 17)), at(2, 22));
}

#[test]
fn values_of_several_withs_that_cannot_be_moved_are_refused() {
    for (body, refused) in [
        ("g with input.a as 1 with input.c as concat(`\n`, [])", vec![39]),
        ("g with input.a as input.b", vec![]),
        ("x := 2; g with input.a as {\"b\": [1]} with input.c as x", vec![]),
        ("g with input.a as g with f as data.p.g", vec![]),
    ] {
        let source = source(&format!("package p\ng := 1\nr if {{\n  {body}\n}}\n"));
        let findings = source.findings.iter();
        let told: Vec<_> = findings
            .filter(|finding| finding.message.starts_with("of several `with`"))
            .filter_map(|finding| finding.column)
            .collect();
        assert_eq!(
            (told, source.findings.len()),
            (refused.clone(), refused.len()),
            "{body}"
        );
    }
}

#[test]
fn an_object_that_takes_another_one_apart_is_compared_with_it() {
    let becomes = |body: &str| {
        let source = source(&format!("package p\nr if {{\n  {body}\n}}\n"));
        assert_eq!(source.findings, [], "{body}");
        source.normalized.text.lines().nth(2).unwrap().trim().to_owned()
    };
    for (body, wanted) in [
        (
            "{\"a\": x} = input.o",
            "{\"a\": x} = input.o; {\"a\": x} == input.o",
        ),
        (
            "input.o[_] = {\"a\": _}",
            "input.o[__n0] = {\"a\": __n1}; input.o[ __n0 ] == {\"a\": __n1 }",
        ),
        (
            "{\"a\": x} := f(input.o) with input.o as 1",
            "__n0 := f(input.o) with input.o as 1; {\"a\": x} := __n0 with input.o as 1; {\"a\": x} == __n0 with \
             input.o as 1",
        ),
        (
            "f(1) = [{\"a\": x}]",
            "__n0 := f(1); [{\"a\": x}] = __n0; [{\"a\": x}] == __n0",
        ),
        (
            "some {\"a\": x} in data.os",
            "some __n0 in data.os; some x; {\"a\": x} = __n0; {\"a\": x} == __n0",
        ),
        (
            "some {\"a\": 1}, {\"b\": x} in data.os with input as 1",
            "__n2 := data.os with input as 1; some __n0, __n1 in __n2; some x; {\"a\": 1} == __n0; {\"b\": x} = __n1; {\"b\": x} == __n1",
        ),
        ("x := {\"a\": input.b}", "x := {\"a\": input.b}"),
        ("x = {\"a\": input.b}", "x = {\"a\": input.b}"),
        ("input.o = {\"a\": 1}", "input.o = {\"a\": 1}"),
        ("x := 1; input.o == {\"a\": x}", "x := 1; input.o == {\"a\": x}"),
        ("some [a, b] in data.os", "some [a, b] in data.os"),
    ] {
        assert_eq!(becomes(body), wanted, "{body}");
    }
    assert_eq!(
        source("package p\nr if {\"a\": x} = input.o\n").normalized.text,
        "package p\nr if { {\"a\": x} = input.o; {\"a\": x} == input.o }\n"
    );
    let argument = source("package p\nf({\"a\": x}) := x\nf([{\"a\": x}]) := x if x > 1 else := 2 if x\n");
    assert_eq!(argument.findings, []);
    assert_eq!(
        argument.normalized.text,
        "package p\nf(__h0) := x if { {\"a\": x} = __h0; {\"a\": x} == __h0 }\nf(__h1) := x if { x > 1; [{\"a\": x}] = \
         __h1; [{\"a\": x}] == __h1 } else := 2 if { x; [{\"a\": x}] = __h1; [{\"a\": x}] == __h1 }\n"
    );
}

#[test]
fn an_object_that_takes_another_one_apart_where_no_statement_can_follow_is_refused() {
    for (text, at) in [
        ("package p\nr if {\n  not {\"a\": x} = input.o\n}\n", (3, 3)),
        (
            "package p\nr if {\n  {\"a\": x, \"b\": f(x)} = f(input.o)\n}\n",
            (3, 3),
        ),
        ("package p\nx := 1\nf({\"a\": x}) := x\n", (3, 3)),
    ] {
        let source = source(text);
        let told: Vec<_> = source
            .findings
            .iter()
            .map(|finding| {
                assert!(
                    finding
                        .message
                        .starts_with("an object that takes another one apart"),
                    "{finding}"
                );
                (finding.line.unwrap(), finding.column.unwrap())
            })
            .collect();
        assert_eq!(told, [at], "{text}");
    }
}

#[test]
fn a_number_may_begin_with_its_point() {
    let becomes = |value: &str| {
        source(&format!("package p\nx := {value}\n"))
            .normalized
            .text
            .clone()
    };
    assert_eq!(becomes(".5"), "package p\nx := 0.5\n");
    assert_eq!(becomes("[.5, 1.5, -.5]"), "package p\nx := [0.5, 1.5, -0.5]\n");
    assert_eq!(becomes("input.a"), "package p\nx := input.a\n");
}

#[test]
fn what_a_rule_gives_is_looked_at_in_its_body_and_found_where_it_was_written() {
    let text =
        "package p\nq(x) := data.a[\n  x\n] if x else := input.b if { true } # c\ns contains m if m := 1\n";
    let source = source(text);
    assert_eq!(
        source.normalized.text,
        "package p\nq(x) := __h0\n\n if { x; __h0 := data.a[ x ] } else := __h1 if { true; __h1 := input.b } # c\n\
         s contains m if m := 1\n"
    );
    // A value that cannot be moved onto one line is the author's to name.
    let text = "package p\nq contains concat(`\n`, [input.x]) if true\n";
    let refused = self::source(text).findings;
    assert_eq!((refused[0].line, refused[0].column), (Some(2), Some(18)));
    assert!(
        refused[0].message.contains("give it a name in the body"),
        "{}",
        refused[0].message
    );
    // The place of what was moved.
    let column = source
        .normalized
        .text
        .lines()
        .nth(3)
        .unwrap()
        .find("data.a")
        .unwrap()
        + 1;
    assert_eq!(
        source.normalized.place(at(4, u32::try_from(column).unwrap())),
        at(2, 9)
    );
}
