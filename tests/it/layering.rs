//! Which module may use which: the architecture as a table, checked against the sources.
//!
//! Inside one crate nothing stops a module from using any other; this test does. It reads the sources as tokens, so
//! that comments and texts do not count, and follows `crate::`, `super::` and grouped imports.

use std::collections::BTreeMap;
use std::path::Path;

/// A module of the crate's root: the modules of ours that it may use, and the crates that it must not name.
struct Layer {
    module: &'static str,
    may_use: &'static [&'static str],
    must_not_name: &'static [&'static str],
}

/// Names of crates end at `*` where all crates with that beginning are meant.
#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer { module: "cli", may_use: ALL, must_not_name: &["regorus"] },
    Layer { module: "server", may_use: &["certs", "config", "gate", "json", "metrics", "policy", "review", "telemetry", "watch"],
        must_not_name: &["regorus"] },
    Layer { module: "review", may_use: &["gate", "json", "metrics", "patch", "policy"],
        must_not_name: &["actix*", "regorus", "rustls*", "tokio_rustls"] },
    Layer { module: "policy", may_use: &["fetch", "gate", "json", "keys", "metrics", "watch"],
        must_not_name: &["actix*", "kube", "regorus", "rustls*", "tokio_rustls"] },
    Layer { module: "cluster", may_use: &["gate", "policy"], must_not_name: &["actix*", "regorus"] },
    Layer { module: "certs", may_use: &["gate"], must_not_name: &["actix*", "kube", "regorus"] },
    Layer { module: "config", may_use: &["gate"], must_not_name: &["actix*", "kube", "regorus", "rustls*"] },
    Layer { module: "fetch", may_use: &["watch"], must_not_name: &["actix*", "kube", "regorus"] },
    Layer { module: "fuzzing", may_use: ALL, must_not_name: &["actix*", "kube", "regorus"] },
    Layer { module: "gate", may_use: &[], must_not_name: &["actix*", "kube", "regorus", "rustls*"] },
    Layer { module: "json", may_use: &["gate"], must_not_name: &["actix*", "kube", "regorus", "rustls*"] },
    Layer { module: "keys", may_use: &["watch"], must_not_name: &["actix*", "kube", "regorus", "rustls*"] },
    Layer { module: "metrics", may_use: &["gate"], must_not_name: &["actix*", "kube", "regorus", "rustls*"] },
    Layer { module: "patch", may_use: &["gate"], must_not_name: &["actix*", "kube", "regorus", "rustls*"] },
    Layer { module: "telemetry", may_use: &["gate"], must_not_name: &["actix*", "kube", "regorus", "rustls*"] },
    Layer { module: "watch", may_use: &[], must_not_name: &["actix*", "kube", "regorus", "rustls*"] },
];

/// Every module.
const ALL: &[&str] = &[
    "certs",
    "cluster",
    "config",
    "fetch",
    "gate",
    "json",
    "keys",
    "metrics",
    "patch",
    "policy",
    "review",
    "server",
    "telemetry",
    "watch",
];

/// The files that may name the engine, whatever their module says.
const ENGINE: &str = "policy/engine";

#[test]
fn no_source_reaches_past_its_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = BTreeMap::new();
    collect(&root, &root, &mut sources);
    assert!(sources.len() > 20, "only {} sources were found", sources.len());
    let findings: Vec<_> = sources
        .iter()
        .flat_map(|(path, source)| check(path, source))
        .collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

