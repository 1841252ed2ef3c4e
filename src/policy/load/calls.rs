//! Calls that the engine would find wrong only when it comes to them: functions that do not exist, operands that do not
//! fit, and functions that call themselves, which would overflow the stack and end the process.

use std::collections::{BTreeMap, BTreeSet};

use super::circles;
use crate::policy::engine::Outside;
use crate::policy::engine::ast::{Call, Replaced, Source};
use crate::policy::engine::builtins::{self, declared};
use crate::policy::finding::{Finding, Id};

type Path = Vec<String>;

/// Builtins that would silently do nothing, or not what they do elsewhere; and what to do instead.
const NOT_OFFERED: [(&str, &str); 5] = [
    (
        "external_data",
        "no provider is known: name the file that says where it is with --provider",
    ),
    (
        "http.send",
        "nobody may be asked: give data that changes as data files, or allow hosts with --http-allow",
    ),
    (
        "net.lookup_ip_addr",
        "a decision must not wait for a name server; list the addresses in data",
    ),
    (
        "opa.runtime",
        "there is no OPA whose environment it could tell; put what it should say into data",
    ),
    ("trace", "nobody would see its notes; use `print`"),
];

/// What takes the place of what version 1 does not have.
const OLD: [(&str, &str); 5] = [
    ("all", "write `every x in xs { x }`"),
    ("any", "write `true in xs`"),
    ("net.cidr_overlap", "write `net.cidr_contains`"),
    ("re_match", "write `regex.match`"),
    ("set_diff", "write `xs - ys`"),
];

/// Said where the result of another file's function is taken apart.
const OBJECT: &str = "an object that takes the result of a call apart would fit larger ones too";

/// What nothing can stand in for.
const UNREPLACEABLE: [&str; 4] = ["print", "rego.metadata.chain", "rego.metadata.rule", "walk"];

/// Why a builtin that could be there is not offered, and what to do instead.
pub(crate) fn why_not_offered(builtin: &str, outside: &Outside) -> Option<&'static str> {
    match builtin {
        "external_data" if outside.providers.is_some() => return None,
        "http.send" if outside.http.is_some() => return None,
        _ => {}
    }
    let row = NOT_OFFERED.iter().find(|(banned, _)| *banned == builtin);
    row.map(|(_, why)| *why)
}

/// Adds what is wrong with the calls of all files. Sources are not whole where others cannot be parsed.
pub(super) fn check(sources: &[Source], is_whole: bool, outside: &Outside, findings: &mut Vec<Finding>) {
    let functions = functions(sources);
    let rules: BTreeSet<(&[String], &str)> = sources
        .iter()
        .flat_map(|source| {
            let rules = source.rules.iter().filter(|rule| !rule.is_default);
            rules.map(|rule| (source.package.as_slice(), rule.name.as_str()))
        })
        .collect();
    for source in sources {
        for rule in &source.rules {
            let calls = rule.calls.iter();
            let problems =
                calls.filter_map(|call| problem(source, call, is_whole, outside, &functions, &rules));
            findings.extend(problems);
            let name = std::iter::once(&rule.name)
                .chain(&rule.below)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(".");
            if rule.is_default && rule.arguments.is_none() && builtins::operands_of(&name).is_some() {
                let message = format!("the default of `{name}` would stand in for the builtin of that name");
                findings.push(source.problem(Id::BuiltinName, rule.at, message));
            }
        }
    }
    for source in sources.iter().filter(|source| !shadows(source, &rules)) {
        findings.extend(source.of_builtins.iter().cloned());
    }
    for source in sources {
        let replaced = source.replaced.iter();
        findings.extend(replaced.filter_map(|replaced| cannot_replace(source, replaced, &functions)));
    }
    recursion(sources, &graph(sources, &functions), findings);
}

/// Whether a rule of its package or an import of a file has the name of a builtin that it calls, or of what one's name
/// begins with.
fn shadows(source: &Source, rules: &BTreeSet<(&[String], &str)>) -> bool {
    let mut calls = source.rules.iter().flat_map(|rule| &rule.calls);
    calls.any(|call| {
        let root = call.function.first().map_or("", String::as_str);
        rules.contains(&(source.package.as_slice(), root))
            && builtins::declared::find(&call.function.join(".")).is_some()
            || source
                .imported
                .iter()
                .any(|import| builtins::declared::find(import).is_some())
    })
}

