//! The failure table: what each failure is answered with, at each gate.

/// Why a review was not decided by policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The body passed its limit.
    BodyTooLarge,
    /// The caller presented no valid, listed identity.
    Caller,
    /// The deadline passed.
    Deadline,
    /// The gate's queue is full.
    Overload,
    /// No policy set is loaded.
    NoPolicySet,
    /// The evaluating thread panicked outside of a policy.
    Panic,
}
