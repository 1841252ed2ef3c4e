//! `regate init` as somebody who begins runs it: what it writes, what can be done with it, and what it leaves alone.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn regate(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_regate"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// All files below a directory, and their texts.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            found.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

const WRITTEN: [&str; 7] = [
    "ci.sh",
    "policies/teams/data.json",
    "policies/validate/owner.rego",
    "policies/validate/owner_suite.yaml",
    "policies/validate/owner_test.rego",
    "reviews/allowed.yaml",
    "reviews/denied.json",
];

#[test]
fn it_prints_what_it_wrote_and_commands_that_work_next() {
    let desk = tempfile::tempdir().unwrap();
    let (code, out, error) = regate(desk.path(), &["init", "our site/x"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let (wrote, next) = out.split_once("next:\n").unwrap();
    let mut wrote: Vec<_> = wrote
        .lines()
        .map(|line| line.strip_prefix("our site/x/").unwrap())
        .collect();
    wrote.sort_unstable();
    assert_eq!(wrote, WRITTEN);
    assert_eq!(
        Vec::from_iter(files(&desk.path().join("our site/x")).into_keys()),
        WRITTEN
    );
    assert_eq!(
        next,
        "  regate check 'our site/x/policies'\n  regate test 'our site/x/policies'\n  \
         regate review --policy 'our site/x/policies' 'our site/x/reviews/allowed.yaml'\n  \
         regate serve --policy 'our site/x/policies'\n"
    );
    let mode = |name: &str| {
        desk.path()
            .join("our site/x")
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(
        (mode("ci.sh") & 0o100, mode("reviews/denied.json") & 0o100),
        (0o100, 0)
    );
}

#[test]
fn what_it_writes_is_checked_clean_and_decides_its_reviews() {
    let desk = tempfile::tempdir().unwrap();
    regate(desk.path(), &["init", "."]);
    let (code, out, _) = regate(desk.path(), &["check", "-o", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["warnings"]), (0, &serde_json::json!([])), "{out}");
    assert_eq!(
        report["policies"],
        serde_json::json!([{ "gate": "validate", "name": "owner", "enforcement": "deny" }])
    );

    assert_eq!(
        regate(desk.path(), &["test"]),
        (0, "6 passed, 0 failed, 0 skipped\n".to_owned(), String::new())
    );
    let review = |file: &str| regate(desk.path(), &["review", file]);
    let (code, out, _) = review("reviews/allowed.yaml");
    assert_eq!((code, out.lines().count()), (0, 2), "{out}");
    let denial = "reviews/denied.json: validate: deny by owner\n  [owner] the label owner must name a team: cart, shop\n";
    assert_eq!(
        review("reviews/denied.json"),
        (1, denial.to_owned(), String::new())
    );
    let path = desk.path().join("reviews/denied.json");
    let sandbox = std::fs::read_to_string(&path)
        .unwrap()
        .replace(r#""namespace": "web""#, r#""namespace": "sandbox""#);
    std::fs::write(&path, sandbox).unwrap();
    let (code, out, _) = review("reviews/denied.json");
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "reviews/denied.json: validate: allow\n  \
             not asked, by an exception: [owner] what is tried out there has no owner yet\n"
        )
    );
}

#[test]
fn nothing_is_written_where_anything_of_it_is_there() {
    let desk = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(desk.path().join("site/policies/teams")).unwrap();
    std::fs::write(desk.path().join("site/policies/teams/data.json"), "mine").unwrap();
    // What points nowhere is there, too.
    std::os::unix::fs::symlink("/nowhere/at/all", desk.path().join("site/ci.sh")).unwrap();
    let (code, out, error) = regate(desk.path(), &["init", "site"]);
    assert_eq!(
        (code, out.as_str(), error.as_str()),
        (
            2,
            "",
            "regate: nothing is written, because this is there: site/policies/teams/data.json, site/ci.sh\n"
        )
    );
    std::fs::remove_file(desk.path().join("site/ci.sh")).unwrap();
    assert_eq!(
        files(desk.path()),
        BTreeMap::from([("site/policies/teams/data.json".to_owned(), "mine".to_owned())])
    );

    std::fs::write(desk.path().join("file"), "").unwrap();
    let (code, _, error) = regate(desk.path(), &["init", "file"]);
    assert_eq!(
        (code, error.as_str()),
        (
            2,
            "regate: file/policies/validate/owner.rego: Not a directory (os error 20)\n"
        )
    );
}
