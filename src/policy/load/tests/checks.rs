//! What the engine would find only at run time, or never, and loading refuses: variables, references, recursion, types,
//! names, builtins and limits.

use super::*;

mod types;

/// The findings of a policy of these rules.
fn told(rules: &str) -> Vec<String> {
    findings(&[&format!("package kubernetes.admission.x\n{rules}\n")])
}

/// Whether it is loaded.
fn loads(rules: &str) -> Result<(), Vec<String>> {
    load(&files(
        &[&format!("package kubernetes.admission.x\n{rules}\n")],
        &[],
    ))
    .map(drop)
    .map_err(|findings| findings.iter().map(ToString::to_string).collect())
}

fn unbound(at: &str, name: &str) -> String {
    format!(
        "0.rego:{at}: nothing binds `{name}`: there is no such variable here, and no rule or import of that name"
    )
}

#[test]
fn variables_that_nothing_binds_are_refused() {
    assert_eq!(
        told("deny contains msg if {\n  input.a\n  x == 1\n}"),
        [unbound("2:15", "msg"), unbound("4:3", "x")]
    );
    for (rules, at, name) in [
        ("deny contains msg if input.a", "2:15", "msg"),
        ("deny contains {\"msg\": m} if input.a", "2:23", "m"),
        ("deny contains \"x\" if not startswith(y, \"z\")", "2:37", "y"),
        ("deny contains \"x\" if { some y; not input.xs[y] }", "2:45", "y"),
        ("deny contains \"x\" if not count(input.a, n)", "2:41", "n"),
        ("deny contains \"x\" if split(input.a, y, [y, _])", "2:37", "y"),
        (
            "deny contains \"x\" if every y in input.ys { y == z }",
            "2:49",
            "z",
        ),
        (
            "deny contains \"x\" if { every y in input.ys { y } ; y == 1 }",
            "2:52",
            "y",
        ),
        (
            "deny contains \"x\" if startswith(input.a, p) with input.b as q",
            "2:42",
            "p",
        ),
        ("deny contains \"x\" if f(1) with input.b as [q]", "2:44", "q"),
        ("deny contains \"x\" if count({y | y > 1}) == 0", "2:29", "y"),
        ("deny contains \"x\" if { y := z; input.a }", "2:29", "z"),
        ("deny contains \"x\" if { y = z; z = y }", "2:24", "y"),
        (
            "deny contains \"x\" if { input.xs[y].a == z; y > 1 }",
            "2:41",
            "z",
        ),
        ("deny contains \"x\" if g == 1\ng := h if true", "3:6", "h"),
        ("deny contains \"x\" if f(1)\nf(y) := z if y", "3:9", "z"),
        (
            "deny contains \"x\" if g == 1\ng := 1 if false else := h if true",
            "3:25",
            "h",
        ),
        ("deny contains \"x\" if upper(y) == \"A\"", "2:28", "y"),
    ] {
        let rules = if rules.contains("f(1)") && !rules.contains("f(y)") {
            format!("{rules}\nf(_) := true")
        } else {
            rules.to_owned()
        };
        assert!(
            told(&rules).contains(&unbound(at, name)),
            "{rules}: {:?}",
            told(&rules)
        );
    }
    let wildcard = told("deny contains \"x\" if not split(input.a, \"/\", [_, \"b\"])");
    let [wildcard] = wildcard.as_slice() else {
        panic!("{wildcard:?}")
    };
    assert!(
        wildcard.starts_with("0.rego:2:47: `_` stands where nothing binds it"),
        "{wildcard}"
    );
    assert_eq!(
        told("deny contains \"x\" if not f(input.xs[_])\nf(y) := y"),
        [
            "0.rego:2:37: `_` stands where nothing binds it: `_` is for what is passed over, as in `xs[_]`; what is not \
             to be found is named in a rule, and that negated"
        ]
    );
}

