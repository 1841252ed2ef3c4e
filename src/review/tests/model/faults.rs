//! Which faults count: every combination of gate, enforcement, order and what another policy says.

use super::*;

/// What the policy beside the faulting one says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Other {
    Deny,
    Allow,
    Nothing,
}

/// The decision, as short as the gates can tell it.
fn short(gate: Gate, answer: &Value) -> &'static str {
    let status = &answer["status"];
    let response = &answer["response"];
    match gate {
        _ if answer["http"] == 503 => "503",
        Gate::Authn if status["authenticated"] == true => "user",
        Gate::Authn if status["error"].is_string() => "deny",
        Gate::Authn => "nothing",
        Gate::Authz if status["denied"] == true && status["reason"] == "[o] no" => "deny",
        Gate::Authz if status["denied"] == true => "fault",
        Gate::Authz if status["allowed"] == true => "allow",
        Gate::Authz => "nothing",
        Gate::Image if status["reason"] == "[o] no" => "deny",
        Gate::Image if status["allowed"] == true => "allow",
        Gate::Image if status["reason"] == "no policy is about these images" => "default",
        Gate::Image => "fault",
        _ if response["status"]["code"] == 500 => "fault",
        _ if response["allowed"] == false => "deny",
        _ => "allow",
    }
}

/// Rules of the faulting policy, by gate: with the means to refuse, and without.
fn faulting(gate: Gate, refuses: bool) -> &'static str {
    match (gate, refuses) {
        (_, true) => FAULT,
        (Gate::Authn, false) => "user := {\"username\": \"f\"} if to_number(\"x\") == 1",
        (Gate::Authz, false) => "allow if to_number(\"x\") == 1",
        (Gate::Image | Gate::Validate, false) => "audit_annotations := {\"a\": to_number(\"x\")}",
        (Gate::Mutate, false) => "patch := [to_number(\"x\")]",
    }
}

fn saying(gate: Gate, other: Other) -> String {
    match (gate, other) {
        (_, Other::Deny) => NO.to_owned(),
        (Gate::Authn, Other::Allow) => "user := {\"username\": \"jane\"}".to_owned(),
        (Gate::Authz, Other::Allow) => "allow := true".to_owned(),
        (_, Other::Allow) => "audit_annotations := {}".to_owned(),
        (_, Other::Nothing) => "deny contains \"x\" if false".to_owned(),
    }
}

const fn root(gate: Gate) -> &'static str {
    crate::policy::roots(gate).0
}

/// What the gate decides when one policy faults beside another that says something, from the rule of the design: the
/// fault of an enforcing policy counts where it could hide a refusal or a change, and then only a denial stands before
/// it.
fn expected(gate: Gate, enforcement: Enforcement, refuses: bool, first: bool, other: Other) -> &'static str {
    let counts = enforcement == Enforcement::Deny
        && match gate {
            Gate::Mutate => true,
            // Before a user was found, whoever fails might have known the token.
            Gate::Authn => refuses || first || other != Other::Allow,
            Gate::Authz | Gate::Image | Gate::Validate => refuses,
        };
    match (gate, other) {
        (_, Other::Deny) => "deny",
        (Gate::Authn, _) if counts => "503",
        (_, _) if counts => "fault",
        (Gate::Authn, Other::Allow) => "user",
        (Gate::Authn | Gate::Authz, Other::Nothing) => "nothing",
        (_, Other::Allow | Other::Nothing) => "allow",
    }
}

#[test]
fn a_fault_counts_exactly_where_it_could_hide_a_refusal_or_a_change() {
    let mut cases = 0;
    for gate in Gate::ALL {
        for enforcement in Enforcement::ALL.into_iter().filter(|one| one.holds_at(gate)) {
            for refuses in [true, false] {
                for order in [-1, 0, 1] {
                    for other in [Other::Deny, Other::Allow, Other::Nothing] {
                        let fault = with(
                            &format!("enforcement: {enforcement}\norder: {order}"),
                            &format!("{}.f", root(gate)),
                            faulting(gate, refuses),
                        );
                        let other_policy =
                            with("order: 0", &format!("{}.o", root(gate)), &saying(gate, other));
                        let (answer, record) = asked(
                            &Settings::default(),
                            gate,
                            &[fault, other_policy],
                            &review_of(gate),
                        );
                        let case = format!(
                            "{gate} {enforcement} refuses={refuses} order={order} {other:?}: {answer}"
                        );
                        // Of one order the name decides, and f comes before o.
                        let want = expected(gate, enforcement, refuses, order <= 0, other);
                        assert_eq!(short(gate, &answer), want, "{case}");
                        assert_eq!(record.faults.len(), 1, "counted and logged in any case: {case}");
                        let warned = answer["response"]["warnings"]
                            == json!(["[f] this policy could not be evaluated"]);
                        assert_eq!(warned, enforcement == Enforcement::Warn, "{case}");
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, (3 * 2 + 2 * 3) * 2 * 3 * 3);
}

#[test]
fn a_denial_stands_before_a_fault_with_its_own_code_under_defer_too() {
    let settings = Settings {
        on_fault_authz: OnFault::Defer,
        on_fault_mutate: OnFault::Defer,
        on_fault_validate: OnFault::Defer,
        ..Settings::default()
    };
    for gate in [Gate::Validate, Gate::Mutate] {
        let fault = with("order: -1", &format!("{}.f", root(gate)), FAULT);
        let deny = with(
            "order: 0",
            &format!("{}.o", root(gate)),
            "deny contains {\"msg\": \"no\", \"code\": 422}",
        );
        let (answer, _) = asked(&settings, gate, &[fault.clone(), deny], &review_of(gate));
        assert_eq!(answer["response"]["status"]["code"], 422, "{answer}");
        assert_eq!(answer["response"]["status"]["message"], "[o] no");
        let (answer, _) = asked(&settings, gate, &[fault], &review_of(gate));
        assert_eq!(answer["http"], 503, "{answer}");
    }
    let fault = with("order: -1", "authorization.f", FAULT);
    let allow = with("order: 0", "authorization.o", "allow := true");
    let (answer, _) = asked(&settings, Gate::Authz, &[fault, allow], &review_of(Gate::Authz));
    assert_eq!(
        answer["http"], 503,
        "an allow does not stand before a fault: {answer}"
    );
}
