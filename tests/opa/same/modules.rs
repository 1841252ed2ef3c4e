//! Whole modules that OPA and Regate have to come to the same with, and what the bodies of rules stand in.

/// What the bodies may call and read.
pub(super) const PREAMBLE: &str = r#"
f(x) if json.marshal(x) == "\"xyz\""
g(x) := count(x)
h(x, y) := [x, y]
known := "xyz"
unknown := input.missing
no := false
names contains n if some n in input.list
some_of if some x in input.nothing
empty contains n if some n in input.missing
"#;

/// What all packages may read, as it is written in the language before version 1.
pub(super) const LIBRARY: &str = r#"package lib
x := 1 { true }
next(n) := n + 1 { true }
calls(n) := next(n) { true }
other(n) := n * 10 { true }
nests(n) := next(n) + other(n) { true }
rule := next(1) { true }
now := time.now_ns() { true }
hash(t) := crypto.sha256(t) { true }
token(t) := io.jwt.decode(t)[1] { true }
decoded(t) := [{}, {"iss": concat("", [t, "!"])}, ""] { true }
"#;

/// Whole modules, each with its `deny`.
pub(super) const MODULES: &[&str] = &[
    "deny contains \"x\" if p == false\np := input.who in input.missing",
    "deny contains \"x\" if p == false\ndefault p := true\np := input.who in input.missing",
    "deny contains \"x\" if p == false\np := true if false else := input.who in input.missing",
    "deny contains \"x\" if q(1) == false\nq(_) := input.who in input.missing",
    "deny contains x if {\"k\": x} = input.mixed[_]",
    "deny contains concat(x, [input.who, \"!\"]) if some x in input.list with input.who as \"joe\"",
    "deny contains \"x\" if count({x | some x in input.list with f as false; f(\"abc\")}) == 2",
    "deny contains x if {\"k\": x} := input.mixed[2]",
    "deny contains x if some {\"k\": x} in input.mixed",
    "deny contains \"x\" if some {\"k\": \"b\"} in input.objs[_] with input.nothing as 1",
    "deny contains \"x\" if h(1, input.mixed[1], [_, {\"k\": _}])",
    "deny contains \"x\" if input.who == \"c\" with input.who as input.mixed[_].k",
    // Functions that others stand in for.
    "deny contains x if x := outer(1) with inner as mock\ninner(n) := sprintf(\"inner %v\", [n])\nmock(n) := concat(\"/\", [\"mock\", inner(n)])\nouter(n) := inner(n)",
    "deny contains x if x := two(1) with inner as one\none(_) := \"one\"\nother(_) := \"other\"\ninner(_) := \"inner\"\ntwo(n) := y if y := three(n) with inner as other\nthree(n) := inner(n)",
    "deny contains x if x := [two(1), three(1)][_] with inner as one\none(_) := \"one\"\nother(n) := concat(\"/\", [\"other\", inner(n), three(n)])\ninner(_) := \"inner\"\ntwo(n) := y if y := three(n) with inner as other\nthree(n) := inner(n)",
    "deny contains x if x := [upper(\"a\"), lower(\"B\")][_] with upper as \"u\" with lower as \"l\"",
    "deny contains x if x := [upper(\"a\"), lower(\"B\")][_] with upper as lower with lower as upper",
    "import data.lib as l\ndeny contains \"x\" if l.calls(1) == 10 with l.next as l.other",
    "import data.lib.next\ndeny contains \"x\" if next(1) == 5 with next as 5",
    "import data.lib.next\ndeny contains \"x\" if data.lib.calls(1) == 5 with next as 5",
    "import data.lib.next\ndeny contains \"x\" if next(1) == 5 with data.lib.next as 5",
    "import data.lib.other as stand_in\ndeny contains \"x\" if data.lib.calls(1) == 10 with data.lib.next as stand_in",
    "deny contains \"x\" if { r == 1; r == 5 with inner as 5; r == 1 }\ninner(n) := n\nr := inner(1)",
    "deny contains \"x\" if { r == 5 with inner as value; r == 1 with inner as no_value }\nvalue := 5\nno_value := input.missing\ninner(n) := n\nr := inner(1)",
    "deny contains x if x := [inner(\"a\"), inner(\"b\")][_] with inner as mock\nmock(\"a\") := \"1\"\nmock(\"b\") := \"2\"\ninner(n) := n",
    "deny contains x if { some n in [\"a\", \"b\"]; x := inner(n) with inner as mock }\nmock(\"a\") := \"1\"\ninner(n) := n",
    "deny contains x if { some n in [\"a\", \"b\"]; x := inner(n) with inner as mock }\nmock(\"a\") := \"1\"\ndefault mock(_) := \"2\"\ninner(n) := n",
    "deny contains x if x := upper(\"a\") with input as {\"name\": \"joe\"} with upper as mock\nmock(n) := concat(\"/\", [n, input.name])",
    "deny contains p.sub if { [ok, _, p] := io.jwt.decode_verify(\"t\", {}) with io.jwt.decode_verify as mock; ok }\nmock(t, _) := [true, {}, {\"sub\": t}]",
    "deny contains x if x := outer(\"a\") with upper as mock\nmock(n) := y if y := lower(concat(\"\", [n, upper(\"b\")])) with lower as other\nother(n) := concat(\"\", [n, \"!\"])\nouter(n) := upper(n)",
    "deny contains x if x := outer(\"a\") with inner as mock\ninner(a, b) := [a, b]\nmock(a, b) := [b, a]\nouter(n) := y if { inner(n, \"q\", [y, _]) }",
    "deny contains \"x\" if allowed with whose as {\"name\": \"joe\"}\nwhose(x) := x\nallowed if whose(1).name == \"joe\"",
    "deny contains \"x\" if { n := \"joe\"; allowed with whose as n }\nwhose(x) := x\nallowed if whose(1) == \"joe\"",
    "deny contains \"x\" if { some n in [\"jane\", \"joe\"]; allowed with whose as n }\nwhose(x) := x\nallowed if whose(1) == \"joe\"",
    "deny contains \"x\" if not allowed with whose as \"joe\"\nwhose(x) := x\nallowed if whose(1) == \"joe\"",
    "deny contains \"x\" if not allowed with whose as input.missing\nwhose(x) := x\nallowed if whose(1) == \"joe\"",
    "deny contains \"x\" if not f(input.missing)\ndeny contains \"y\" if not f(input.who)",
    "deny contains \"x\" if p == 2\np := 1 if not f(input.missing) else := 2 if not f(input.who) else := 3",
    "deny contains \"x\" if p == 3\np := 1 if not f(input.missing) else := 2 if not g(input.missing) else := 3",
    "deny contains \"x\" if q(\"abc\")\nq(x) if not startswith(x, input.missing)",
    "deny contains \"x\" if q(\"abc\")\nq(x) if not startswith(x, input.a.b)",
    "deny contains \"x\" if q({\"a\": 1})\nq(x) if not f(x.b)",
    "deny contains \"x\" if q({\"a\": 1})\nq(x) if not f(x.a)",
    "deny contains \"x\" if q([1, 2])\nq([x, y]) if not x > y",
    "deny contains x if some x in [k | some k, v in obj]\nobj[k] := v if { some k in input.list; v := 1; not startswith(k, input.missing) }",
    "deny contains x if some x in [k | some k, v in obj]\nobj[k] := v if { some k in input.list; v := 1; not startswith(k, input.a.b) }",
    "deny contains x if { some x in input.list; not startswith(x, input.a.b) } { x := \"second\"; input.a.n == 5 }",
    "deny contains x if { x := input.missing } { x := input.who }",
    "deny contains {\"m\": concat(\"\", [\"q\" | not f(input.missing)])}.m if true == true\ndeny contains \"a\" if { x := [1 | not f(input.missing)]; x == [] }",
    "deny contains \"x\" if allowed == false\ndefault allowed := false\nallowed if not blocked(input.team)\nblocked(t) if t == \"evil\"",
    "deny contains k if { t := input.objs[k]; t; not input.names[k] }",
    "m[k] := t if { t := input.objs[k]; not p[k] }\np[\"a\"] := 1 if true\ndeny contains k if m[k]",
    "m[k] := t if { t := input.objs[k]; not f(k); not input.names[t.k] }\ndeny contains k if m[k]",
    "m[k] := t if { t := input.objs[k]; not startswith(k, input.names[t.k]) }\ndeny contains k if m[k]",
    "deny contains k if { walk(input.objs, [p, v]); is_string(v); k := p[0]; not startswith(v, \"z\") }",
    // What one binding gives may be undefined, and another's is there.
    "deny contains sprintf(\"%v\", [v.n]) if { some v in input.mixed }",
    "deny contains v.n if some v in input.mixed",
    "deny contains json.marshal(input.mixed[_].n)",
    "deny contains json.marshal(m)\nm[v.k] := v.n if { some v in input.mixed }",
    "deny contains json.marshal(m)\nm[v.n] := v.k if { some v in input.mixed }",
    "deny contains json.marshal(m)\nm.x[v.k] := v.n if { some v in input.mixed }",
    "deny contains q(\"d\")\nq(k) := input.objs[k].k if { k } else := \"other\"",
    "deny contains q(\"d\")\nq(k) := input.objs[k].k if k else := input.missing if true else := \"third\" # }\n",
    "deny contains q\nq := input.objs[k].k if { k := \"d\" } else := \"other\"",
    "deny contains concat(\",\", [\n  v.n, # first\n  \"y\",\n]) if {\n  some v in input.mixed # last\n}",
    "deny contains v.n if { some v in input.mixed; count(input.list) > 1; x := set() }",
    "import future.keywords.not\ndeny contains \"x\" if not f(input.missing)",
    "import data.lib\ndeny contains \"x\" if not f(lib)",
];

