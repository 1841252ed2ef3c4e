//! The same modules in OPA and in Regate, where the engine by itself would decide otherwise.
//!
//! Each case is the body of a rule (or rules) in a package of its own; all packages are evaluated by one run of OPA,
//! and each has to deny with the same messages in both.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use regate::policy::engine::{Context, Document, Limits};
use regate::policy::files::{Files, RegoFile};
use regate::policy::load::load;
use regate::policy::{Evaluate, PolicySet};
use serde_json::{Value, json};

use crate::binaries;

/// What the bodies may call and read.
const PREAMBLE: &str = r#"
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
const LIBRARY: &str = r#"package lib
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

/// Bodies of `deny contains "x" if`.
const BODIES: &[&str] = &[
    // References that stand alone, and comparisons for equality, stay as they are.
    "not input.missing",
    "not input.a.f",
    "not input.a.b",
    "not input.missing == 1",
    "not 1 == input.missing",
    "not input.a.n == 5",
    "not input.a.n == 6",
    "not input.missing.deeper == input.other",
    "not input.missing = 1",
    "not unknown",
    "not no",
    "not known",
    "not unknown == 1",
    "not names.x",
    "not empty.x",
    "not input.list[7] == \"x\"",
    "not input.list[0] == \"x\"",
    // Operands of calls have to be defined.
    "not f(input.missing)",
    "not f(input.a.b)",
    "not f(input.who)",
    "not f(unknown)",
    "not f(known)",
    "not f(no)",
    "not f(\"abc\")",
    "not startswith(input.missing, \"x\")",
    "not startswith(input.who, \"x\")",
    "not startswith(input.who, \"j\")",
    "not startswith(\"x\", input.missing)",
    "not startswith(input.who, input.missing)",
    "not startswith(input.who, input.a.b)",
    "not contains(concat(\",\", input.list), input.missing)",
    "not contains(concat(\",\", input.list), \"z\")",
    "not h(input.missing, 1)",
    "not h(1, input.who)",
    "not f(g(input.missing))",
    "not f(g(input.who))",
    "not count(input.missing) > 0",
    "not count(input.list) > 2",
    "not count(input.list) > 1",
    "not count(input.missing) == 0",
    "not count(input.list) == 2",
    "not count(input.list) == 3",
    "not 3 == count(input.list)",
    "not input.missing == count(input.list)",
    "not input.a.n == g(input.list)",
    "not g(input.missing) == input.a.n",
    // Other operators are calls.
    "not input.missing > 1",
    "not input.a.n > 1",
    "not input.a.n > 9",
    "not input.missing != 1",
    "not input.a.n != 5",
    "not input.a.n != 6",
    "not input.missing + 1 > 1",
    "not input.a.n + 1 > 1",
    "not input.a.n * 2 == 10",
    "not input.a.n * 2 == 11",
    "not input.missing * 2 == 11",
    "not (input.a.n - 1) % 2 == 0",
    "not (input.a.n) > (input.missing)",
    "not ((input.a.n) > 7)",
    "not ((input.missing) > 7)",
    "not (input.missing)",
    "not -5 > input.a.n",
    "not 0 - input.a.n > -7",
    // Membership.
    "not input.missing in {\"a\", \"b\"}",
    "not input.who in {\"a\", \"b\"}",
    "not input.who in {\"a\", \"jane\"}",
    "not \"x\" in input.missing",
    "not \"x\" in input.list",
    "not \"z\" in input.list",
    "not \"z\" in names",
    "not \"z\" in empty",
    "not 0, \"x\" in input.list",
    "not 1, \"x\" in input.list",
    "not input.missing, \"x\" in input.list",
    "not input.who in [input.missing, \"jane\"]",
    "not input.who in input.list",
    "\"a\", input.missing in input.list",
    "0, input.missing in []",
    "0, input.list[0] in input.list",
    "1, \"y\" in input.list",
    "x := (0, input.missing in input.list); x",
    "x := [1 | 7, input.missing in input.list with input.list as []]; x == []",
    // What is literal.
    "not [input.missing][0] == 3",
    "not [input.a.n][0] == 3",
    "not [input.a.n][0] == 5",
    "not [1, 2][0] == 3",
    "not {\"k\": input.missing}.k == 3",
    "not {\"k\": input.a.n, \"l\": 2}.k == 3",
    "not [input.missing] == [1]",
    "not [input.a.n] == [1]",
    "not {input.missing} == {1}",
    "not {\"a\": input.missing} == {\"a\": 1}",
    "not {\"a\": 1, \"b\": input.who} == {\"a\": 1, \"b\": 2}",
    "not [input.missing]",
    "not [input.who]",
    "not f([input.missing, 1])",
    "not f([input.who, 1])",
    "not f({\"a\": [input.missing]})",
    "not f({\"a\": [input.who], \"b\": 1})",
    "not f(set())",
    "not count(set()) == input.a.n",
    "not {input.who} & {\"jane\"} == {\"x\"}",
    "not count({input.who} | {input.missing}) == 2",
    // References in references.
    "not input.a[input.missing]",
    "not input.a[input.key]",
    "not input.a[input.key] == \"xyz\"",
    "not input.a[input.missing] == \"xyz\"",
    "not f(input.a[input.key])",
    "not f(input.a[input.missing])",
    "not input.list[count(input.missing)]",
    "not input.list[count(input.list)]",
    "not g(input.list)",
    "not h(input.who, 2)[0] == \"jane\"",
    "not h(input.who, 2)[0] == \"joe\"",
    "not h(input.missing, 2)[0] == \"joe\"",
    "not input[g(input.list)]",
    // Comprehensions.
    "not count([x | some x in input.missing]) > 0",
    "not count([x | some x in input.list]) > 0",
    "not count([x | some x in input.list; not f(x)]) > input.a.n",
    "not count([x | some x in input.list; not startswith(input.missing, x)]) == 2",
    "count([x | some x in input.list; not startswith(input.missing, x)]) == 0",
    "count({x | some x in input.list; not f(x)}) == 2",
    "not [x | some x in input.list] == [\"x\"]",
    "not {x: 1 | some x in input.list} == {}",
    "every x in input.list { not startswith(x, input.missing) }",
    "every x in input.list { not startswith(x, input.who) }",
    "every i, x in input.list { not input.list[i] != x }",
    // Names and scopes.
    "x := input.missing; not f(x)",
    "x := input.who; not f(x)",
    "some x in input.list; not f(x)",
    "some x in input.list; not startswith(x, input.a.b)",
    "some i; input.list[i]; not f(input.list[i])",
    "some i; x := input.list[i]; not input.list[i] != x",
    "x := json.unmarshal(`{\"y\": 1}`); not f(x.y)",
    "x := json.unmarshal(`{\"y\": 1}`); not f(x.z)",
    "some i, x in input.list; not i > input.a.n; not x > input.who",
    "not f(input.who); not f(input.missing)",
    "not f(input.who); input.a.n == 5; not f(known) == input.other",
    "__n0 := 1; not __n0 > input.a.n",
    "__n0 := 1; not __n0 > input.missing",
    // Objects that take others apart.
    "{\"n\": x} = input.a",
    "{\"n\": x, \"f\": y} = input.a",
    "z := json.unmarshal(`{\"n\": 1, \"m\": 2}`); {\"n\": x} := z",
    "{\"n\": x} = {\"n\": 1}",
    "x := input.a; {\"n\": y} = x",
    "x := json.unmarshal(`[{\"n\": 1}, {\"n\": 1, \"m\": 2}]`); {\"n\": y} = x[_]",
    "x := json.unmarshal(`[{\"n\": 1, \"m\": 2}]`); x[_] = {\"n\": _}",
    "x := json.unmarshal(`[{\"n\": 1, \"m\": 2}]`); {\"n\": _, \"m\": 2} = x[_]",
    "x := json.unmarshal(`[{\"n\": 1, \"m\": 2}]`); some {\"n\": y} in x",
    "x := json.unmarshal(`[{\"n\": 1, \"m\": 2}]`); some {\"n\": y, \"m\": z} in x; z > y",
    "x := json.unmarshal(`[{\"n\": 1}]`); some i, {\"n\": 1} in x; i == 0",
    "x := json.unmarshal(`[{\"n\": 1, \"m\": 2}]`); some {\"n\": 1} in x",
    "x := {{\"n\": 1}: {\"m\": 1}}; some {\"n\": y}, {\"m\": y} in x",
    "z := json.unmarshal(`{\"n\": 1, \"m\": 2}`); [{\"n\": x}, y] = [z, 3]",
    "[{\"n\": x}, y] := [{\"n\": 1}, 3]; y > x",
    "z := json.unmarshal(`{\"n\": {\"m\": 1, \"o\": 2}}`); {\"n\": {\"m\": x}} = z",
    "z := json.unmarshal(`{\"n\": 1, \"m\": 2}`); count([1 | {\"n\": _} = z]) == 0",
    "{\"n\": x} = object.union({\"n\": 1}, {\"m\": 2})",
    "{\"n\": x} = object.union({\"n\": 1}, {})",
    "{\"n\": x} = input.a with input.a as {\"n\": 1}",
    "{\"n\": x} = json.unmarshal(input.t) with input.t as `{\"n\": 1, \"m\": 2}`",
    "{\"n\": x} = input.missing",
    "z := json.unmarshal(`{\"n\": 1, \"m\": 2}`); [x, {\"n\": 1}] = [3, z]; x == 3",
    "z := json.unmarshal(`{\"n\": 1, \"m\": 2}`); [x, {}] = [3, z]; x == 3",
    "z := json.unmarshal(`{\"n\": 1, \"m\": 2}`); z = {\"n\": 1}",
    "z := json.unmarshal(`{\"n\": 1, \"m\": 2}`); [{\"n\": 1}] = [z]",
    "z := json.unmarshal(`{\"n\": 1, \"m\": 2}`); some {} in [z]",
    "x := .5; x < 1",
    // The result of a builtin or of a function as its last operand.
    "count(input.list, n); n == 2",
    "count(input.list, 2)",
    "count(input.list, 3)",
    "count(input.missing, n); not n",
    "count(input.missing, n); n != 1",
    "count(input.list, input.missing)",
    "count(input.list, input.a.n)",
    "split(\"a/b\", \"/\", [x, y]); x != y",
    "split(\"a/b\", \"/\", [x, x])",
    "split(\"a/a\", \"/\", [x, x])",
    "split(\"a/b\", \"/\", [\"a\", y]); y == \"b\"",
    "split(\"a/b\", \"/\", [\"b\", _])",
    "split(\"a/b\", \"/\", [_, _])",
    "split(\"a/b\", \"/\", [_, _, _])",
    "split(\"a/b\", \"/\", [input.missing, _])",
    "split(\"a/b\", \"/\", [p, concat(\"\", [\"b\"])]); p",
    "x := \"b\"; split(\"a/b\", \"/\", [_, x])",
    "x := \"c\"; split(\"a/b\", \"/\", [_, x])",
    "startswith(input.who, \"j\", true)",
    "startswith(input.who, \"x\", false)",
    "startswith(input.who, \"x\", r); r == false",
    "startswith(input.who, input.missing, false)",
    "io.jwt.decode(\"eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJtZSJ9.AAAA\", [head, p, s]); head.alg == \"HS256\"; p.iss == \"me\"; s == \"000000\"",
    "io.jwt.decode(\"eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJtZSJ9.AAAA\", [_, {\"iss\": \"me\"}, _])",
    "io.jwt.decode(\"eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJtZSJ9.AAAA\", [_, {\"iss\": \"you\"}, _])",
    "sprintf(\"%v/%v\", [\n    count(input.list), # so many\n    1,\n  ], x)\n  x == \"2/1\"",
    "not count(input.list, 2)",
    "not count(input.list, 3)",
    "not count(input.missing, 3)",
    "not count(input.list, input.missing)",
    "not count(input.list, input.a.n)",
    "not io.jwt.decode(\"eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJtZSJ9.AAAA\", [{}, {}, \"\"])",
    "not startswith(input.who, \"x\", false)",
    "not startswith(input.who, \"x\", true)",
    "not startswith(input.who, input.missing, true)",
    "not crypto.sha256(input.who, \"x\") with input.who as \"joe\"",
    "every x in input.list { count(x, 1) }",
    "every x in input.list { count(x, n); n > 1 }",
    "every x in input.list { not count(x, 2) }",
    "every x in input.lists { count(x, n); n < 3 }",
    "[n | some x in input.lists; count(x, n)] == [1, 2, 0]",
    "{n | some x in input.lists; not count(x, 0); count(x, n)} == {1, 2}",
    "{x: n | some x in input.list; sprintf(\"%v!\", [x], n)} == {\"x\": \"x!\", \"y\": \"y!\"}",
    "count({x | some x in input.list; concat(\"\", [x, x], \"xx\")}, 1)",
    "count([x | some x in input.list; concat(\"\", [x, x], y); not startswith(y, \"x\", true)], n); n == 1",
    "count(input.list, n) with input.list as [1, 2, 3]; n == 3",
    "not count(input.list, 2) with input.list as [1, 2, 3]",
    "crypto.sha256(input.who, x) with input.who as \"abc\"; startswith(x, \"ba7816bf\")",
    "some x in input.list; upper(x, y); y == \"X\"",
    "g(input.list, n); n == 2",
    "g(input.list, 2)",
    "g(input.list, 3)",
    "g(input.missing, n); n != 1",
    "g(input.missing, input.other)",
    "g(input.list, input.missing)",
    "h(1, input.who, [a, b]); a == 1; b == \"jane\"",
    "h(1, input.who, [_, \"jane\"])",
    "h(1, input.who, [_, \"joe\"])",
    "f(known, true)",
    "f(known, x); x",
    "f(\"abc\", x); x != 1",
    "not g(input.list, 2)",
    "not g(input.list, 3)",
    "not g(input.missing, 3)",
    "not g(input.list, input.missing)",
    "not f(\"abc\", true)",
    "not f(known, true)",
    "every x in input.lists { g(x, n); n < 3 }",
    "[n | some x in input.lists; g(x, n)] == [1, 2, 0]",
    // What `walk` gives one after the other.
    "[p, v] := walk(input.a); v == \"xyz\"; p == [\"b\"]",
    "[p, v] = walk(input.a); v == \"xyz\"; p == [\"b\"]",
    "[_, v] := walk(input.a); v == \"nothing\"",
    "[p, _] := walk(input.missing); p",
    "[[\"b\"], v] = walk(input.a); v == \"xyz\"",
    "[[\"b\"], \"abc\"] = walk(input.a)",
    "x := walk(input.a); x == [[\"n\"], 5]",
    "x = walk(input.a); x[1] == 5",
    "{v | [_, v] := walk(input.list)} == {[\"x\", \"y\"], \"x\", \"y\"}",
    "p := 7; {v | [p, v] := walk(input.list); p != []} == {\"x\", \"y\"}; p == 7",
    "{v | some x in input.lists; [_, v] := walk(x); v == \"z\"} == {\"z\"}",
    "every x in input.list { [_, v] := walk(x); v == x }",
    "[p, v] := walk(input.a) with input.a as {\"q\": 1}; p == [\"q\"]; v == 1",
    "[\n    p, # the path\n    v,\n  ] := walk(\n    input.a,\n  )\n  v == 5; p == [\"n\"]",
    "walk(input.a, x); x == [[\"n\"], 5]",
    "walk(input.a, [[\"n\"], 5])",
    "walk(input.a, [[\"n\"], 6])",
    "walk(input.a, [[k], 5]); k == \"n\"",
    "not walk(input.a, [[\"n\"], 6])",
    "not walk(input.a, [[\"n\"], 5])",
    "not walk(input.missing, [[\"n\"], 5])",
    "some k in [\"n\", \"b\"]; walk(input.a, [[k], v]); v == 5",
    "p := [\"b\"]; walk(input.a, [p, v]); v == \"xyz\"",
    "walk(input.lists, [[i, j], \"z\"]); i == 1; j == 1",
    // Functions that others stand in for.
    "data.lib.next(1) == 5 with data.lib.next as 5",
    "data.lib.calls(1) == 2",
    "data.lib.calls(1) == 5 with data.lib.next as 5",
    "data.lib.calls(1) == 10 with data.lib.next as data.lib.other",
    "data.lib.rule == 10 with data.lib.next as data.lib.other",
    "data.lib.next(input.missing) == 5 with data.lib.next as 5",
    "not data.lib.calls(1) == 2 with data.lib.next as 5",
    "not data.lib.calls(1) == 5 with data.lib.next as 5",
    "not data.lib.calls(input.missing) == 5 with data.lib.next as 6",
    "g(input.list) == 7 with g as 7",
    "upper(\"a\") == \"b\" with upper as \"b\"",
    "upper(\"A\") == \"a\" with upper as lower",
    "upper(\"a\") == \"A\" with upper as input.missing",
    "upper(\"a\") == \"jane\" with upper as input.who",
    "not upper(input.missing) == \"a\" with upper as \"b\"",
    "crypto.sha256(\"a\") == \"b\" with crypto.sha256 as \"b\"",
    "data.lib.hash(\"a\") == \"A\" with crypto.sha256 as upper",
    "startswith(data.lib.hash(\"abc\"), \"a9993e36\") with crypto.sha256 as crypto.sha1",
    "startswith(upper(\"abc\"), \"a9993e36\") with upper as crypto.sha1",
    "data.lib.token(\"x\").iss == \"me\" with io.jwt.decode as [{}, {\"iss\": \"me\"}, \"\"]",
    "data.lib.token(\"x\").iss == \"x!\" with io.jwt.decode as data.lib.decoded",
    "not data.lib.token(\"x\").iss == \"x!\" with io.jwt.decode as data.lib.decoded",
    "data.lib.now == 5 with time.now_ns as 5",
    "time.now_ns() == 5 with time.now_ns as 5",
    "time.now_ns(x) with time.now_ns as 5; x == 5",
    "time.now_ns() == 4 with time.now_ns as input.a.n",
    "count(input.list, n) with count as 7; n == 7",
    "io.jwt.decode(\"x\", [_, y, _]) with io.jwt.decode as data.lib.decoded; y.iss == \"x!\"",
    "not count(input.list, 7) with count as 7",
    "[n | some x in input.list; n := count(x) with count as 7] == [7, 7]",
    "every x in input.list { count(x) == 7 with count as 7 }",
    "[n | some x in input.list; n := count(x)] == [7, 7] with count as 7",
    "data.lib.calls(1) == 12 with data.lib.next as data.lib.nests",
    // Calls that iterate.
    "not count(input.lists[_]) > 1",
    "not count(input.lists[_]) > 0",
    "some i; not count(input.lists[i]) > 1; i == 1",
    "not startswith(concat(\"\", input.lists[_]), \"x\")",
    // `with`.
    "not f(input.who) with input.who as \"xyz\"",
    "not f(input.who) with input.who as \"abc\"",
    "not f(input.missing) with input.missing as \"abc\"",
    "not f(input.missing) with input.missing as \"xyz\"",
    "not f(unknown) with input as {\"missing\": \"xyz\"}",
    "not f(unknown) with input as {\"missing\": \"abc\"}",
    "not unknown with input.missing as 1",
    "not f(input.who) with input as {\n  \"who\": \"abc\", # a comment\n  \"more\": [1],\n}",
    "not f(input.who) with input.who as \"abc\" with input.a as {}",
    "not count(input.missing) > 0 with input.missing as []",
    "not f(input.who) with input.who as input.missing",
    "not f(input.who) with input.who as input.a.b",
    "not f(input.who) with count as 5",
    "input.a.b == 2 with input.a.b as 2 with input.who as input.a.b",
    "input.a.b == 2 with input.a.b as 2 with input.who as input.missing",
    "not input.a.b == 2 with input.a.b as input.missing with input.who as 1",
    "not input.a.b == 2 with input.who as concat(\"\", [input.missing]) with input.a as {}",
    "input.who == \"abc\" with input.who as lower(\"ABC\") with input.list as input.who",
    "not f(count(input.missing)) with count as 5",
    // Membership that is a value is undefined where it is asked of nothing.
    "(input.who in input.missing) == false",
    "(input.missing in input.list) == false",
    "x := (input.who in input.missing); x == false",
    "x := (\"z\" in input.list); x == false",
    "x := (\"z\" in input.who); x == false",
    "x := (input.missing, \"x\" in input.list); x == false",
    "x := (0, \"x\" in input.list); x",
    "x := (\n    input.who # who\n    in ((input.list)))\n  x == false",
    "[y | some z in input.list; y := z in input.missing] == []",
    "[(input.who in input.missing) | true] == []",
    "some x in [input.who in input.missing]; x == false",
    "not (input.who in input.missing) == false",
    "not f(input.who in input.missing)",
    "not f(input.who in set())",
    "input.zero == false with input.zero as (input.who in input.missing)",
    "(\"x\" in input.list in [true])",
    "x := ((\"x\" in input.list) in [(\"q\" in input.list), true]); x",
    "1, \"y\" in input.list; x := (1, \"x\" in input.list); x == false",
    "not (\"x\" in input.missing)",
    // Objects that take results apart.
    "walk(input.objs, [_, {\"k\": _}])",
    "walk(input.mixed, [_, {\"k\": \"b\"}])",
    "walk(input.mixed, [[i], {\"k\": \"c\"}]); i == 2",
    "walk(input.missing, [_, {\"k\": _}]) with input.missing as input.mixed[1]",
    "not walk(input.mixed, [[1], {\"k\": \"b\"}])",
    "not walk(input.mixed, [[2], {\"k\": \"c\"}])",
    "h(1, input.mixed[1], [_, {\"k\": _}])",
    "h(1, input.mixed[0], [_, {\"k\": x}]); x == \"a\"",
    "h(1, input.mixed[_], [_, {\"k\": x}]); x == \"c\"",
    "not h(1, input.mixed[1], [1, {\"k\": \"b\"}])",
    "some {\"k\": x} in [input.mixed[_]]; x == \"b\"",
    "some {\"k\": x} in input.lists[_]; x",
    "some {\"k\": \"c\"} in [input.mixed[_]]",
    // What stands in may iterate.
    "input.who == \"c\" with input.who as input.mixed[_].k",
    "input.who == \"c\" with input.who as input.mixed[i].k; i == 2",
    "not input.who == \"c\" with input.who as input.mixed[_].n",
    "input.who == \"nn\" with input.who as object.get(input.mixed[_], \"n\", \"\")",
    // What `with` changes on `some` ends with it.
    "some x in [1] with input.who as \"joe\"; x; input.who == \"joe\"",
    "some x in input.list with input.who as \"joe\"; x; not input.who == \"jane\"",
    "some x in input.list with input.list as [\"q\"]; x == \"q\"; \"x\" in input.list",
    "some x in names with input.list as [\"q\"]; x == \"q\"; not names.q",
    "some x in input.list\n  with input.list as [y | y := \"q\"] # c\n  x == \"q\"; not \"q\" in input.list",
    "some {\"k\": x} in input.mixed with input.mixed as [{\"k\": \"q\"}]; x == \"q\"; count(input.mixed) == 3",
    "some x in input.missing with input.missing as 7; x",
    // Over several lines.
    "not startswith(\n  input.missing,\n  \"x\",\n)",
    "not startswith(\n  input.who, # who\n  \"x\",\n)",
    "not startswith(input.who, concat(\"\", [\n  \"x\",\n  input.a.b,\n]))",
    "not\n    input.a.n\n    > 7",
    "not startswith(input.who, `x`)",
    "not startswith(input.who, \"ü(\"); not f(input.who)",
    // A line that begins with a bracket is no call of what is above it.
    "x := input.a.n\n  (x - 1) > 3",
    "x := input.a.n\n  (x - 1) > 5",
    "y := input.list[0]\n  # between\n  (1 + 1) == 2; y == \"x\"",
    "input.a.n\n  (input.a.n - 4) == 1",
    "input.a.list[\"0\"]\n  (1 == 1)",
    "true\n  not (input.a.n) > 7",
    "x := [1,\n  (2)]; count(x) == 2",
    "not 1 in g(input.list)\n  (1 + 1) == 2",
    "not 1 in [2 | true]\n  (1 + 1) == 2",
    "1 +\n  (2) == 3",
    // What is iterated may be no collection.
    "some x in input.a.n; x",
    "some x in input.who; x",
    "some x in input.nothing; x",
    "some x in input.missing; x",
    "some x in input.list; x == \"y\"",
    "some i, x in input.list; x == \"y\"; i == 1",
    "some x in input.objs.a; x == \"a\"",
    "some k, v in input.objs; v.k == k",
    "some x in (input.list); x == \"y\"",
    "some v in input.objs; some y in v.k; y",
    "some v in input.objs; some y in v; y == \"a\"",
    "some x in input.lists[_]; x == \"z\"",
    "some x in input.lists[i]; x == \"z\"; i == 1",
    "count([x | some l in input.lists; some x in l]) == 3",
    "count([x | some x in input.lists[_]]) == 3",
    "some x in input.who with input.who as [1]\n  x == 1",
    "some x in input.who\n    with input.who as {\n  \"k\": 1,\n}\n  x == 1",
    "l := input.list; some x in l; x == \"x\"",
    "some [x, _] in input.pairs; x == 1",
    "not some_of",
    "every x in [\"zz\"] { not input[x] }",
    "every x in [\"zz\"] { not input[x] == 2 }",
    "every x in [\"who\"] { not input[x] }",
    "every x in [\"zz\"] { every y in [1] { y; not input[x] } }",
    "every k, x in {\"zz\": 1} { x; not input[k] }",
    "every x in input.a.n { x }",
    "every x in input.nothing { x }",
    "1 in input.nothing",
    // Results as the last operand.
    "sprintf(\"%v\", [1], x); x == \"1\"",
    "sprintf(\"%v\", [1], \"2\")",
    "sprintf(\"%v\", [input.missing], x); x == \"1\"",
    "base64.decode(\n  \"eA==\",\n  x,\n); x == \"x\"",
    "crypto.sha256(\"x\", x); startswith(x, \"2d7\")",
    "upper(\"x\", x); x == \"X\"",
];

