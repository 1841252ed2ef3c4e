//! What `regate check --strict` finds beside what `opa check --strict` finds, on OPA's own cases and on thousands that are
//! made of them by changing a word.
//!
//! Nothing that OPA accepts is refused, but for what `ON_PURPOSE` lists; and which of OPA's errors are not found here is
//! counted by class in docs/differences.md.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use regate::policy::files::{Files, Sources};
use regate::policy::finding::Id;
use regate::policy::load::{self, Strictness};
use serde::Deserialize;
use serde_json::json;

use crate::accepted::{self, Case};
use crate::binaries;

/// An error of OPA.
#[derive(Debug, Deserialize)]
struct Problem {
    code: String,
    message: String,
}

/// What OPA says of a case.
#[derive(Debug, Deserialize)]
struct Answer {
    strict: Vec<Problem>,
}

/// What OPA says of all cases.
fn opa(cases: &[Case]) -> Result<Vec<Answer>> {
    let mut child = Command::new(binaries::OPA_COMPILE.path()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("OPA's compiler does not start")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let asked: String = cases
        .iter()
        .map(|case| format!("{}\n", json!({ "v0": case.v0, "modules": case.modules })))
        .collect();
    let writer = std::thread::spawn(move || stdin.write_all(asked.as_bytes()));
    let stdout = child.stdout.take().context("no standard output")?;
    let answers: Result<Vec<Answer>> = BufReader::new(stdout)
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect();
    writer
        .join()
        .map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    ensure!(child.wait()?.success(), "OPA's compiler failed");
    let answers = answers?;
    ensure!(
        answers.len() == cases.len(),
        "{} answers for {} cases",
        answers.len(),
        cases.len()
    );
    Ok(answers)
}

/// What we find.
fn ours(case: &Case) -> Vec<(Id, String)> {
    let findings = load::check(&case.files(), &std::sync::Arc::default(), Strictness::Strict)
        .err()
        .unwrap_or_default();
    findings
        .iter()
        .map(|finding| (finding.id, finding.to_string()))
        .collect()
}

/// What both say of a case.
type Both = (Answer, Vec<(Id, String)>);

/// Both of all cases; ours on two threads.
fn both(cases: &[Case]) -> Result<Vec<Both>> {
    let half = cases.len() / 2;
    let found = std::thread::scope(|scope| {
        let (first, second) = cases.split_at(half);
        let first = scope.spawn(move || first.iter().map(ours).collect::<Vec<_>>());
        let second: Vec<_> = second.iter().map(ours).collect();
        first.join().map(|first| [first, second].concat())
    });
    let found = found.map_err(|_| anyhow::anyhow!("a check panicked"))?;
    Ok(opa(cases)?.into_iter().zip(found).collect())
}

/// Kinds of findings that what OPA accepts may have: what the engine lacks, and what is refused on purpose.
const ON_PURPOSE: [Id; 12] = [
    // Read otherwise by the engine, or not at all.
    Id::NotOffered,
    Id::Parse,
    Id::Rewrite,
    Id::UnknownFunction,
    Id::Walk,
    // To OPA a typo in a path is undefined, and values of several files go together.
    Id::BuiltinName,
    Id::DataConflict,
    Id::Recursion,
    Id::Reference,
    Id::RulePackage,
    // Ours to set.
    Id::Limit,
    // Names that OPA makes up itself are variables to it wherever they stand.
    Id::Unsafe,
];

/// Where the errors that only OPA reports are listed.
const LISTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/differences.md");

/// What OPA's strict check accepts has no finding but those on purpose; what it refuses has one, but for what is listed.
pub(crate) fn beside_opa() -> Result<()> {
    let mut cases = accepted::all()?;
    cases.extend(changed(&cases));
    cases.extend(accepted::diagnosed()?);
    cases.push(policies()?);
    let (mut wrong, mut missed) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
    let (mut accepted, mut refused) = (0, 0);
    for (case, (opa, found)) in cases.iter().zip(both(&cases)?) {
        let told = |text: &str| format!("{} ({text})\n{}", case.note, case.modules.join("\n---\n"));
        match opa.strict.first() {
            None => {
                accepted += 1;
                let found = found.iter().filter(|(id, text)| !is_on_purpose(*id, text));
                wrong.extend(found.map(|(_, text)| told(text)));
            }
            Some(problem) => {
                refused += 1;
                if found.is_empty() {
                    missed
                        .entry(class(problem))
                        .or_default()
                        .push(told(&problem.message));
                }
            }
        }
    }
    ensure!(
        accepted > 4000 && refused > 5000,
        "{accepted} accepted, {refused} refused"
    );
    ensure!(
        wrong.is_empty(),
        "OPA accepts {}:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
    compare(&missed, refused)
}

fn is_on_purpose(id: Id, text: &str) -> bool {
    match id {
        Id::Unsafe => text.contains("`__local"),
        id => ON_PURPOSE.contains(&id),
    }
}

/// No class of errors is missed that is not listed, and none more often.
fn compare(missed: &BTreeMap<String, Vec<String>>, refused: usize) -> Result<()> {
    let page = std::fs::read_to_string(LISTED).context(LISTED)?;
    let section = page
        .split("## Errors that only OPA reports")
        .nth(1)
        .context("no section for them")?;
    let rows = section.split("\n## ").next().unwrap_or_default().lines();
    let listed: BTreeMap<&str, usize> = rows
        .filter_map(|row| {
            let (class, count) = row.strip_prefix("| `")?.split_once("` | ")?;
            Some((class, count.split(' ').next()?.parse().ok()?))
        })
        .collect();
    let more: Vec<_> = missed
        .iter()
        .filter(|(class, cases)| {
            listed
                .get(class.as_str())
                .is_none_or(|count| cases.len() > *count)
        })
        .map(|(class, cases)| format!("| `{class}` | {} |\n{}", cases.len(), cases.join("\n\n")))
        .collect();
    ensure!(
        more.is_empty(),
        "of {refused} that OPA refuses, not listed:\n{}",
        more.join("\n")
    );
    let gone: Vec<_> = listed
        .keys()
        .filter(|class| !missed.contains_key(**class))
        .collect();
    ensure!(gone.is_empty(), "listed, and no longer missed: {gone:?}");
    Ok(())
}

/// The policies of the repository.
fn policies() -> Result<Case> {
    let sources = Sources {
        policies: vec![crate::POLICIES.into()],
        ..Sources::default()
    };
    let files = Files::read(&sources).map_err(|findings| anyhow::anyhow!("{findings:?}"))?;
    Ok(Case {
        note: "the policies of the repository".into(),
        v0: false,
        modules: files
            .modules
            .into_iter()
            .filter(|module| !module.is_test)
            .map(|module| module.text)
            .collect(),
        data: None,
    })
}

/// An error without what it names.
fn class(problem: &Problem) -> String {
    let message = problem.message.as_str();
    let known = [
        "invalid argument(s)",
        "is unsafe",
        "match error",
        "undefined ref",
        "unused",
        "conflict",
        "keyword is required",
        "empty body",
        "unexpected",
        "with keyword",
    ];
    let words = known
        .into_iter()
        .find(|words| message.contains(words))
        .unwrap_or(message);
    format!("{}: {words}", problem.code)
}

/// Cases that are made of others by changing a word or a line.
fn changed(cases: &[Case]) -> Vec<Case> {
    let mut draw = Draw(0x5eed);
    let mut changed = Vec::new();
    for case in cases.iter().filter(|case| !case.modules.is_empty()) {
        for _ in 0..2 {
            let mut case = case.clone();
            let at = draw.below(case.modules.len());
            if let Some(module) = case.modules.get_mut(at) {
                *module = change(module, &mut draw);
            }
            case.note = format!("{} changed", case.note);
            changed.push(case);
        }
    }
    changed
}

/// Numbers that look drawn and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }
}

/// Words, strings, symbols and spaces of a text.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut word = c.to_string();
        let more: &dyn Fn(char) -> bool = match c {
            c if c.is_alphanumeric() || c == '_' => &|c| c.is_alphanumeric() || c == '_',
            '"' => &|c| c != '"' && c != '\n',
            _ => &|_| false,
        };
        while let Some(next) = chars.next_if(|next| more(*next)) {
            word.push(next);
        }
        if c == '"' {
            word.extend(chars.next_if_eq(&'"'));
        }
        words.push(word);
    }
    words
}

