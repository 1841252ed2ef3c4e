//! What a review costs among policies that do not match it: ten, a hundred and a thousand of them.
//!
//! `cargo bench --bench select`. One policy matches, the others are for other namespaces, other kinds, or other users
//! by prefix. `select` finds the policies, `answer` decides the whole review; both have to stay flat.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot begin may stop")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use regate::gate::Gate;
use regate::policy::PolicySet;
use regate::policy::files::{Files, RegoFile};
use regate::policy::load::load;
use regate::policy::matching::{Facts, Resource};
use regate::review::{Settings, answer};
use serde_json::json;

fn module(name: &str, matching: &str) -> RegoFile {
    RegoFile {
        path: format!("{name}.rego"),
        text: format!(
            "# METADATA\n# custom:\n#   match: {matching}\npackage kubernetes.admission.{name}\n\n\
             deny contains \"no host network\" if input.request.object.spec.hostNetwork\n"
        ),
        is_test: false,
        v0: false,
    }
}

/// One policy for Pods in `shop`, and `others` that are for something else.
fn set(others: usize) -> PolicySet {
    let other = |at: usize| match at % 3 {
        0 => format!("{{kinds: [Pod], namespaces: [team-{at}]}}"),
        1 => "{kinds: [apps/Deployment], operations: [CREATE, UPDATE]}".to_owned(),
        _ => format!("{{resources: [pods], users: ['system:serviceaccount:team-{at}:*']}}"),
    };
    let mut modules: Vec<_> = (0..others)
        .map(|at| module(&format!("p{at}"), &other(at)))
        .collect();
    modules.push(module("shop", "{kinds: [Pod], namespaces: [shop]}"));
    load(&Files {
        modules,
        revision: "r".into(),
        ..Files::default()
    })
    .unwrap()
}

fn facts() -> Facts {
    Facts {
        resource: Some(Resource {
            plural: "pods".into(),
            ..Resource::default()
        }),
        kind: Some((String::new(), "Pod".into())),
        operation: "CREATE".into(),
        name: "web".into(),
        namespace: "shop".into(),
        user: "jane".into(),
        groups: vec!["dev".into(), "system:authenticated".into()],
        ..Facts::default()
    }
}

fn review() -> Vec<u8> {
    let kind = json!({ "group": "", "version": "v1", "kind": "Pod" });
    let resource = json!({ "group": "", "version": "v1", "resource": "pods" });
    json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": "u", "kind": kind, "resource": resource, "name": "web", "namespace": "shop", "operation": "CREATE",
        "userInfo": { "username": "jane", "groups": ["dev", "system:authenticated"] },
        "object": { "metadata": { "name": "web" }, "spec": { "containers": [] } }, "oldObject": null, "options": null
    }})
    .to_string()
    .into_bytes()
}

fn benchmark(criterion: &mut Criterion) {
    let (facts, review, settings) = (facts(), review(), Settings::default());
    for others in [10, 100, 1_000] {
        let set = Arc::new(set(others));
        let selected = set.select(Gate::Validate, &facts, 0, &|| Ok(None));
        assert_eq!(selected.len(), 1, "one policy matches");
        criterion.bench_with_input(BenchmarkId::new("select", others), &set, |bencher, set| {
            bencher.iter(|| set.select(Gate::Validate, &facts, 0, &|| Ok(None)).len());
        });
        criterion.bench_with_input(BenchmarkId::new("answer", others), &set, |bencher, set| {
            let deadline = || Instant::now() + Duration::from_secs(3);
            bencher.iter(|| answer(Gate::Validate, &review, set, &settings, deadline()));
        });
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
