//! The builtins that Regate has in its own form, beside the real OPA: the same Rego on the same input must give the same.
//!
//! What OPA leaves undefined must be a fault here. The formats of `sprintf` are made up by the thousand: every verb
//! with every flag over a list of operands, and directives put together at random, the same in every run.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use regate::gate::Gate;
use regate::policy::files::{Files, RegoFile};
use regate::policy::load::load;
use regate::policy::{Context, Document, Evaluate, Fault, Limits, PolicySet};
use serde_json::{Value, json};

use crate::binaries;
use crate::cases::{FORMATS, OPERANDS};
use crate::expressions;

/// All formats over all operands, in one evaluation of each engine.
const MATRIX: &str = "answers := [v | some format in input.formats; some operand in input.operands; \
                      v := sprintf(format, [operand])]\n";

/// Formats with their own operands.
const LIST: &str = "answers := [v | some case in input.cases; v := sprintf(case[0], case[1])]\n";

pub(crate) fn every_verb_and_flag() -> Result<()> {
    formats_over("vsdxXoObcqUeEfFgGtTz!é", OPERANDS)?;
    // These show the inside and the address of an integer beyond 64 bits.
    formats_over("wp", r#"[0, 1, -12, 2.5, "", "hi", null, [1]]"#)
}

fn formats_over(verbs: &str, operands: &str) -> Result<()> {
    let sizes = ["", "9", ".0", ".4", "12.3", "."];
    let mut formats = Vec::new();
    for verb in verbs.chars() {
        for flags in 0..32u32 {
            let flags: String = "-+# 0"
                .chars()
                .enumerate()
                .filter_map(|(bit, flag)| (flags >> bit & 1 == 1).then_some(flag))
                .collect();
            formats.extend(sizes.map(|size| format!("%{flags}{size}{verb}")));
        }
    }
    // As text: neither engine may see the numbers in another form than they are written in.
    let input = format!("{{\"formats\": {}, \"operands\": {operands}}}", json!(formats));
    let operands: Vec<Value> = serde_json::from_str(operands).context("the operands are no list")?;
    let told = |at: usize| {
        let format = formats.get(at / operands.len());
        format!("{format:?} of {:?}", operands.get(at % operands.len()))
    };
    same_lists(MATRIX, &input, told)
}

pub(crate) fn directives_of_any_shape() -> Result<()> {
    let mut cases: Vec<Value> = FORMATS
        .iter()
        .map(|(format, operands)| {
            let operands: Value = serde_json::from_str(operands).context("the operands are no JSON")?;
            Ok(json!([format, operands]))
        })
        .collect::<Result<_>>()?;
    ensure!(cases.len() >= 60, "only {} formats", cases.len());
    cases.extend(random_cases(10_000));
    let input = json!({"cases": cases}).to_string();
    same_lists(LIST, &input, |at| format!("{:?}", cases.get(at)))
}

const PATTERNS: &str = "answers := [v | some pattern in input.patterns; some text in input.texts; v := [\
    regex.match(pattern, text), regex.find_n(pattern, text, -1), regex.replace(text, pattern, \"<$0>\"), \
    regex.split(pattern, text), regex.find_all_string_submatch_n(pattern, text, 2)]]\n";

/// Texts with what is a letter, a digit or a space in Unicode only.
const TEXTS: [&str; 12] = [
    "",
    "a",
    "abc-12",
    "a b\tc",
    "é",
    "x٣y",
    "a\u{a0}b",
    "日本",
    "<b>",
    "[&~-]",
    "a{2}",
    "\u{b}\u{c}",
];

/// What OPA reads must be read, and match the same. The other way round, a repetition of a repetition like `a**` is
/// read here and not in OPA.
pub(crate) fn patterns() -> Result<()> {
    let patterns = random_patterns(6000);
    let input = |patterns: &[String]| json!({"patterns": patterns, "texts": TEXTS}).to_string();
    let valid = "package p\nanswers := [pattern | some pattern in input.patterns; regex.is_valid(pattern)]\n";
    let valid: Vec<String> = serde_json::from_value(in_opa(valid, "data.p.answers", &input(&patterns))?)?;
    ensure!(valid.len() > 1000, "only {} patterns", valid.len());
    let told = |at: usize| {
        let pattern = valid.get(at / TEXTS.len());
        format!("{pattern:?} on {:?}", TEXTS.get(at % TEXTS.len()))
    };
    same_lists(PATTERNS, &input(&valid), told)
}

fn random_patterns(count: usize) -> Vec<String> {
    const PIECES: [&str; 44] = [
        "a",
        "b",
        "é",
        "\\d",
        "\\D",
        "\\w",
        "\\W",
        "\\s",
        "\\S",
        "\\b",
        "\\<",
        "\\>",
        ".",
        "^",
        "$",
        "*",
        "+",
        "?",
        "|",
        "(",
        ")",
        "(?i:",
        "(?:",
        "[a-c]",
        "[^a]",
        "[\\w-]",
        "[^\\s]",
        "[\\D]",
        "[[]",
        "[]a]",
        "[a&&b]",
        "[~~]",
        "[[:alpha:]]",
        "[[:^digit:]]",
        "{2}",
        "{1,}",
        "{,2}",
        "{",
        "}",
        "\\Qa.b\\E",
        "\\pL",
        "\\.",
        "-",
        "\\x41",
    ];
    drawn(&PIECES, count, 5)
}

const GLOBS: &str = "answers := [v | some pattern in input.patterns; some separators in input.separators; some text in input.texts; \
    v := glob.match(pattern, separators, text)]\n";

/// Patterns of few characters over texts of the same. Which are no patterns is compared one by one elsewhere.
pub(crate) fn globs() -> Result<()> {
    const PIECES: [&str; 16] = [
        "a",
        "b",
        ".",
        "/",
        "*",
        "**",
        "?",
        "{a,b}",
        "{a,}",
        "{*,b.c}",
        "{a,{b,?}}",
        "[ab]",
        "[!a]",
        "[a-c]",
        "\\*",
        "é",
    ];
    const CHARACTERS: [&str; 8] = ["a", "b", "c", ".", "/", "*", "é", "\n"];
    let patterns = drawn(&PIECES, 500, 5);
    let texts = drawn(&CHARACTERS, 60, 6);
    let separators = json!([null, [], ["/"], [".", "/"], ["é"]]);
    let input = json!({"patterns": patterns, "separators": separators, "texts": texts}).to_string();
    same_lists(GLOBS, &input, |at| {
        let separators = separators.get(at / texts.len() % 5);
        let pattern = patterns.get(at / texts.len() / 5);
        format!(
            "{pattern:?} with {separators:?} on {:?}",
            texts.get(at % texts.len())
        )
    })
}

const MEETING: &str = "answers := [regex.globs_match(pair[0], pair[1]) | some pair in input.pairs]\n";

/// Patterns of characters, two by two.
pub(crate) fn meeting_globs() -> Result<()> {
    const PIECES: [&str; 20] = [
        "a", "b", "a", "b", "a*", "b*", "a+", "b+", ".", ".*", ".+", "[ab]", "[ab]*", "[a-c]+", "[c-e]",
        "[^é]", "\\*", "\\[", "é", "[]",
    ];
    let patterns = drawn(&PIECES, 12000, 6);
    let pairs: Vec<_> = patterns.chunks_exact(2).map(|pair| json!(pair)).collect();
    let input = json!({"pairs": pairs}).to_string();
    same_lists(MEETING, &input, |at| format!("{:?}", pairs.get(at)))
}

/// What is no URI has no value in both.
const URIS: &str = "answers := [v | some text in input.uris; v := [uri.is_valid(text), [parts | parts := uri.parse(text)]]]\n";

/// URIs of pieces that mean something in one, in any order.
pub(crate) fn uris() -> Result<()> {
    const PIECES: [&str; 44] = [
        "http",
        "https",
        "postgres",
        "a",
        "Z9",
        ":",
        ":",
        "//",
        "//",
        "/",
        "/",
        "?",
        "#",
        "@",
        "[",
        "]",
        "::1",
        "[::1]",
        "[fe80::1%25eth0]",
        "[::1%25]",
        "1.2.3.4",
        "example.org",
        ":80",
        ":8a",
        "%20",
        "%2f",
        "%25",
        "%C3%A9",
        "%g",
        "%3",
        "%41",
        "é",
        "*",
        "!",
        "'",
        "(",
        ";",
        "=",
        "&",
        "+",
        "~",
        "<",
        " ",
        "\u{7f}",
    ];
    let mut uris = drawn(&PIECES, 12_000, 9);
    // Most of them have a host.
    for uri in uris.iter_mut().step_by(2) {
        uri.insert_str(0, "https://");
    }
    let input = json!({"uris": uris}).to_string();
    same_lists_leniently(URIS, &input, |at| format!("{:?}", uris.get(at)))
}

/// Texts of up to so many of the pieces.
fn drawn(pieces: &[&str], count: usize, most: usize) -> Vec<String> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap_or_default()
    };
    (0..count)
        .map(|_| {
            let taken = 1 + draw(most);
            (0..taken)
                .filter_map(|_| pieces.get(draw(pieces.len())).copied())
                .collect()
        })
        .collect()
}