fn collect(root: &Path, directory: &Path, sources: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            sources.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// What a source must not use, one line each; `path` is relative to `src`.
fn check(path: &str, source: &str) -> Vec<String> {
    let modules: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    let module = modules[0];
    if path == "lib.rs" || path == "main.rs" {
        return Vec::new();
    }
    let Some(layer) = LAYERS.iter().find(|layer| layer.module == module) else {
        return vec![format!("{path}: `{module}` is in no layer")];
    };
    let tokens = tokens(source);
    let mut findings = Vec::new();
    for (line, used) in uses_of_ours(&tokens, modules.len()) {
        // What is no module of the root is an item of it, like a macro.
        let known = LAYERS.iter().any(|layer| layer.module == used);
        if known && used != module && !layer.may_use.contains(&used.as_str()) {
            findings.push(format!("{path}:{line}: `{module}` must not use `{used}`"));
        }
    }
    for (line, name) in uses_of_crates(&tokens) {
        let is = |banned: &&str| {
            banned
                .strip_suffix('*')
                .map_or(name == **banned, |start| name.starts_with(start))
        };
        let engine = name == "regorus" && path.starts_with(ENGINE);
        if !engine && layer.must_not_name.iter().any(is) {
            findings.push(format!("{path}:{line}: `{module}` must not name `{name}`"));
        }
    }
    findings
}

/// An identifier or one character of punctuation (`::` is one), and its line.
type Token = (usize, String);

fn tokens(source: &str) -> Vec<Token> {
    let bytes = source.as_bytes();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let rest = &source[at..];
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = text_length(rest) {
            length
        } else if rest.starts_with(is_word) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push((line, rest[..length].to_owned()));
            length
        } else {
            let character = rest.chars().next().unwrap();
            let length = if rest.starts_with("::") {
                2
            } else {
                character.len_utf8()
            };
            if !character.is_whitespace() {
                tokens.push((line, rest[..length].to_owned()));
            }
            length
        };
        line += rest[..taken].matches('\n').count();
        at += taken;
    }
    tokens
}

/// The length of the string or character literal that a source begins with.
fn text_length(rest: &str) -> Option<usize> {
    let prefix = ["br", "r", "b", "c", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix)
            .is_some_and(|after| after.trim_start_matches('#').starts_with('"'))
    });
    if let Some(prefix) = prefix {
        let hashes = rest[prefix.len()..].find('"').unwrap();
        let raw = prefix.ends_with('r');
        if hashes > 0 && !raw {
            return None;
        }
        let start = prefix.len() + hashes + 1;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(if raw {
            rest[start..]
                .find(&end)
                .map_or(rest.len(), |at| start + at + end.len())
        } else {
            start + escaped_length(&rest[start..], '"')
        });
    }
    // A lifetime has no quote after its first character.
    let after = rest.strip_prefix('\'')?;
    let first = after.chars().next()?;
    let is_character = first == '\\' || after[first.len_utf8()..].starts_with('\'');
    is_character.then(|| 1 + escaped_length(after, '\''))
}

