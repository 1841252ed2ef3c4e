//! How often the API server asks for one decision when the answer is an HTTP error: once, whichever error Regate has.

use std::path::Path;

use anyhow::Result;

use super::operations::{ask, ask_each_of_its_own, at_once};
use crate::answering::Answering;
use crate::gates::Gates;
use crate::page::Page;
use crate::regate::{Regate, copy};
use crate::stage::{FAILING, PROGRAM, Stage};

super::cases![a_review_that_meets_an_http_error_is_asked_for_once_and_refused];

/// Every HTTP error that Regate has (400 is seen from Regate itself).
const ERRORS: [u16; 9] = [401, 404, 405, 408, 413, 415, 417, 431, 503];

const QUESTIONS: [&str; 5] = ["authn", "authz, by a role", "image", "mutate", "validate"];

fn a_review_that_meets_an_http_error_is_asked_for_once_and_refused(stage: &Stage) -> Result<()> {
    let regate = Regate::start(Path::new(PROGRAM), &[], |directory| {
        copy(Path::new(FAILING), directory)
    })?;
    let crossed = [
        ("authn.kubeconfig", "authn", "authz"),
        ("authz.kubeconfig", "authz", "image"),
        ("image.kubeconfig", "image", "authn"),
        ("mutating.yaml", "mutate", "authz"),
        ("validating.yaml", "validate", "image"),
    ];
    let mut gates = Gates::register(stage.etcd()?, regate, &[], |registration| {
        for (file, right, wrong) in crossed {
            registration.replace(file, &format!("/v1/{right}"), &format!("/v1/{wrong}"))?;
        }
        ask_each_of_its_own(registration)
    })?;
    for (question, answers) in [
        ("authn", "authz"),
        ("authz, by a role", "image"),
        ("image", "authn"),
        ("mutate", "authz"),
        ("validate", "image"),
    ] {
        let webhook = format!("calling webhook \"{question}.regate.dev\"");
        if matches!(question, "mutate" | "validate") {
            super::soon("the webhook is asked", || {
                Ok(ask(&gates, question, "known")?.stderr.contains(&webhook))
            })?;
        }
        let before = gates.regate().answers(answers, 400)?;
        let printed = ask(&gates, question, "known-crossed")?;
        assert_eq!(gates.regate().answers(answers, 400)? - before, 1, "{question}");
        let said = match question {
            "authn" => "error: You must be logged in to the server (Unauthorized)",
            "authz, by a role" => "Internal Server Error: \\\"/api/v1/namespaces/known-crossed/pods\\\"",
            "image" => "is forbidden: ",
            _ => &webhook,
        };
        assert!(printed.stderr.contains(said), "{question}: {}", printed.stderr);
        assert_eq!((printed.code, printed.stdout.as_str()), (1, ""), "{question}");
    }
    asked_once_whatever_the_error(&mut gates)
}

/// Has something that knows only errors stand in Regate's place.
fn asked_once_whatever_the_error(gates: &mut Gates) -> Result<()> {
    gates.regate_mut().kill()?;
    let page = Page::read()?;
    let answering = Answering::at(gates.regate())?;
    for error in ERRORS {
        answering.with(error);
        let printed = at_once(&QUESTIONS, |question| {
            ask(
                gates,
                question,
                &format!("known-{error}-{}", question.replace([',', ' '], "")),
            )
        })?;
        let mut expected = 0;
        for question in QUESTIONS {
            expected += page.attempts("any answer", question)?;
        }
        assert_eq!(answering.calls(), expected, "{error}: {printed:?}");
        for printed in printed {
            assert_eq!(
                (printed.code, printed.stdout.as_str()),
                (1, ""),
                "{error}: {printed:?}"
            );
        }
    }
    Ok(())
}