/// Modules of the language before version 1.
pub(super) const OLD: &[&str] = &[
    // What is gone from version 1.
    "deny[x] { x := json.marshal([any([]), any([false, 1, null]), any([false, true]), any({true}), any(set()), all([]), all(set()), all([true, true]), all([true, 1]), all({true}), all({true, \"a\"}), set_diff({1, 2, 3}, {2})]) }",
    "deny[x] { x := json.marshal([set_diff({1}, {1}), set_diff(set(), {1}), set_diff({[1], {\"a\": 1}}, {[1]}), cast_array([2, 1]), cast_array({\"b\", 2, null, [1], \"a\"}), cast_set([2, 1, 2]), cast_set({2, 1}), cast_boolean(true), cast_boolean(false) == false, cast_null(null), cast_object({\"a\": 1}), cast_string(\"a\")]) }",
    "deny[x] { x := json.marshal([re_match(\"^a+$\", \"aaa\"), re_match(\"^a+$\", \"ab\")]) }",
    "deny[x] { x := outer(1) with inner as mock }\ninner(n) = sprintf(\"inner %v\", [n]) { true }\nmock(n) = concat(\"/\", [\"mock\", inner(n)]) { true }\nouter(n) = inner(n) { true }",
    "deny[\"x\"] { data.lib.calls(1) == 5 with data.lib.next as 5 }",
    "deny[x] { x := input.missing } { x := input.who }",
    "deny[x] { x := \"a\" }\n{ x := \"b\"; not f(input.missing) }\n{\n  x := \"c\"\n  not f(input.who)\n}\nf(x) { x == \"xyz\" }",
    "deny[\"x\"] { p }\np { false } { not q(input.who) }\nq(x) = y { y := x == \"joe\" } { y := x == \"joe\" }",
    "deny[\"x\"] { not startswith(input.missing, \"x\") }",
    "deny[\"x\"] { x = input.who; not startswith(x, \"x\") }",
    "deny[\"x\"] { x = input.list[_]; not startswith(x, input.who) }",
    "deny[\"x\"] { x := input.a.n\n (x - 1) > 3 }",
    "deny[sprintf(\"%v\", [v.n])] { v := input.mixed[_] }",
    "deny[q] { true }\nq = input.mixed[k].n { k := 0 } else = \"b\" { true }",
    "deny[x] { x := q(1) }\nq(x) = input.mixed[x].n { x } else = \"b\" { true }",
    "deny[\"x\"] { not any_of }\nany_of { input.list[_] == \"q\" }",
];