/// What is wrong with what a `with` replaces.
fn cannot_replace(
    source: &Source,
    replaced: &Replaced,
    functions: &BTreeMap<Path, usize>,
) -> Option<Finding> {
    let finding = |id, message: String| Some(source.problem(id, replaced.at, message));
    let operands = |function: &[String]| {
        let own = resolve(source, function, functions).and_then(|target| functions.get(&target).copied());
        own.or_else(|| builtins::operands_of(&function.join(".")))
    };
    let name = replaced.target.join(".");
    if UNREPLACEABLE.contains(&name.as_str()) {
        return finding(Id::UnknownFunction, format!("`with` cannot replace `{name}`"));
    }
    let Some(wanted) = operands(&replaced.target) else {
        let message = format!(
            "`with` replaces parts of `input` and `data`, and functions, and `{name}` is none of them"
        );
        let is_data = replaced.target.first().is_some_and(|root| root == "data");
        return if is_data {
            None
        } else {
            finding(Id::UnknownFunction, message)
        };
    };
    let by = replaced.by.as_ref()?;
    let given = operands(by).filter(|given| *given != wanted)?;
    let by = by.join(".");
    finding(
        Id::Arity,
        format!("`{by}` takes {given} operands, and `{name}`, for which it stands in, {wanted}"),
    )
}

/// What each rule or function depends on, as far as the text says it: the functions that it calls, and everything at,
/// under or above the paths that it reads.
fn graph(sources: &[Source], functions: &BTreeMap<Path, usize>) -> BTreeMap<Path, BTreeSet<Path>> {
    let paths: BTreeSet<Path> = sources
        .iter()
        .flat_map(|source| source.rules.iter().map(|rule| source.path_of(rule)))
        .collect();
    let mut graph: BTreeMap<Path, BTreeSet<Path>> = BTreeMap::new();
    for source in sources {
        for rule in &source.rules {
            let edges = graph.entry(source.path_of(rule)).or_default();
            edges.extend(
                rule.calls
                    .iter()
                    .filter_map(|call| resolve(source, &call.function, functions)),
            );
            let reads = rule.reads.iter().chain(&rule.own_reads);
            edges.extend(reads.flat_map(|read| reached(&paths, read)));
        }
    }
    graph
}

/// The paths at, under or above one that is read.
fn reached(paths: &BTreeSet<Path>, read: &Path) -> BTreeSet<Path> {
    // Those under it follow it in the order of the set.
    let under = paths
        .range(read.clone()..)
        .take_while(|path| path.starts_with(read));
    let above = (0..read.len()).filter_map(|end| paths.get(read.get(..end)?));
    under.chain(above).cloned().collect()
}

/// Functions of the files, by path below `data`, with their numbers of operands.
fn functions(sources: &[Source]) -> BTreeMap<Path, usize> {
    let of = |source: &Source| -> Vec<(Path, usize)> {
        let rules = source.rules.iter();
        rules
            .filter_map(|rule| Some((source.path_of(rule), rule.arguments?)))
            .collect()
    };
    sources.iter().flat_map(of).collect()
}

/// The function of a file that a name means, if it means one.
fn resolve(source: &Source, function: &[String], functions: &BTreeMap<Path, usize>) -> Option<Path> {
    let target = match function.split_first() {
        Some((root, rest)) if root == "data" => rest.to_vec(),
        _ => source.package.iter().chain(function).cloned().collect(),
    };
    functions.contains_key(&target).then_some(target)
}