/// Formats of pieces that mean something, with up to three operands.
fn random_cases(count: usize) -> Vec<Value> {
    // Digits small enough that no width is longer than what is allowed here.
    const PIECES: [&str; 32] = [
        "%", "%", "%", "%", "%", "d", "s", "v", "x", "q", "T", "f", "c", "z", "*", "*", ".", "[1]", "[2]",
        "[3]", "[0]", "[9]", "[x]", "[", "]", "-", "+", "#", "0", " ", "3", "é",
    ];
    let operands = [
        json!(1),
        json!(-12),
        json!("text"),
        json!(2.5),
        json!(3),
        json!(null),
        json!([1, "a"]),
        json!(1_000_001),
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap_or_default()
    };
    (0..count)
        .map(|_| {
            let pieces = 1 + draw(9);
            let format: String = (0..pieces)
                .filter_map(|_| PIECES.get(draw(PIECES.len())).copied())
                .collect();
            let given: Vec<&Value> = (0..draw(4))
                .filter_map(|_| operands.get(draw(operands.len())))
                .collect();
            json!([format, given])
        })
        .collect()
}

/// Evaluates `all` in both engines; `told` describes the case at a place.
fn same_lists(rules: &str, input: &str, told: impl Fn(usize) -> String) -> Result<()> {
    same_lists_of("", rules, input, told)
}

