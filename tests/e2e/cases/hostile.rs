//! What users may come up with, where whatever is not decided is let through: it is decided by what it says, or refused in
//! words, however large, deep or odd it is.
//!
//! All of it is about boxes, custom resources that take anything, unless the API server has something better.

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::gates::{Gates, pod, with};
use crate::kubectl::Printed;
use crate::stage::Stage;
use crate::tls;

super::cases![
    the_largest_object_that_the_api_server_takes_is_judged_and_mutated,
    a_large_update_is_judged_by_both_of_its_objects,
    an_object_nested_deeper_than_policies_can_see_is_refused_where_failures_are_ignored,
    an_object_with_an_unusual_first_key_stays_an_object,
    a_user_with_an_unusual_extra_is_judged_by_all_of_them,
    a_number_that_policies_cannot_see_exactly_is_refused,
    of_a_key_that_is_there_twice_policies_see_what_would_be_stored,
    whatever_a_message_repeats_kubectl_shows_one_line_of_it,
    a_reason_of_ten_million_characters_is_cut_and_denies,
];

/// Where boxes are sent to as they are written here.
const RAW: &str = "create --raw /apis/e2e.example.com/v1/namespaces/default/boxes -f -";

/// The first key of maps that look like another thing.
const UNUSUAL: &str = "$serde_json::private::Number";

/// What Regate says of what it could not read.
const UNREADABLE: &str = "denied the request: the review cannot be read: ";

fn the_largest_object_that_the_api_server_takes_is_judged_and_mutated(stage: &Stage) -> Result<()> {
    let gates = with_boxes(stage)?;
    // Each of them is six bytes of the review.
    let content = "<".repeat(2_900_000);
    let dry_run = |sealed: &str| {
        let spec = format!(r#"{{"sealed":"{sealed}","content":"{content}"}}"#);
        gates
            .admin()
            .send_text(&RAW.replace("/boxes", "/boxes?dryRun=All"), &text("large", &spec))
    };
    let refused = dry_run("weighed")?;
    assert_eq!(refused.stderr, raw(&denied("boxes", "2900000 characters")));
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    let allowed = dry_run("yes")?;
    assert_eq!((allowed.code, allowed.stderr.as_str()), (0, ""));
    let made: Value = serde_json::from_str(&allowed.stdout)?;
    assert_eq!(made["spec"]["weight"], 2_900_000);
    assert_eq!(made["spec"]["content"], content);
    Ok(())
}

fn a_large_update_is_judged_by_both_of_its_objects(stage: &Stage) -> Result<()> {
    let gates = with_boxes(stage)?;
    gates.namespace("hostile-updates")?;
    let path = "/api/v1/namespaces/hostile-updates/configmaps";
    let map = |length: usize| {
        let content = "<".repeat(length);
        format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"m"}},"data":{{"content":"{content}"}}}}"#
        )
    };
    let create = format!("create --raw {path} -f -");
    let replace = format!("replace --raw {path}/m -f -");
    assert_eq!(gates.admin().send_text(&create, &map(1_000_000))?.code, 0);
    let refused = gates.admin().send_text(&replace, &map(1_000_000))?;
    assert_eq!(
        refused.stderr,
        raw(&denied("maps", "the same 1000000 characters as before"))
    );
    assert_eq!(refused.code, 1);
    assert_eq!(gates.admin().send_text(&replace, &map(999_999))?.code, 0);
    Ok(())
}

