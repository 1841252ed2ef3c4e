//! The cases, one file per subject. A case's name is the sentence that it proves.

mod authn;
mod authz;
mod calls;
mod faults;
mod hostile;
mod image;
mod model;
mod mutate;
mod namespaces;
mod oidc;
mod operations;
mod outage;
mod plain;
mod playground;
mod plugin;
mod readme;
mod rolling;
mod rules;
mod sets;
mod starters;
mod validate;
mod verbs;
mod versions;

use anyhow::{Result, ensure};

use crate::Case;
use crate::gates::SOON;
use crate::kubectl::Printed;
use crate::process::wait_until;

/// Every case.
pub(crate) const ALL: &[&[Case]] = &[
    // These wait most: the others run meanwhile.
    operations::CASES,
    hostile::CASES,
    calls::CASES,
    plain::CASES,
    playground::CASES,
    plugin::CASES,
    readme::CASES,
    rules::CASES,
    authn::CASES,
    authz::CASES,
    image::CASES,
    mutate::CASES,
    model::CASES,
    namespaces::CASES,
    validate::CASES,
    verbs::CASES,
    versions::CASES,
    outage::CASES,
    faults::CASES,
    oidc::CASES,
    starters::CASES,
    sets::CASES,
    rolling::CASES,
];

/// Lists functions as cases under their own names.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        /// The cases of this file.
        pub(crate) const CASES: &[$crate::Case] = &[$((stringify!($case), $case)),+];
    };
}
use cases;

/// Waits for what must become true without our doing; `what` says it when it did not.
fn soon(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let mut last = Ok(false);
    wait_until(SOON, || {
        last = condition();
        matches!(last, Ok(true) | Err(_))
    });
    ensure!(last?, "it never happened that {what}");
    Ok(())
}

/// Asserts that policies denied the creation, for these reasons.
#[track_caller]
fn assert_denied(printed: &Printed, reasons: &str) {
    assert_eq!(
        printed.stderr,
        format!(
            "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"validate.regate.dev\" \
             denied the request: {reasons}"
        )
    );
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""));
}

/// Asserts that a fault of a policy refused the creation, and that the answer shows nothing of the policy's inside.
fn assert_fault(printed: &Printed, gate: &str) {
    assert_eq!(
        printed.stderr,
        format!(
            "Error from server (InternalError): error when creating \"STDIN\": admission webhook \
             \"{gate}.regate.dev\" denied the request: the policies could not be evaluated"
        )
    );
    assert_eq!((printed.code, printed.stdout.as_str()), (1, ""));
}