/// The same, where ours passes errors of builtins over as OPA does.
pub(crate) fn same_lists_leniently(rules: &str, input: &str, told: impl Fn(usize) -> String) -> Result<()> {
    const LENIENT: &str = "# METADATA\n# scope: package\n# custom:\n#   builtinErrors: undefined\n";
    same_lists_of(LENIENT, rules, input, told)
}

fn same_lists_of(metadata: &str, rules: &str, input: &str, told: impl Fn(usize) -> String) -> Result<()> {
    let theirs = in_opa(&format!("package p\n{rules}"), "data.p.answers", input)?;
    let theirs = theirs.as_array().context("OPA gave no list")?.clone();
    let ours = format!(
        "{metadata}package kubernetes.admission.p\ndeny contains {{\"msg\": \"\", \"details\": answers}}\n{rules}"
    );
    let set = set(&[ours])?;
    let ours = evaluate(&set, "p", input)?.context("no list")?;
    let ours = ours.as_array().context("not a list")?;
    if theirs.len() != ours.len() {
        let only = |some: &[Value], others: &[Value]| -> Vec<String> {
            let rest = some.iter().filter(|one| !others.contains(one));
            rest.map(Value::to_string).take(20).collect()
        };
        let (theirs, ours) = (only(&theirs, ours), only(ours, &theirs));
        bail!("{}\nonly OPA: {theirs:#?}\nonly Regate: {ours:#?}", told(0));
    }
    let differ: Vec<String> = theirs
        .iter()
        .zip(ours)
        .enumerate()
        .filter(|(_, (theirs, ours))| theirs != ours)
        .map(|(at, (theirs, ours))| format!("{}: OPA {theirs}, Regate {ours}", told(at)))
        .collect();
    if !differ.is_empty() {
        let first: Vec<&str> = differ.iter().map(String::as_str).take(40).collect();
        bail!(
            "{} of {} differ:\n{}",
            differ.len(),
            theirs.len(),
            first.join("\n")
        );
    }
    Ok(())
}