/// Whole modules, each with its `deny`.
const MODULES: &[&str] = &[
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
const OLD: &[&str] = &[
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

fn input() -> Value {
    json!({
        "who": "jane", "key": "b", "mixed": [{"k": "a"}, {"k": "b", "n": "nn"}, {"k": "c"}], "nothing": null, "pairs": [[1, 2], [3, 4]], "list": ["x", "y"], "lists": [["x"], ["y", "z"], []],
        "objs": {"a": {"k": "a"}, "b": {"k": "b"}}, "names": {"A": 1, "a": "x"},
        "a": {"b": "xyz", "n": 5, "f": false, "list": {"0": true}},
    })
}

fn modules() -> Vec<RegoFile> {
    let rules = |body: &&str| format!("deny contains \"x\" if {{\n  {body}\n}}");
    let today = BODIES
        .iter()
        .map(rules)
        .chain(MODULES.iter().map(|rules| (*rules).to_owned()));
    let today = today.map(|rules| (rules, PREAMBLE, false));
    let old = OLD.iter().map(|rules| ((*rules).to_owned(), "", true));
    let module = |(number, (rules, preamble, v0)): (usize, (String, &str, bool))| {
        // What is imported comes first.
        let (imports, rules) = match rules.split_once("\ndeny") {
            Some((imports, rules)) if imports.starts_with("import") => {
                (format!("{imports}\n"), format!("deny{rules}"))
            }
            _ => (String::new(), rules),
        };
        let directory = if v0 { "v0/" } else { "" };
        RegoFile {
            path: format!("{directory}{number}.rego"),
            text: format!("package kubernetes.admission.case{number}\n{imports}{rules}\n{preamble}"),
            is_test: false,
            v0,
        }
    };
    today.chain(old).enumerate().map(module).collect()
}

/// Denies with the same messages as OPA does.
pub(crate) fn same() -> Result<()> {
    let (mut modules, mut expected) = (modules(), BTreeMap::new());
    for v0 in [false, true] {
        expected.extend(in_opa(&modules, v0)?);
    }
    let refused: Vec<_> = modules
        .iter()
        .filter(|module| !expected.contains_key(&name(module)))
        .map(|module| module.path.clone())
        .collect();
    ensure!(refused.is_empty(), "OPA knows nothing of {refused:?}");
    let mut different = Vec::new();
    modules.push(RegoFile {
        path: "lib.rego".into(),
        text: LIBRARY.replace(" { true }", ""),
        is_test: false,
        v0: false,
    });
    let files = Files {
        modules: modules.clone(),
        ..Files::default()
    };
    let set = load(&files).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    for module in modules.iter().filter(|module| module.path != "lib.rego") {
        let (ours, theirs) = (ours(&set, &name(module)), expected.get(&name(module)));
        if ours.as_ref().ok() != theirs {
            different.push(format!(
                "{}\nOPA: {theirs:?}\nRegate: {ours:?}\n",
                module.text.replace(PREAMBLE, "")
            ));
        }
    }
    ensure!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
    Ok(())
}

fn name(module: &RegoFile) -> String {
    let digits: String = module.path.chars().filter(char::is_ascii_digit).collect();
    let digits = if module.v0 {
        digits.get(1..).unwrap_or_default()
    } else {
        &digits
    };
    format!("case{digits}")
}

/// What each package denies in OPA.
fn in_opa(modules: &[RegoFile], v0: bool) -> Result<BTreeMap<String, Vec<Value>>> {
    let directory = tempfile::tempdir()?;
    for module in modules.iter().filter(|module| module.v0 == v0) {
        fs::write(
            directory.path().join(format!("{}.rego", name(module))),
            &module.text,
        )?;
    }
    fs::write(
        directory.path().join("lib.rego"),
        LIBRARY.replace(if v0 { "" } else { " { true }" }, ""),
    )?;
    let input_file = directory.path().join("input.json");
    fs::write(&input_file, input().to_string())?;
    let mut command = Command::new(binaries::OPA.path()?);
    command.args(["eval", "--format", "json", "data.kubernetes.admission", "--input"]);
    command.arg(&input_file).arg("--data").arg(directory.path());
    if v0 {
        command.arg("--v0-compatible");
    }
    let output = command.output().context("cannot run opa")?;
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let packages = answer
        .pointer("/result/0/expressions/0/value")
        .and_then(Value::as_object)
        .with_context(|| format!("OPA refuses a case: {answer:#}"))?;
    let denials = |rules: &Value| {
        rules
            .get("deny")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    Ok(packages
        .iter()
        .map(|(name, rules)| (name.clone(), denials(rules)))
        .collect())
}

/// What a policy of ours denies.
fn ours(set: &PolicySet, name: &str) -> Result<Vec<Value>> {
    let policy = set.policies().iter().find(|policy| policy.name == name);
    let policy = policy.with_context(|| format!("no policy {name}"))?;
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(10),
        context: Context::default(),
    };
    let outcome = set.evaluate(policy, &Document::from_json(&input()), &limits)?;
    let mut messages: Vec<_> = outcome
        .deny
        .into_iter()
        .map(|message| json!(message.msg))
        .collect();
    messages.sort_by_key(Value::to_string);
    Ok(messages)
}
