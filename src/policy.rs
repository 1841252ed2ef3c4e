//! Policies: what is loaded, selected and evaluated.
//!
//! A policy is a Rego package under one of the five roots of [`roots`]. A [`PolicySet`] holds all of them, is built
//! whole by [`load::load`], never changed, and taken once per review, so that every decision comes from one revision.

pub mod capabilities;
pub mod dialect;
pub mod engine;
pub mod evaluating;
pub mod explain;
pub mod files;
pub mod finding;
pub mod glob;
pub mod load;
pub mod matching;
pub mod metadata;
pub mod namespaces;
pub mod outcome;
pub mod select;
pub mod suites;
pub mod trials;
pub mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;

use crate::gate::Gate;
use dialect::Dialect;
use engine::builtins::BuiltinErrors;
use engine::group::Group;
pub use engine::{Context, Document, Limits, NotJson, Outside, Provider, Providers, key_set};
use evaluating::Conduct;
pub use finding::Finding;
use matching::{Facts, Match};
pub use metadata::{Enforcement, Exception};
pub use outcome::{Message, Mutation, Outcome, User};
use select::{GateIndex, NamespaceOf, Selected};

/// The package roots and the rules that each gate reads, all of them optional, at least one present.
pub(crate) const fn roots(gate: Gate) -> (&'static str, &'static [&'static str]) {
    match gate {
        Gate::Authn => ("authentication", &["user", "audiences", "deny"]),
        Gate::Authz => ("authorization", &["allow", "deny", "reason"]),
        Gate::Image => ("image", &["deny", "allow", "audit_annotations"]),
        Gate::Mutate => (
            "mutation",
            &["patch", "mutated", "deny", "warn", "audit_annotations"],
        ),
        Gate::Validate => ("admission", &["deny", "warn", "audit_annotations"]),
    }
}

/// Why a policy gave no outcome, or none that its gate understands. Faults are never an allow and never hidden.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A builtin failed. For the policy's author.
    #[error("{at}: {message}")]
    Builtin {
        /// `file:line:column`
        at: String,
        /// The engine's words.
        message: String,
    },
    /// A rule or function had two values. For the policy's author.
    #[error("{at}: two different values for one rule or function")]
    Conflict {
        /// `file:line:column`
        at: String,
    },
    /// The evaluation did not end in time. For the policy's author.
    #[error("the evaluation did not end in time")]
    Deadline,
    /// Its evaluations went on long after their deadline, again and again. For the policy's author.
    #[error("not evaluated any more: three evaluations did not end")]
    Stuck,
    /// The engine panicked on odd operands of a builtin. For us.
    #[error("the engine panicked")]
    Panic,
    /// A patch that cannot be applied, or changes what must not change. For the policy's author.
    #[error("{message}")]
    Patch {
        /// What is wrong, without what the policy wrote.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// Applied to its own result the mutation changes it again. For the policy's author.
    #[error("not idempotent: applied to its own result it changes the object again")]
    NotIdempotent,
    /// Two policies of one order gave different users. For the policies' author.
    #[error("another policy of the same order gives a different user")]
    TwoUsers,
    /// What the policy needs to know of the review's Namespace is not known. For the operator.
    #[error(transparent)]
    Namespace(#[from] namespaces::Unknown),
    /// A rule has a type that its gate does not read. For the policy's author.
    #[error("{rule}: {problem}")]
    Type {
        /// The gate rule.
        rule: &'static str,
        /// What was expected and what was met.
        problem: String,
    },
}

impl Fault {
    /// The `reason` label of the metric.
    pub const fn reason(&self) -> &'static str {
        match self {
            Fault::Builtin { .. } => "builtin",
            Fault::Conflict { .. } | Fault::TwoUsers => "conflict",
            Fault::Deadline => "timeout",
            Fault::Panic => "panic",
            Fault::Stuck => "stuck",
            Fault::Namespace(_) => "namespace",
            Fault::Patch { .. } | Fault::NotIdempotent => "patch",
            Fault::Type { .. } => "type",
        }
    }

    /// The fault for a log. What the engine says of a builtin may quote its operands, and they may be a token, a Secret
    /// or a whole object: there only the place is told. So may the paths of a patch. `regate review` shows whoever runs it the whole text.
    pub fn place(&self) -> String {
        match self {
            Fault::Builtin { at, .. } => format!("{at}: a builtin failed"),
            Fault::Patch { place, .. } => place.clone(),
            fault => fault.to_string(),
        }
    }
}

/// One policy: a package under a gate's root, or one instance of it, on its own terms.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The gate that asks it.
    pub gate: Gate,
    /// The package below the root, `privileged` of `kubernetes.admission.privileged`, and behind it the instance.
    pub name: String,
    /// Whose way it is written in.
    pub dialect: Dialect,
    /// The gate rules that its source has, or that what it has amounts to.
    pub rules: Vec<&'static str>,
    /// The rules that it is asked for, by the names that its author gave them.
    pub entry_rules: Vec<String>,
    /// Lower is evaluated first; ties by name.
    pub order: i64,
    /// What its word is worth.
    pub enforcement: Enforcement,
    /// Which reviews it is asked about: those that all of these match.
    pub matching: Vec<Match>,
    /// `input.parameters`
    pub parameters: Document,
    /// Reviews that it does not judge.
    pub exceptions: Vec<Exception>,
    /// Whether it reads `input.regate.namespace`.
    pub reads_namespace: bool,
    /// What the errors of builtins are to it.
    pub builtin_errors: BuiltinErrors,
    /// Whether its evaluations end.
    pub conduct: Arc<Conduct>,
    group: usize,
    entry: String,
}