/// The length of a literal's rest, its end included.
fn escaped_length(rest: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == end => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The modules of the root that paths lead to. `depth` is how many modules the file is below the root.
fn uses_of_ours(tokens: &[Token], depth: usize) -> Vec<(usize, String)> {
    let word = |at: usize| tokens.get(at).map_or("", |(_, word)| word.as_str());
    let mut uses = Vec::new();
    // Inline modules are deeper than their file: the braces at which each one opened.
    let (mut braces, mut inline) = (0, Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        match word(at) {
            "{" => braces += 1,
            "}" => {
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
                braces -= 1;
            }
            "mod" if word(at + 2) == "{" => inline.push(braces + 1),
            "crate" if word(at + 1) == "::" => names_at(tokens, at + 2, &mut uses),
            "super" => {
                let supers = (0..)
                    .take_while(|n| word(at + 2 * n) == "super" && word(at + 2 * n + 1) == "::")
                    .count();
                if supers == depth + inline.len() {
                    names_at(tokens, at + 2 * supers, &mut uses);
                }
                at += (2 * supers).saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    uses
}

/// The first names of the path or of the group of paths that stands here.
fn names_at(tokens: &[Token], start: usize, uses: &mut Vec<(usize, String)>) {
    let Some((line, first)) = tokens.get(start) else {
        return;
    };
    if first != "{" {
        uses.push((*line, first.clone()));
        return;
    }
    let mut depth = 0;
    for pair in tokens[start..].windows(2) {
        let ((_, before), (line, name)) = (&pair[0], &pair[1]);
        match before.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
        if depth == 1 && (before == "{" || before == ",") && name != "}" {
            uses.push((*line, name.clone()));
        }
    }
}

/// The words that stand where the name of a crate can.
fn uses_of_crates(tokens: &[Token]) -> Vec<(usize, String)> {
    let word = |at: Option<usize>| {
        at.and_then(|at| tokens.get(at))
            .map_or("", |(_, word)| word.as_str())
    };
    let is_crate = |at: usize| {
        let (before, after) = (word(at.checked_sub(1)), word(at.checked_add(1)));
        // Behind `::` stands a part of a path, unless the path begins with it.
        let first = match before {
            "::" => ["use", "", "(", "<", "=", "{", ";", ",", "&"].contains(&word(at.checked_sub(2))),
            _ => true,
        };
        let imported = [before, word(at.checked_sub(2))]
            .iter()
            .any(|word| ["use", "crate"].contains(word));
        first && (after == "::" || imported)
    };
    tokens
        .iter()
        .enumerate()
        .filter(|(at, _)| is_crate(*at))
        .map(|(_, token)| token.clone())
        .collect()
}

/// Sources that reach past their layer: the path, the source, the finding.
#[rustfmt::skip]
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("patch.rs", "use crate::policy::PolicySet;", "patch.rs:1: `patch` must not use `policy`"),
    ("config/tls.rs", "\nfn f() { crate::server::start() }", "config/tls.rs:2: `config` must not use `server`"),
    ("config/tls.rs", "use super::super::server;", "config/tls.rs:1: `config` must not use `server`"),
    ("metrics.rs", "mod tests { use super::super::review; }", "metrics.rs:1: `metrics` must not use `review`"),
    ("review.rs", "use crate::{gate::Gate,\n server::{self}};", "review.rs:2: `review` must not use `server`"),
    ("review/run.rs", "pub use crate::config;", "review/run.rs:1: `review` must not use `config`"),
    ("server/tls.rs", "use regorus::Engine;", "server/tls.rs:1: `server` must not name `regorus`"),
    ("cli/review.rs", "let e = regorus::Engine::new();", "cli/review.rs:1: `cli` must not name `regorus`"),
    ("cli/review.rs", "use ::regorus as r;", "cli/review.rs:1: `cli` must not name `regorus`"),
    ("cli/review.rs", "use regorus as r;", "cli/review.rs:1: `cli` must not name `regorus`"),
    ("policy/load.rs", "use regorus::Value;", "policy/load.rs:1: `policy` must not name `regorus`"),
    ("policy/load.rs", "fn f(x: &kube::Client) {}", "policy/load.rs:1: `policy` must not name `kube`"),
    ("fetch/hosts.rs", "use crate::policy;", "fetch/hosts.rs:1: `fetch` must not use `policy`"),
    ("review/image.rs", "use actix_web::web;", "review/image.rs:1: `review` must not name `actix_web`"),
    ("review/image.rs", "rustls_pki_types::X", "review/image.rs:1: `review` must not name `rustls_pki_types`"),
    ("unheard_of.rs", "", "unheard_of.rs: `unheard_of` is in no layer"),
    ("json.rs", "let c = '\"'; use crate::cli; // \"", "json.rs:1: `json` must not use `cli`"),
    ("json.rs", "let s = r#\"\"\"#; use crate::cli;", "json.rs:1: `json` must not use `cli`"),
    ("json.rs", "fn f<'a>(x: &'a str) { crate::cli::f() }", "json.rs:1: `json` must not use `cli`"),
];

#[test]
fn a_path_past_the_layer_is_found_wherever_it_stands() {
    for (path, source, finding) in FORBIDDEN {
        assert_eq!(check(path, source), [*finding], "{source}");
    }
}

#[test]
fn what_the_layers_allow_is_not_found() {
    for (path, source) in [
        ("policy/engine.rs", "use regorus::Engine;"),
        ("policy/engine/json.rs", "use regorus::Value; use crate::json;"),
        (
            "review/run.rs",
            "use super::envelope; use crate::{gate::Gate, policy::{self, metrics}};",
        ),
        ("review/run.rs", "mod tests { use super::super::server; }"),
        (
            "patch.rs",
            "// use crate::policy;\n/* crate::policy */ let s = \"crate::policy\"; let r = r#\"crate::policy\"#;",
        ),
        (
            "patch.rs",
            "let kube = 1; let x = self.kube; fn regorus() {} my::regorus::f();",
        ),
        ("cli/serve.rs", "use crate::{config, server, policy};"),
        ("main.rs", "regate::cli::main()"),
    ] {
        assert_eq!(check(path, source), [""; 0], "{source}");
    }
}