fn problem(
    source: &Source,
    call: &Call,
    is_whole: bool,
    outside: &Outside,
    functions: &BTreeMap<Path, usize>,
    rules: &BTreeSet<(&[String], &str)>,
) -> Option<Finding> {
    let finding = |id, message: String| source.problem(id, call.at, message);
    let name = call.function.join(".");
    let ours = resolve(source, &call.function, functions).and_then(|target| functions.get(&target).copied());
    // They give nothing in a source whose METADATA nobody reads.
    if ours.is_none() && !source.is_annotated && builtins::WRITTEN_IN.contains(&name.as_str()) {
        let message = format!("`{name}` is not offered here");
        let hint = "the text of a template is not annotated: write what it should say where it is read";
        return Some(finding(Id::NotOffered, message).hinted(hint.to_owned()));
    }
    if let Some(why) = why_not_offered(&name, outside).filter(|_| ours.is_none()) {
        return Some(finding(Id::NotOffered, format!("`{name}` is not offered here")).hinted(why.to_owned()));
    }
    if let Some(message) = unreachable(&name, call, outside).filter(|_| ours.is_none()) {
        return Some(finding(Id::NotOffered, message));
    }
    if ours.is_none()
        && !source.has_old_builtins
        && declared::callable(&name).is_some_and(|row| row.deprecated)
    {
        let message = format!("`{name}` is gone from the language since version 1");
        let hint = OLD
            .iter()
            .find(|(old, _)| *old == name)
            .map(|(_, hint)| (*hint).to_owned());
        return Some(finding(Id::Deprecated, message).hinted(hint));
    }
    let given = call.operands?;
    let root = call.function.first()?;
    if ours.is_none()
        && rules.contains(&(source.package.as_slice(), root))
        && builtins::operands_of(&name).is_some()
    {
        let message = format!("`{name}` would be read as a part of this package's rule `{root}`");
        return Some(finding(Id::BuiltinName, message).hinted("give the rule another name".to_owned()));
    }
    let wanted = match ours {
        Some(operands) => operands,
        None if name == "print" => return None,
        None => match builtins::operands_of(&name) {
            Some(operands) => operands,
            None => return unknown(finding, &name, is_whole),
        },
    };
    if name == "walk" && ours.is_none() && given == 1 {
        // The engine would give all pairs at once, as one value.
        let message = "`walk(x)` gives one path and value after the other";
        return Some(finding(Id::Walk, message.into()).hinted("write `walk(x, [path, value])`".to_owned()));
    }
    if given == wanted + 1 && call.takes_apart && ours.is_some() && !is_of_file(source, &name) {
        return Some(finding(Id::Rewrite, OBJECT.into()).hinted(format!("write `… = {name}(…)`")));
    }
    // One more operand takes the result, as in `f(x, y)` for `y = f(x)`.
    let fits = given == wanted || (call.statement && given == wanted + 1);
    (!fits).then(|| {
        finding(
            Id::Arity,
            format!("`{name}` takes {wanted} operands, not {given}"),
        )
    })
}

/// Whether a file has a function of this name: what its calls take apart is rewritten.
fn is_of_file(source: &Source, function: &str) -> bool {
    source.rules.iter().any(|rule| {
        let parts = std::iter::once(&rule.name).chain(&rule.below);
        rule.arguments.is_some() && parts.map(String::as_str).eq(function.split('.'))
    })
}

/// What a call can never get from outside, as far as its operand is written out.
fn unreachable(name: &str, call: &Call, outside: &Outside) -> Option<String> {
    let constant = |key: &str| call.constants.iter().find(|(have, _)| have == key);
    match (name, &outside.http, &outside.providers) {
        ("http.send", Some(client), _) => {
            let (_, url) = constant("url")?;
            client
                .admits(url)
                .err()
                .map(|error| format!("`http.send`: {error}"))
        }
        ("external_data", _, Some(providers)) => {
            let (_, provider) = constant("provider")?;
            let known = providers.named.contains_key(provider);
            (!known).then(|| format!("`external_data`: there is no provider `{provider}`"))
        }
        _ => None,
    }
}

/// For a function that is nowhere: what OPA has beyond us is no slip of the pen, and what is like no builtin may be in a
/// file that cannot be parsed.
fn unknown(finding: impl Fn(Id, String) -> Finding, name: &str, is_whole: bool) -> Option<Finding> {
    if let Some(builtin) = declared::find(name) {
        if let Some(operator) = builtin.infix {
            let message = format!("`{name}` cannot be called by its name here");
            let hint = format!("write `{operator}` between its operands");
            return Some(finding(Id::UnknownFunction, message).hinted(Some(hint)));
        }
        let message = format!("`{name}` is a builtin of OPA that Regate does not have");
        return Some(finding(Id::UnknownFunction, message));
    }
    let near = builtins::nearest(name).map(|near| format!("did you mean `{near}`?"));
    let is_told = is_whole || near.is_some();
    is_told.then(|| finding(Id::UnknownFunction, format!("there is no function `{name}`")).hinted(near))
}

/// A finding for each rule or function that can come back to itself.
fn recursion(sources: &[Source], graph: &BTreeMap<Path, BTreeSet<Path>>, findings: &mut Vec<Finding>) {
    let circles = circles::of(graph);
    for source in sources {
        for rule in &source.rules {
            if circles.contains(&source.path_of(rule)) {
                let message = match rule.arguments {
                    Some(_) => format!("`{}` calls itself: Rego has no recursion", rule.name),
                    None => format!("`{}` depends on itself: Rego has no recursion", rule.name),
                };
                findings.push(source.problem(Id::Recursion, rule.at, message));
            }
        }
    }
}