impl Policy {
    /// Whether its source has this rule.
    pub fn has(&self, rule: &str) -> bool {
        self.rules.contains(&rule)
    }

    /// Whether it cannot be asked without knowing the review's Namespace.
    pub fn uses_namespaces(&self) -> bool {
        let exempting = self.exceptions.iter().map(|exception| &exception.matching);
        let mut matching = self.matching.iter().chain(exempting);
        self.reads_namespace || matching.any(|matching| matching.selector.is_some())
    }
}

/// All policies that are served, immutable; swapped whole.
pub struct PolicySet {
    /// Content hash of everything that decides.
    pub revision: String,
    /// What is no reason to refuse the set and should still be told, like an exception that has ended.
    pub warnings: Vec<Finding>,
    /// Data that the policies `needs`, and sets of keys that they name, and that nobody gives: no server serves the set
    /// without them.
    pub missing: Vec<Finding>,
    policies: Vec<Policy>,
    groups: Vec<Group>,
    indexes: BTreeMap<Gate, GateIndex>,
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySet")
            .field("revision", &self.revision)
            .field("policies", &self.policies)
            .finish()
    }
}

impl PolicySet {
    /// The policies of a gate, in the order (order, name) in which they are evaluated.
    pub fn of(&self, gate: Gate) -> impl Iterator<Item = &Policy> {
        self.policies.iter().filter(move |policy| policy.gate == gate)
    }

    /// The policies that are asked about a review, in the order (order, name), and how. `namespace` is asked at most when
    /// a policy needs to know.
    pub fn select(
        &self,
        gate: Gate,
        facts: &Facts,
        now_ns: i64,
        namespace: NamespaceOf<'_>,
    ) -> Vec<Selected<'_>> {
        let candidates = self.indexes.get(&gate).map(|index| index.candidates(facts));
        candidates
            .unwrap_or_default()
            .into_iter()
            .filter_map(|place| self.policies.get(place))
            .filter_map(|policy| select::judge(policy, facts, now_ns, namespace))
            .collect()
    }

    /// All policies.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Whether a policy of the gate has the rule, and what it says of it has an effect.
    pub fn any_has(&self, gate: Gate, rule: &str) -> bool {
        self.of(gate)
            .any(|policy| policy.has(rule) && policy.enforcement != Enforcement::Dryrun)
    }
}

/// Evaluates policies. The seam behind which another evaluator can stand.
pub trait Evaluate {
    /// Evaluates one policy on an input document.
    ///
    /// # Errors
    /// The fault, if the policy has no outcome that its gate understands.
    fn evaluate(&self, policy: &Policy, input: &Document, limits: &Limits) -> Result<Outcome, Fault>;

    /// Learns what a review says that metadata can match on, before any policy is evaluated for it.
    fn begins(&self, _facts: &Facts, _namespace: NamespaceOf<'_>) {}
}

impl Evaluate for PolicySet {
    fn evaluate(&self, policy: &Policy, input: &Document, limits: &Limits) -> Result<Outcome, Fault> {
        if policy.conduct.is_given_up() {
            return Err(Fault::Stuck);
        }
        let _entered = evaluating::enter(policy);
        let group = self.groups.get(policy.group).ok_or(Fault::Panic)?;
        let (values, passed_over) = match policy.builtin_errors {
            BuiltinErrors::Fault => (group.evaluate(&policy.entry, input, limits)?, None),
            BuiltinErrors::Undefined => group.evaluate_leniently(&policy.entry, input, limits)?,
        };
        Ok(Outcome {
            passed_over,
            ..policy.dialect.outcome(&values, input)?
        })
    }
}

/// The served set: `None` until the first one is loaded.
pub type Served = Arc<ArcSwapOption<PolicySet>>;

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// Now, in the form that builtins read.
pub fn context_of_now(gate: Gate) -> Context {
    let now_ns = now_ns();
    // Unlike the clock, two reviews of one nanosecond must differ: the address-space-randomised hasher keys do.
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), (now_ns, Instant::now()));
    Context {
        now_ns,
        seed,
        lenient_decoding: gate == Gate::Authn,
    }
}