#[test]
fn variables_that_something_binds_are_not_refused() {
    for rules in [
        "deny contains msg if { some i; msg := input.xs[i].y }",
        "deny contains msg if { msg = concat(\"\", ys); ys := [y | y := input.xs[_]] }",
        "deny contains msg if { y := x + 1; x := input.n; msg := sprintf(\"%d\", [y]) }",
        "deny contains msg if { [a, {\"b\": [msg, _]}] = input.pair; a > 1 }",
        "deny contains msg if { walk(input, [path, msg]); count(path) > 1 }",
        "deny contains msg if { split(input.s, \",\", [msg, _]) }",
        "deny contains msg if { f(1, msg) }\nf(x) := x",
        "deny contains \"x\" if { not count(input.xs[_]) > 1 }",
        "deny contains \"x\" if { not startswith(concat(\"\", [input.xs[i]]), \"a\"); i > 1 }",
        "deny contains input.xs[_]",
        "deny contains \"x\" if { every k, v in input.ys { k != v; some z in v; z == k } }",
        "deny contains m[_] if m := g\ng := [\"a\"]",
        "deny contains \"x\" if { input.xs[g[_]][h] == h }\ng := [\"a\"]",
        "deny contains \"x\" if { count(input.x) == 1 with count as f }\nf(x) := 1 if x",
        "import data.lib as l\ndeny contains \"x\" if l.y",
    ] {
        let found = loads(rules).err().unwrap_or_default();
        let unbound: Vec<_> = found
            .iter()
            .filter(|finding| finding.contains("nothing binds"))
            .collect();
        assert!(unbound.is_empty(), "{rules}: {unbound:?}");
    }
}

