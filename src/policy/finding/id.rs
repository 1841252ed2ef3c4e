//! What kinds of findings there are: a closed set. Each has a page in `docs/checks`, whose examples a test runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The set is refused.
    Error,
    /// The set is served, and `regate check --strict` refuses it.
    Strict,
    /// The set is served, and somebody should still be told.
    Warning,
}

impl Severity {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error | Severity::Strict => "error",
            Severity::Warning => "warning",
        }
    }
}

macro_rules! ids {
    ($($variant:ident $name:literal $severity:ident $title:literal;)*) => {
        /// The kind of a finding.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Id {
            $(
                #[doc = $title]
                #[serde(rename = $name)]
                $variant,
            )*
            /// Something of Regate's own went wrong.
            #[default]
            #[serde(rename = "internal", other)]
            Internal,
        }

        impl Id {
            /// All of them, by name.
            pub const ALL: &[Id] = &[$(Id::$variant,)* Id::Internal];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Id::$variant => $name,)*
                    Id::Internal => "internal",
                }
            }

            /// What it is, in one sentence.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Id::$variant => $title,)*
                    Id::Internal => "Something of Regate's own went wrong",
                }
            }

            /// What it weighs.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Id::$variant => Severity::$severity,)*
                    Id::Internal => Severity::Error,
                }
            }
        }
    };
}

ids! {
    Arity "arity" Error "A function is called with too many or too few operands";
    BuiltinName "builtin-name" Error "A rule has the name of a builtin, or of what a builtin's name begins with";
    DataConflict "data-conflict" Error "Two data files give one path, or data lies over a rule";
    DataFormat "data-format" Error "A data file is no JSON or YAML that holds an object";
    EndedException "ended-exception" Warning "An exception of a policy has ended";
    FileFormat "file-format" Error "A file is none that policies are made of";
    GateRuleType "gate-rule-type" Error "A rule can never have the type that its gate reads";
    Gatekeeper "gatekeeper" Error "A template or constraint of Gatekeeper's could not be enforced as it is meant";
    Limit "limit" Error "A file, or all of them, is more than is taken";
    MessageCode "message-code" Error "A message has a code that no client understands";
    Metadata "metadata" Error "METADATA or a setting says what nobody understands";
    MetadataPlace "metadata-place" Error "METADATA of ours stands where nobody reads it";
    MissingData "missing-data" Error "A policy needs data that nothing gives";
    NoNamespaces "no-namespaces" Error "Policies use Namespaces, and the server knows none";
    NoPolicies "no-policies" Error "There is no policy";
    NotOffered "not-offered" Error "A builtin of OPA is not offered here";
    NotRun "not-run" Warning "A test is not run, or does less than it seems to";
    NotUtf8 "not-utf8" Error "A file is not UTF-8";
    Parameters "parameters" Error "The parameters of a constraint do not fit its template's schema";
    Parse "parse" Error "A file is no Rego";
    PolicyName "policy-name" Error "A policy has no name that can be used, or that of another one";
    Recursion "recursion" Error "A rule or function comes back to itself";
    Reference "reference" Error "Nothing provides what is read below `data`";
    Rewrite "rewrite" Error "A form of Rego that has to be written otherwise here";
    RuleName "rule-name" Error "A policy's rule is called so that no gate, or the wrong one, reads it";
    RulePackage "rule-package" Error "A rule reaches into another package";
    Setting "setting" Error "A setting of the configuration names no policy, or sets nothing";
    Suite "suite" Error "A suite of cases says what nobody understands, or names what is not there";
    UnknownFunction "unknown-function" Error "A function that is not there is called";
    UnknownKeys "unknown-keys" Error "A policy names a set of keys that the server was not given";
    UnknownPackage "unknown-package" Error "A package looks like a policy's, and no gate reads it";
    UnnamedParameter "unnamed-parameter" Warning "A template's schema does not name a parameter of a constraint";
    Unreadable "unreadable" Error "A file or directory cannot be read";
    Unsafe "unsafe" Error "Nothing binds a variable";
    UnusedTemplate "unused-template" Warning "No constraint asks a template";
    Walk "walk" Error "`walk` is called for one value";
}

impl Id {
    /// Where more is said of it, in the project's documents.
    pub fn page(self) -> String {
        format!("docs/checks/{self}.md")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_sorted_and_read_back() {
        let names: Vec<_> = Id::ALL.iter().map(|id| id.as_str()).collect();
        let (named, internal) = names.split_at(names.len() - 1);
        assert!(named.is_sorted(), "{named:?}");
        assert_eq!(internal, ["internal"]);
        for (id, name) in Id::ALL.iter().zip(names) {
            let kebab = name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            assert!(kebab, "{name}");
            let json = serde_json::to_string(id).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<Id>(&json).unwrap(), *id);
        }
    }

    #[test]
    fn an_id_of_another_version_is_read_as_none_of_these() {
        assert_eq!(
            serde_json::from_str::<Id>("\"of-tomorrow\"").unwrap(),
            Id::Internal
        );
    }
}