fn an_object_nested_deeper_than_policies_can_see_is_refused_where_failures_are_ignored(
    stage: &Stage,
) -> Result<()> {
    let gates = with_boxes(stage)?;
    let nested = |name: &str, sealed: &str, depth: usize| {
        let content = format!("{}1{}", r#"{"in":"#.repeat(depth), "}".repeat(depth));
        let spec = format!(r#"{{"sealed":"{sealed}","nested":{content}}}"#);
        gates.admin().send_text(RAW, &text(name, &spec))
    };
    let refused = nested("nested", "no", 100)?;
    assert_eq!(refused.stderr, raw(&denied("boxes", "not sealed")));
    assert_eq!(refused.code, 1);
    assert_eq!(nested("nested", "yes", 100)?.code, 0);
    for depth in [1_000, 9_000] {
        let refused = nested("deep", "yes", depth)?;
        assert_unreadable(&refused, "nested more than 128 levels deep (at byte ");
    }
    assert!(!gates.is_stored("box deep")?);
    Ok(())
}

fn an_object_with_an_unusual_first_key_stays_an_object(stage: &Stage) -> Result<()> {
    let gates = with_boxes(stage)?;
    for attributes in [
        json!({UNUSUAL: "1"}),
        json!({UNUSUAL: "1", "x": "y"}),
        json!({UNUSUAL: "not a number", "x": "y"}),
        json!({UNUSUAL: {"x": "y"}, "x": 7}),
    ] {
        let count = attributes.as_object().map_or(0, serde_json::Map::len);
        let spec = json!({"sealed": "counted", "attributes": attributes});
        let refused = gates.create(&object("odd", &spec))?;
        assert_eq!(
            refused.stderr,
            denied("boxes", &format!("{count} attributes, object")),
            "{attributes}"
        );
        assert_eq!(refused.code, 1);
    }
    // What it says elsewhere counts as ever.
    gates.namespace("hostile-volumes")?;
    for attributes in [json!({UNUSUAL: "1"}), json!({UNUSUAL: "1", "x": "y"})] {
        let volumes =
            json!([{"name": "v", "csi": {"driver": "e2e.example.com", "volumeAttributes": attributes}}]);
        let privileged = with(pod("hostile-volumes", "p"), "/spec/volumes", volumes);
        let privileged = with(
            privileged,
            "/spec/containers/0/securityContext",
            json!({"privileged": true}),
        );
        let refused = gates.create(&privileged)?;
        assert_eq!(
            refused.stderr,
            denied("privileged", "container main is privileged")
        );
        assert_eq!(refused.code, 1);
    }
    assert!(!gates.is_stored("pod p -n hostile-volumes")?);
    // The API server takes no such annotation, but has it mutated before it says so.
    let map = |annotations: Value| {
        let metadata = json!({"namespace": "hostile-volumes", "name": "m", "annotations": annotations});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    };
    let refused = gates.create(&map(json!({UNUSUAL: "1", "marked": "yes"})))?;
    assert_eq!(
        refused.stderr,
        denied("marked", "marked, with 2 annotations").replace("validate.", "mutate.")
    );
    let invalid = gates.create(&map(json!({UNUSUAL: "1"})))?;
    assert!(
        invalid
            .stderr
            .starts_with("The ConfigMap \"m\" is invalid: metadata.annotations: Invalid value"),
        "{}",
        invalid.stderr
    );
    assert!(!gates.is_stored("configmap m -n hostile-volumes")?);
    Ok(())
}

fn a_user_with_an_unusual_extra_is_judged_by_all_of_them(stage: &Stage) -> Result<()> {
    let gates = with_boxes(stage)?;
    // The data of the policies have the key, too.
    let fay = gates.plane().bearer("fay-token")?;
    assert_eq!(
        fay.must("auth whoami -o jsonpath={.status.userInfo.groups[0]}")?,
        "one-of-2"
    );
    // The API server makes keys lower-case before it reads what is escaped in them.
    let unusual = "Impersonate-Extra-%24serde_json%3A%3Aprivate%3A%3A%4Eumber: 1\r\n";
    let flag = "Impersonate-Extra-Flag: yes\r\n";
    let forbidden = "pods is forbidden: User \\\"fay\\\" cannot list resource \\\"pods\\\" in API group \\\"\\\" in \
                     the namespace \\\"default\\\"";
    for (extras, said) in [
        (unusual.to_owned(), String::new()),
        (flag.to_owned(), ": [extra] a flag among 1 extras".to_owned()),
        (
            format!("{flag}{unusual}"),
            ": [extra] a flag among 2 extras".to_owned(),
        ),
    ] {
        let (address, [authority, certificate, key]) = gates.plane().as_admin();
        let stream = tls::connect(address, &tls::config(&authority, &certificate, &key)?)?;
        let request = format!(
            "GET /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\nConnection: \
             close\r\nImpersonate-User: fay\r\n{extras}\r\n"
        );
        let answer = tls::exchange(stream, request.as_bytes())?;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{extras}: {answer}");
        let message = format!("\"message\":\"{forbidden}{said}\"");
        assert!(answer.contains(&message), "{extras}: {answer}");
    }
    Ok(())
}

fn a_number_that_policies_cannot_see_exactly_is_refused(stage: &Stage) -> Result<()> {
    let gates = with_boxes(stage)?;
    let number = |sealed: &str, number: &str| {
        let spec = format!(r#"{{"sealed":"{sealed}","number":{number}}}"#);
        gates.admin().send_text(RAW, &text("number", &spec))
    };
    for exact in ["9007199254740993", "-9223372036854775808", "9223372036854775807"] {
        let refused = number("numbered", exact)?;
        assert_eq!(
            refused.stderr,
            raw(&denied("boxes", &format!("the number is {exact}")))
        );
    }
    // What is wider is a float for the API server, which writes those below 10^21 as integers.
    for wide in ["18446744073709551616", "1e20"] {
        assert_unreadable(&number("yes", wide)?, "a number out of range (at byte ");
    }
    let refused = number("numbered", "-9223372036854775809000")?;
    assert_eq!(
        refused.stderr,
        raw(&denied("boxes", "the number is -9.223372036854776e+21"))
    );
    // No webhook gets to see what is no number for the API server.
    let refused = number("yes", "1e400")?;
    assert!(
        refused.code == 1 && !refused.stderr.contains("regate"),
        "{}",
        refused.stderr
    );
    assert!(!gates.is_stored("box number")?);
    Ok(())
}

fn of_a_key_that_is_there_twice_policies_see_what_would_be_stored(stage: &Stage) -> Result<()> {
    let gates = with_boxes(stage)?;
    let line = RAW.replace("/boxes", "/boxes?fieldValidation=Ignore");
    let twice = |name: &str, first: &str, second: &str| {
        let spec = format!(r#"{{"sealed":"{first}","sealed":"{second}"}}"#);
        gates.admin().send_text(&line, &text(name, &spec))
    };
    let refused = twice("twice", "yes", "no")?;
    assert_eq!(refused.stderr, raw(&denied("boxes", "not sealed")));
    assert!(!gates.is_stored("box twice")?);
    assert_eq!(twice("twice", "no", "yes")?.code, 0);
    assert_eq!(
        gates.admin().must("get box twice -o jsonpath={.spec.sealed}")?,
        "yes"
    );
    Ok(())
}

fn whatever_a_message_repeats_kubectl_shows_one_line_of_it(stage: &Stage) -> Result<()> {
    let gates = with_boxes(stage)?;
    let controls = "a\u{0}b\nc\r\nd\u{1b}[31me\u{7f}f\u{85}g";
    let said = "it says: a b c  d [31me f g!";
    let spec =
        |sealed: &str, content: &str| object("message", &json!({"sealed": sealed, "content": content}));
    let refused = gates.create(&spec("read aloud", controls))?;
    assert_eq!(refused.stderr, denied("boxes", said));
    let warned = gates.create(&spec("whispered", controls))?;
    assert_eq!(
        (warned.code, warned.stderr.as_str()),
        (0, format!("Warning: [boxes] {said}").as_str())
    );
    // Ten million characters are a line of four thousand.
    let refused = gates.create(&with(
        spec("read four times", &"x".repeat(2_500_000)),
        "/metadata/name",
        json!("long"),
    ))?;
    assert!(
        refused.stderr.starts_with(&denied("boxes", "1: xxx")) && refused.stderr.len() < 5_000,
        "{} bytes: {}",
        refused.stderr.len(),
        refused.stderr.get(..300).unwrap_or(&refused.stderr)
    );
    assert_eq!(refused.code, 1);
    assert!(!gates.is_stored("box long")?);
    Ok(())
}

fn a_reason_of_ten_million_characters_is_cut_and_denies(stage: &Stage) -> Result<()> {
    let gates = stage.ignoring()?;
    let carol = gates.plane().carol();
    let refused = carol.run("get --raw /api/v1/namespaces/talkative/pods")?;
    let said = "Error from server (Forbidden): pods is forbidden: User \"carol\" cannot list resource \"pods\" in API \
                group \"\" in the namespace \"talkative\": ";
    let reason = refused.stderr.strip_prefix(said);
    let reason = reason.ok_or_else(|| anyhow!("{} bytes: {:.300}", refused.stderr.len(), refused.stderr))?;
    assert!(
        reason.starts_with("[talkative] 0: xxx") && reason.ends_with("x…"),
        "{reason}"
    );
    assert_eq!(
        (refused.code, refused.stdout.as_str(), reason.len()),
        (1, "", 1024)
    );
    Ok(())
}

/// The control plane, where boxes are defined.
fn with_boxes(stage: &Stage) -> Result<std::sync::Arc<Gates>> {
    let gates = stage.ignoring()?;
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {"spec": anything}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boxes.e2e.example.com"},
        "spec": {
            "group": "e2e.example.com",
            "scope": "Namespaced",
            "names": {"kind": "Box", "plural": "boxes", "singular": "box"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    // Whoever comes first defines them.
    gates.admin().send("create -f -", &definition)?;
    gates
        .admin()
        .must("wait --for=condition=Established crd/boxes.e2e.example.com --timeout=30s")?;
    super::soon("boxes are judged", || {
        let unsealed = gates.create(&object("unsealed", &json!({"sealed": "no"})))?;
        Ok(unsealed.stderr == denied("boxes", "not sealed"))
    })?;
    Ok(gates)
}

fn object(name: &str, spec: &Value) -> Value {
    let metadata = json!({"namespace": "default", "name": name});
    json!({"apiVersion": "e2e.example.com/v1", "kind": "Box", "metadata": metadata, "spec": spec})
}

/// A box whose `spec` is a text.
fn text(name: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"e2e.example.com/v1","kind":"Box","metadata":{{"name":"{name}","namespace":"default"}},"spec":{spec}}}"#
    )
}

/// What kubectl says of a creation that a policy refused.
fn denied(policy: &str, message: &str) -> String {
    format!(
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" \
         denied the request: [{policy}] {message}"
    )
}

/// The same of what it does not look into.
fn raw(said: &str) -> String {
    said.replace("error when creating \"STDIN\": ", "")
}

fn assert_unreadable(printed: &Printed, problem: &str) {
    let said = format!(
        "Error from server (BadRequest): admission webhook \"mutate.regate.dev\" {UNREADABLE}{problem}"
    );
    assert!(printed.stderr.starts_with(&said), "{}", printed.stderr);
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""));
}
