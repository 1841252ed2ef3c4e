//! `regate bench` as its users run it.

use serde_json::Value;

use crate::commands::Desk;

const OWNER: &str = "package kubernetes.admission.owner\ndeny contains \"no owner\" if not input.request.object.metadata.labels.owner\n";
const DEAR: &str = "package kubernetes.admission.dear\n\
    deny contains \"many\" if count([1 | some i in numbers.range(1, 2000); i % 7 == 8]) > 0\n";
const TEAM: &str = "package kubernetes.mutation.team\n\
    patch contains {\"op\": \"add\", \"path\": [\"metadata\", \"labels\", \"owner\"], \"value\": \"x\"} if {\n\
    not input.request.object.metadata.labels.owner\n}\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n";

fn desk() -> Desk {
    let desk = Desk::new(&[OWNER, DEAR, TEAM]);
    desk.write("pod.yaml", POD);
    desk
}

#[test]
fn everything_is_measured_by_itself() {
    let (code, out, error) = desk().run(&["bench", "-o", "json", "--count", "25", "pod.yaml"], "");
    assert_eq!((code, error.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let names: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{} {}",
                row["what"].as_str().unwrap(),
                row["name"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            "load all policies",
            "parse mutate/team",
            "parse validate/dear",
            "parse validate/owner",
            "evaluate mutate/team",
            "evaluate validate/dear",
            "evaluate validate/owner",
            "review mutate pod.yaml: Pod default/web",
            "review validate pod.yaml: Pod default/web",
        ]
    );
    for row in rows {
        let (p50, p95, p99) = (row["p50"].as_u64(), row["p95"].as_u64(), row["p99"].as_u64());
        assert!(Some(0) < p50 && p50 <= p95 && p95 <= p99, "{row}");
        // A mutation that changes something is evaluated once more on the result.
        let times = match (row["what"].as_str(), row["name"].as_str()) {
            (Some("evaluate"), Some("mutate/team")) => 51,
            (Some("load" | "parse"), _) => 20,
            _ => 25,
        };
        assert_eq!(row["count"], times, "{row}");
    }
    let p50 = |place: usize| rows[place]["p50"].as_u64().unwrap();
    assert!(p50(5) > 2 * p50(6), "what is dear is no dearer: {out}");
    assert!(
        p50(8) > p50(5),
        "a review is cheaper than one of its policies: {out}"
    );
}

#[test]
fn what_became_slower_ends_with_1() {
    let desk = desk();
    let bench =
        |arguments: &[&str]| desk.run(&[&["bench", "--count", "5", "pod.yaml"], arguments].concat(), "");
    let (code, out, _) = bench(&["--save", "before.json"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("WHAT      NAME "), "{out}");

    // As if everything had been a hundred times faster.
    let text = std::fs::read_to_string(desk.path().join("before.json")).unwrap();
    let mut report: Value = serde_json::from_str(&text).unwrap();
    for row in report["rows"].as_array_mut().unwrap() {
        row["p50"] = Value::from(row["p50"].as_u64().unwrap() / 100);
    }
    desk.write("faster.json", &report.to_string());
    let (code, out, _) = bench(&["--compare", "faster.json", "--min-delta", "0"]);
    assert_eq!(code, 1);
    assert!(
        out.contains("\nslower: evaluate validate/dear: p50 was "),
        "{out}"
    );
    let (code, out, _) = bench(&["--compare", "before.json", "--threshold", "1000000"]);
    assert_eq!(code, 0);
    assert!(out.ends_with("nothing became slower\n"), "{out}");
}

#[test]
fn what_cannot_be_measured_ends_with_2() {
    let desk = desk();
    for (arguments, said) in [
        (
            ["bench", "--count", "0", "pod.yaml"].as_slice(),
            "regate: --count and --seconds are at least 1\n",
        ),
        (
            &["bench"],
            "regate: nothing to review: name a file, --token or --verb\n",
        ),
        (
            &["bench", "--compare", "pod.yaml", "pod.yaml"],
            "regate: pod.yaml: no report of `regate bench --save`: not understood: ",
        ),
    ] {
        let (code, out, error) = desk.run(arguments, "");
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(error.starts_with(said), "{error}");
    }
    desk.write("policies/bad.rego", "package kubernetes.admission.bad\n");
    let (code, out, error) = desk.run(&["bench", "pod.yaml"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        error.starts_with("policies/bad.rego:1:1: no rule that the validate gate reads"),
        "{error}"
    );
}