/// A text with one change behind its package.
fn change(text: &str, draw: &mut Draw) -> String {
    if draw.below(6) == 0 {
        let mut lines: Vec<&str> = text.lines().collect();
        let at = 1 + draw.below(lines.len().saturating_sub(1));
        match draw.below(2) {
            0 if at < lines.len() => drop(lines.remove(at)),
            _ => lines.extend(lines.get(at).copied()),
        }
        return lines.join("\n");
    }
    let mut words = words(text);
    let is_word = |word: &String| !word.trim().is_empty();
    let places: Vec<usize> = (0..words.len())
        .filter(|at| words.get(*at).is_some_and(is_word))
        .skip(3)
        .collect();
    let Some(at) = places.get(draw.below(places.len())).copied() else {
        return text.to_owned();
    };
    let other = places
        .get(draw.below(places.len()))
        .and_then(|at| words.get(*at))
        .cloned()
        .unwrap_or_default();
    let Some(word) = words.get_mut(at) else {
        return text.to_owned();
    };
    let literals = [
        "1",
        "\"x\"",
        "true",
        "null",
        "[1]",
        "{1}",
        "{\"a\": 1}",
        "x",
        "_",
        "input",
        "data.x",
    ];
    *word = match draw.below(5) {
        0 => String::new(),
        1 => format!("{word} {word}"),
        2 => other,
        _ => literals
            .get(draw.below(literals.len()))
            .copied()
            .unwrap_or_default()
            .to_owned(),
    };
    words.concat()
}
