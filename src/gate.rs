//! The five gates: the one word that routes, flags, configuration keys, metrics, logs and documents share.

use std::fmt;
use std::str::FromStr;

/// A place where the API server asks for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// Who you are: TokenReview.
    Authn,
    /// What you may do: SubjectAccessReview.
    Authz,
    /// Which images may run: ImageReview.
    Image,
    /// What is written instead of what was sent: AdmissionReview, mutating.
    Mutate,
    /// What may be written: AdmissionReview, validating.
    Validate,
}

impl Gate {
    /// All gates, in the order in which the API server asks them.
    pub const ALL: [Gate; 5] = [
        Gate::Authn,
        Gate::Authz,
        Gate::Mutate,
        Gate::Image,
        Gate::Validate,
    ];

    /// The gate's name, as in `/v1/<name>`, `--gate <name>` and `{gate="<name>"}`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Gate::Authn => "authn",
            Gate::Authz => "authz",
            Gate::Image => "image",
            Gate::Mutate => "mutate",
            Gate::Validate => "validate",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no gate.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no gate: one of authn, authz, image, mutate, validate")]
pub struct UnknownGate(String);

impl FromStr for Gate {
    type Err = UnknownGate;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Gate::ALL
            .into_iter()
            .find(|gate| gate.as_str() == name)
            .ok_or_else(|| UnknownGate(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gate_is_read_back_from_its_name() {
        for gate in Gate::ALL {
            assert_eq!(gate.as_str().parse(), Ok(gate));
        }
        assert_eq!(
            "audit".parse::<Gate>().unwrap_err().to_string(),
            "`audit` is no gate: one of authn, authz, image, mutate, validate"
        );
    }
}
