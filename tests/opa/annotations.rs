//! What `rego.metadata.rule()` and `rego.metadata.chain()` give, in OPA and in Regate, of modules with METADATA of all
//! kinds. All modules are loaded together, as OPA loads a directory; what refuses them in OPA refuses them here.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use regate::policy::engine::builtins::BuiltinErrors;
use regate::policy::files::{Files, RegoFile};
use regate::policy::load::plain::Rule;
use regate::policy::{Context, Limits};
use serde_json::Value;

use crate::binaries;

/// Modules without their package clauses' common part: `{both}` is the rule that asks for both.
const MODULES: &[&str] = &[
    "# METADATA\n# title: All\n# scope: subpackages\n# organizations: [One, Two]\npackage meta\n",
    "# METADATA\n# title: Of a\n# description: |\n#   first\n#\n#     second\n# custom:\n#   list: [1, 2.5, 1e3, true, True, null, ~, \"2027-01-31\", {\"k\": -7}]\n#   text: yes\npackage meta.a\n\nimport data.meta.b\n\n# METADATA\n# title: P\n# authors:\n# - Jane Doe <jane@example.com>\n# - <joe@example.com>\n# - Jim\n# - name: Jack\n#   email: jack@example.com\n# related_resources:\n# - https://example.com/a/b?c=d#e\n# - ref: https://example.com\n#   description: more\n# schemas:\n# - input.x: schema.y\n# - input: {type: object}\n# labels:\n#   team: x\np := [rego.metadata.rule(), rego.metadata.chain()]\n\nq contains x if { x := json.marshal(rego.metadata.chain()) }\n\nr contains x if x := rego.metadata.rule()\n",
    // The same package in another file, and one below it.
    "package meta.a\n\n# METADATA\n# scope: document\n# title: The document\ns := 1 if false\n\n# METADATA\n# title: One\ns := [rego.metadata.rule(), rego.metadata.chain()] if true\n",
    "# METADATA\n# scope: package\n# entrypoint: true\npackage meta.a.below\n\n# METADATA\n# entrypoint: true\np := rego.metadata.chain()\n\nt.u.v := rego.metadata.chain()\n\nm[k] := rego.metadata.chain() if { some k in [\"x\"] }\n",
    // Several blocks above one rule, blocks that are none, and rules without any.
    "package meta.b\n\n# METADATA\n# title: far\n\n# METADATA\n# title: near\np := [rego.metadata.rule(), rego.metadata.chain()]\n\n  # METADATA\n  # title: indented\nq := [rego.metadata.rule(), rego.metadata.chain()]\n\n# METADATA\n# title: with a space\n\n# a comment\n\nr := rego.metadata.rule()\nr2 := rego.metadata.rule()\n",
    // Other bodies, and what stands in what.
    "package meta.c\n\n# METADATA\n# title: F\nf(x) := [x, rego.metadata.rule(), rego.metadata.chain()]\n\n# METADATA\n# title: E\ne := 1 if { false } else := [rego.metadata.rule(), rego.metadata.chain()]\n\n# METADATA\n# title: N\nn := [x |\n  some i in [1, 2]\n  x := {i: rego.metadata.rule().title}\n]\n\n# METADATA\n# title: W\nw := [f(1), rego.metadata.rule().title] if {\n  not rego.metadata.rule().title == \"x\"\n  rego.metadata.rule()\n  rego.metadata.chain()[0].path[2] == \"w\"\n  rego.metadata.rule(x)\n  x.title == \"W\"\n  every y in rego.metadata.chain() { y.path }\n  count(rego.metadata.chain()) > 0\n}\n\n# METADATA\n# title: D\nd := x if { x := rego.metadata.rule() with data.other as {} }\n\n# METADATA\n# title: 'quoted \"text\" \\ with ü and ✓'\nu := rego.metadata.rule()\n",
];

/// Blocks above `p := rego.metadata.rule()` in a package that OPA refuses.
const REFUSED: &[&str] = &[
    "# METADATA\n# scope: package",
    "# METADATA\n# scope: nothing",
    "# METADATA\n# authors: x",
    "# METADATA\n# authors: [\"\"]",
    "# METADATA\n# title: {a: b}",
    "# METADATA\n# custom: 1",
    "# METADATA\n# entrypoint: true\n# scope: rule",
    "# METADATA\n# scope: document\n\n# METADATA\n# scope: document",
    "# METADATA\n# - a",
    "# METADATA\n# title: [a",
    "# METADATA\n# title: a\nimport data.b",
    "# METADATA\n# schemas: [{\"input\": 1}]",
    "# METADATA\n# related_resources: [{\"description\": \"a\"}]",
];

pub(crate) fn annotations() -> Result<()> {
    let theirs = in_opa(MODULES, "data.meta")?.context("OPA refuses the modules")?;
    let ours = ours(MODULES, &["meta"])?;
    for (package, rules) in theirs.as_object().context("no packages")? {
        let packages = rules.as_object().context("no rules")?;
        for (rule, wanted) in packages {
            let found = ours.pointer(&format!("/{package}/{rule}"));
            ensure!(
                found == Some(wanted),
                "{package}.{rule}\nOPA: {wanted}\nRegate: {}",
                found.unwrap_or(&Value::Null)
            );
        }
    }
    for block in REFUSED {
        let module = format!("package meta\n\n{block}\np := rego.metadata.rule()\n");
        let modules = [module.as_str()];
        ensure!(in_opa(&modules, "data.meta")?.is_none(), "OPA takes {block}");
        ensure!(self::ours(&modules, &["meta"]).is_err(), "Regate takes {block}");
    }
    Ok(())
}

/// What OPA gives of modules; `None` where it refuses them.
fn in_opa(modules: &[&str], query: &str) -> Result<Option<Value>> {
    let directory = tempfile::tempdir()?;
    for (number, module) in modules.iter().enumerate() {
        fs::write(directory.path().join(format!("{number}.rego")), module)?;
    }
    let output = Command::new(binaries::OPA.path()?)
        .args(["eval", "--format", "json", query, "--data"])
        .arg(directory.path())
        .output()
        .context("cannot run opa")?;
    let mut answer: Value = serde_json::from_slice(&output.stdout)?;
    let value = answer.pointer_mut("/result/0/expressions/0/value");
    Ok(value.map(Value::take))
}

/// What Regate gives of a package with all that is in it.
fn ours(modules: &[&str], package: &[&str]) -> Result<Value> {
    let asks = format!(
        "package asks\nvalue := json.marshal(data.{})\n",
        package.join(".")
    );
    let texts = modules.iter().map(|module| (*module).to_owned()).chain([asks]);
    let module = |(number, text)| RegoFile {
        path: format!("{number}.rego"),
        text,
        is_test: false,
        v0: false,
    };
    let files = Files {
        modules: texts.enumerate().map(module).collect(),
        ..Files::default()
    };
    let rule = Rule::load(&files, &["asks"], "value", BuiltinErrors::Fault).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    let limits = Limits {
        deadline: Instant::now() + Duration::from_secs(10),
        context: Context::default(),
    };
    let value = rule.evaluate(None, &limits)?.context("no value")?;
    let text = value.as_str().context("no text")?;
    serde_json::from_str(text).context("no JSON")
}