/// What the expressions read, so that OPA's type checker does not know it.
const INPUT: &str = r#"{"i": 1, "f": 1.5, "s": "text", "b": true, "z": null, "a": [1, 2], "o": {"a": 1}, "e": [], "neg": -1}"#;

pub(crate) fn expressions() -> Result<()> {
    let count = expressions::all().count();
    ensure!(count >= 150, "only {count} expressions");
    let mut rules = String::from("package p\n");
    let mut policies = Vec::new();
    for (number, expression) in expressions::all().enumerate() {
        rules.push_str(&format!("answers[\"{number}\"] := v if v := {expression}\n"));
        policies.push(format!(
            "package kubernetes.admission.p{number}\ndeny contains {{\"msg\": \"\", \"details\": v}} if v := {expression}\n"
        ));
    }
    let theirs = in_opa(&rules, "data.p.answers", INPUT)?;
    let set = set(&policies)?;
    let mut differ = Vec::new();
    for (number, expression) in expressions::all().enumerate() {
        let theirs = theirs.get(number.to_string());
        let ours = evaluate(&set, &format!("p{number}"), INPUT);
        let same = match (theirs, &ours) {
            (Some(theirs), Ok(Some(ours))) => same(theirs, ours),
            (None, Err(fault)) => matches!(fault, Fault::Builtin { .. }),
            _ => false,
        };
        if !same {
            differ.push(format!("{expression}: OPA {theirs:?}, Regate {ours:?}"));
        }
    }
    ensure!(
        differ.is_empty(),
        "{} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
    Ok(())
}

/// Equal, with numbers by value: OPA writes `1.5000000000` for 1.5.
pub(crate) fn same(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Number(theirs), Value::Number(ours)) => {
            theirs == ours || (theirs.is_f64() || ours.is_f64()) && theirs.as_f64() == ours.as_f64()
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(theirs, ours)| same(theirs, ours))
        }
        (Value::Object(theirs), Value::Object(ours)) => {
            theirs.len() == ours.len()
                && theirs
                    .iter()
                    .all(|(key, theirs)| ours.get(key).is_some_and(|ours| same(theirs, ours)))
        }
        _ => theirs == ours,
    }
}

pub(crate) fn set(policies: &[String]) -> Result<PolicySet> {
    let modules = policies.iter().enumerate().map(|(number, text)| RegoFile {
        path: format!("{number}.rego"),
        text: text.clone(),
        is_test: false,
        v0: false,
    });
    let files = Files {
        modules: modules.collect(),
        data: Vec::new(),
        revision: String::new(),
        ..Files::default()
    };
    load(&files).map_err(|findings| anyhow::anyhow!("refused: {findings:?}"))
}

/// The details of a policy's only denial, if there is one.
pub(crate) fn evaluate(set: &PolicySet, name: &str, input: &str) -> Result<Option<Value>, Fault> {
    let Some(policy) = set.of(Gate::Validate).find(|policy| policy.name == name) else {
        return Ok(None);
    };
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(120),
        context: Context {
            now_ns: now(),
            ..Context::default()
        },
    };
    let input = Document::parse(input.as_bytes()).unwrap_or_else(|_| Document::empty());
    let outcome = set.evaluate(policy, &input, &limits)?;
    Ok(outcome
        .deny
        .into_iter()
        .next()
        .and_then(|message| message.details))
}

/// Nanoseconds since 1970, which is what OPA goes by.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or_default()
}

/// The value of a query over a module.
pub(crate) fn in_opa(module: &str, query: &str, input: &str) -> Result<Value> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("p.rego");
    std::fs::write(&file, module)?;
    let mut opa = Command::new(binaries::OPA.path()?)
        .args(["eval", "--stdin-input", "--format", "json", "--data"])
        .arg(&file)
        .arg(query)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run opa")?;
    opa.stdin
        .take()
        .context("opa has no input")?
        .write_all(input.as_bytes())?;
    let output = opa.wait_with_output()?;
    let answer: Value = serde_json::from_slice(&output.stdout).with_context(|| {
        let told = String::from_utf8_lossy(&output.stderr);
        format!("OPA's answer is no JSON: {}", told.get(..1000).unwrap_or(&told))
    })?;
    answer
        .pointer("/result/0/expressions/0/value")
        .cloned()
        .with_context(|| format!("OPA gave no value: {answer}"))
}
