//! `namespaceSelector`: a label selector as Kubernetes has it, asked of the labels of the review's Namespace.

use std::collections::BTreeMap;
use std::fmt;

/// Requirements, all of which must hold. Without any it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Those of `matchLabels` and of `matchExpressions`.
    pub requirements: Vec<Requirement>,
}

/// What one label must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What it must be.
    pub operator: Operator,
}

/// `operator` and `values` of a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// There, with one of these values.
    In(Vec<String>),
    /// Absent, or with none of these values.
    NotIn(Vec<String>),
    /// There.
    Exists,
    /// Absent.
    DoesNotExist,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.operator {
            Operator::In(values) => write!(f, "{key} in ({})", values.join(", ")),
            Operator::NotIn(values) => write!(f, "{key} notin ({})", values.join(", ")),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

impl fmt::Display for Selector {
    /// As kubectl's `-l` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requirements: Vec<String> = self.requirements.iter().map(Requirement::to_string).collect();
        f.write_str(&requirements.join(","))
    }
}

impl Selector {
    /// Whether these labels are selected.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.operator {
                Operator::In(values) => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_mean_what_they_mean_in_kubernetes() {
        let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        let prod = || vec!["prod".to_owned(), "stage".to_owned()];
        for (key, operator, expected) in [
            ("env", Operator::In(prod()), true),
            ("env", Operator::In(vec!["dev".into()]), false),
            ("other", Operator::In(prod()), false),
            ("env", Operator::NotIn(prod()), false),
            ("other", Operator::NotIn(prod()), true),
            ("env", Operator::Exists, true),
            ("other", Operator::Exists, false),
            ("env", Operator::DoesNotExist, false),
            ("other", Operator::DoesNotExist, true),
        ] {
            let requirement = Requirement {
                key: key.to_owned(),
                operator: operator.clone(),
            };
            let selector = Selector {
                requirements: vec![requirement],
            };
            assert_eq!(selector.selects(&labels), expected, "{key} {operator:?}");
        }
        assert!(Selector::default().selects(&labels));
    }
}