#[test]
fn what_nothing_provides_is_refused_where_it_is_read() {
    let modules = [
        "package kubernetes.admission.x\nimport data.lib\nimport data.nowhere\n\
         deny contains \"a\" if data.lib.yse\ndeny contains \"b\" if lib.yes\ndeny contains \"c\" if data.config.limit > 1\n\
         deny contains \"d\" if data.config.missing\ndeny contains \"e\" if data.config[input.a]\n\
         deny contains \"f\" if data.config.limit.deeper\ndeny contains \"g\" if data.lib.more.x\n\
         deny contains \"h\" if lib.yes with data.mock as 1\ndeny contains \"i\" if count(data.lib) == 1\n",
        "package lib\nyes := true\n",
        "package lib.more.deep\nx := 1\n",
    ];
    let files = files(&modules, &[(&[], r#"{"config": {"limit": 5}}"#)]);
    let found: Vec<_> = load(&files)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    let elsewhere = |at: &str, path: &str| {
        format!(
            "0.rego:{at}: nothing provides `data.{path}`: no package, no rule and no data file; what comes from \
             elsewhere is listed in METADATA, as `needs: [data.{path}]`"
        )
    };
    assert_eq!(
        found,
        [
            elsewhere("3:1", "nowhere"),
            "0.rego:4:22: nothing provides `data.lib.yse`: did you mean `data.lib.yes`?".to_owned(),
            elsewhere("7:22", "config.missing"),
            elsewhere("9:22", "config.limit.deeper"),
            elsewhere("10:22", "lib.more.x"),
        ]
    );
}

#[test]
fn what_a_policy_needs_from_elsewhere_may_be_absent() {
    let policy = "package kubernetes.admission.x\ndeny contains \"a\" if data.site.teams[input.a].x\n";
    let source = Source::parse(&files(&[policy], &[]).modules[0]).unwrap();
    let found = |needs: &[&[&str]]| {
        let path = |path: &&[&str]| path.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let (mut found, needs) = (Vec::new(), needs.iter().map(path).collect());
        references::check(
            std::slice::from_ref(&source),
            &Document::empty(),
            &needs,
            &mut found,
        );
        found.len()
    };
    assert_eq!(found(&[]), 1);
    assert_eq!(found(&[&["site", "teams"]]), 0);
    assert_eq!(found(&[&["site"]]), 0);
    assert_eq!(found(&[&["site", "teams", "a"]]), 0);
    assert_eq!(found(&[&["sites"]]), 1);
}

#[test]
fn what_may_be_in_a_file_that_cannot_be_read_is_not_missed() {
    assert_eq!(
        findings(&[
            "package kubernetes.admission.x\ndeny contains \"a\" if data.lib.x\ndeny contains \"b\" if y\n",
            "package lib\nx := [\n",
        ]),
        ["1.rego:3:1: expecting expression"]
    );
}

#[test]
fn rules_that_read_each_other_by_name_are_refused() {
    let depends =
        |at: &str, name: &str| format!("0.rego:{at}: `{name}` depends on itself: Rego has no recursion");
    assert_eq!(
        told("deny contains \"x\" if a\na if b\nb if not c.d\nc.d if a"),
        [depends("3:1", "a"), depends("4:1", "b"), depends("5:1", "c")]
    );
    assert_eq!(
        told("deny contains x if some x in deny"),
        [depends("2:1", "deny")]
    );
    assert_eq!(
        told("deny contains \"x\" if f(1)\nf(x) if g[x]\ng := {1 | f(2)}"),
        [
            "0.rego:3:1: `f` calls itself: Rego has no recursion".to_owned(),
            depends("4:1", "g")
        ]
    );
    for fine in [
        "deny contains msg if { msg := a; a }\nmsg := 1\na := msg if { msg := \"x\" }",
        "deny contains \"x\" if p.a\np.a if p.b\np.b if input.x",
        "deny contains \"x\" if f(1)\nf(a) := a\na if f(2)",
        "deny contains \"x\" if a\na if every a in input.xs { a }",
    ] {
        assert_eq!(loads(fine), Ok(()), "{fine}");
    }
}

#[test]
fn a_variable_that_is_named_like_a_rule_is_told_with_a_way_out() {
    assert_eq!(
        told("deny contains a if some a in input.xs\na := 1"),
        [
            "0.rego:2:25: var `a` used before definition below: give the variable a name that no rule has, or write out \
             what it stands for"
        ]
    );
}

#[test]
fn a_rule_that_stands_before_a_builtin_is_refused_where_that_is_called() {
    let told_of = |rule: &str, call: &str| told(&format!("deny contains \"x\" if {call} == 1\n{rule}"));
    let message = |name: &str, root: &str| {
        [format!(
            "0.rego:2:22: `{name}` would be read as a part of this package's rule `{root}`: give the rule another name"
        )]
    };
    assert_eq!(
        told_of("object := input.request.object", "object.get({}, \"a\", 1)"),
        message("object.get", "object")
    );
    assert_eq!(
        told_of("json.x := 1", "json.marshal(1)"),
        message("json.marshal", "json")
    );
    assert_eq!(told_of("count := 3", "count([1])"), message("count", "count"));
    assert_eq!(
        told_of("base64.x := 3", "base64.decode(\"\")"),
        message("base64.decode", "base64")
    );
    // A function of its own is meant where it is called, in OPA too, and a name alone takes nothing away.
    assert_eq!(
        loads("deny contains \"x\" if count([1]) == 1\ncount(x) := x[0]"),
        Ok(())
    );
    assert_eq!(
        loads("deny contains object.a\nobject := input.request.object"),
        Ok(())
    );
}

#[test]
fn builtins_that_would_do_nothing_are_refused() {
    for (call, why) in [
        (
            "http.send({})",
            "`http.send` is not offered here: nobody may be asked: give data that changes as data files, or allow hosts with --http-allow",
        ),
        (
            "net.lookup_ip_addr(\"a\")",
            "`net.lookup_ip_addr` is not offered here: a decision must not wait for a name server; list the addresses in data",
        ),
        (
            "opa.runtime()",
            "`opa.runtime` is not offered here: there is no OPA whose environment it could tell; put what it should say into data",
        ),
        (
            "trace(\"a\")",
            "`trace` is not offered here: nobody would see its notes; use `print`",
        ),
    ] {
        let rules = format!("deny contains \"x\" if {{ false; {call} }}");
        assert_eq!(told(&rules), [format!("0.rego:2:31: {why}")]);
    }
    assert_eq!(loads("deny contains \"x\" if { print(\"a\", input.b) }"), Ok(()));
}

#[test]
fn all_that_walk_gives_cannot_be_taken_for_one_value() {
    let why = "`walk(x)` gives one path and value after the other: write `walk(x, [path, value])`";
    for (rules, at) in [
        (
            "deny contains \"x\" if { [p, v] := walk(input)[_]; v == 1 }",
            "0.rego:2:34",
        ),
        ("deny contains \"x\" if { walk(input) == input.a }", "0.rego:2:24"),
    ] {
        assert_eq!(told(rules), [format!("{at}: {why}")]);
    }
    for body in ["walk(input, [p, v]); v == 1", "[p, v] := walk(input); v == 1"] {
        assert_eq!(loads(&format!("deny contains \"x\" if {{ {body} }}")), Ok(()));
    }
}

#[test]
fn what_version_1_does_not_have_is_refused_but_in_older_files() {
    let told = told("deny contains \"x\" if any([true])");
    let wanted = "0.rego:2:22: `any` is gone from the language since version 1: write `true in xs`";
    assert_eq!(told, [wanted]);
    assert_eq!(
        loads("deny contains \"x\" if any([true])\nany(xs) if true in xs"),
        Ok(())
    );
}

#[test]
fn only_what_fits_stands_in_for_a_function() {
    for (with, finding) in [
        (
            "f(1) with f as g",
            "`g` takes 2 operands, and `f`, for which it stands in, 1",
        ),
        (
            "f(1) with upper as data.kubernetes.admission.x.g",
            "`data.kubernetes.admission.x.g` takes 2 operands, and `upper`, for which it stands in, 1",
        ),
        (
            "f(1) with r as 2",
            "`with` replaces parts of `input` and `data`, and functions, and `r` is none of them",
        ),
        (
            "f(1) with io.jwt.nothing as 2",
            "`with` replaces parts of `input` and `data`, and functions, and `io.jwt.nothing` is none of them",
        ),
        ("f(1) with walk as f", "`with` cannot replace `walk`"),
    ] {
        let rules = format!("deny contains \"x\" if {with}\nf(x) := x\ng(x, y) := [x, y]\nr := 1");
        assert_eq!(told(&rules), [format!("0.rego:2:32: {finding}")], "{with}");
    }
    for with in [
        "f as h",
        "f as 1",
        "f as upper",
        "upper as f",
        "data.some as 1",
        "input.some as g(1, 2)",
        "io.jwt.decode as f",
    ] {
        let rules =
            format!("deny contains \"x\" if f(1) with {with}\nf(x) := x\nh(x) := [x]\ng(x, y) := [x, y]");
        assert_eq!(loads(&rules), Ok(()), "{with}");
    }
}

#[test]
fn files_larger_than_the_parser_takes_are_refused_with_their_place() {
    assert_eq!(
        told(&format!("deny contains \"x\"\n{}", "# line\n".repeat(20_000))),
        ["0.rego:20001:1: more than 20000 lines: give the package another file"]
    );
    assert_eq!(
        told(&format!("deny contains \"x\"\n{}", "r := 1\n".repeat(5_000))),
        [
            "0.rego:5002:1: more than 5000 rules: give the package another file, or put what they list into data"
        ]
    );
    assert_eq!(
        told(&format!("deny contains \"{}\"", "x".repeat(8_200))),
        ["0.rego:2:16: line exceeds maximum column width of 8192"]
    );
    assert_eq!(
        told(&format!(
            "deny contains \"x\" if {}1{} == 1",
            "(".repeat(40),
            ")".repeat(40)
        )),
        ["0.rego:2:55: expression nesting too deep (>32)"]
    );
}

#[test]
fn all_kinds_of_findings_are_told_at_once() {
    assert_eq!(
        told("deny := true\nwarn contains msg if data.nowhere\na if b\nb if a\nc := nothing(1)\nd := -a")
            .len(),
        7
    );
}
