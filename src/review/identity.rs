//! Identities that a policy must not give out: the API server takes whatever a TokenReview answers, `system:masters`
//! and an empty name included.

use std::collections::BTreeMap;

use super::Settings;
use crate::policy::{User, glob};

/// A name beginning with `system:` that authn may give out: `--allow-identity user=GLOB` or `group=GLOB`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowIdentity {
    /// Usernames that match the glob.
    User(String),
    /// Groups that match the glob; `system:masters` only if it is written out.
    Group(String),
}

/// What the API server adds to everybody who is somebody.
const AUTHENTICATED: &str = "system:authenticated";

/// Membership means every permission, before any authorizer is asked.
const MASTERS: &str = "system:masters";

/// The user as it may be answered.
///
/// # Errors
/// What is wrong with the identity, without quoting it.
pub(super) fn checked(user: &User, settings: &Settings) -> Result<User, String> {
    if user.username.trim().is_empty() {
        return Err("the username is empty".to_owned());
    }
    let user_may = |name: &str| {
        settings.allow_identities.iter().any(|allowed| match allowed {
            AllowIdentity::User(pattern) => glob::matches(pattern, name),
            AllowIdentity::Group(_) => false,
        })
    };
    let group_may = |name: &str| {
        settings.allow_identities.iter().any(|allowed| match allowed {
            AllowIdentity::Group(pattern) if name == MASTERS => pattern == MASTERS,
            AllowIdentity::Group(pattern) => glob::matches(pattern, name),
            AllowIdentity::User(_) => false,
        })
    };
    check_name("username", &user.username, user_may)?;
    let groups: Vec<String> = user
        .groups
        .iter()
        .filter(|group| *group != AUTHENTICATED)
        .cloned()
        .collect();
    for group in &groups {
        check_name("group", group, group_may)?;
    }
    check_extra(&user.extra)?;
    Ok(User {
        groups,
        ..user.clone()
    })
}

fn check_name(what: &str, name: &str, may: impl Fn(&str) -> bool) -> Result<(), String> {
    if name.trim() != name || name.chars().any(char::is_control) {
        return Err(format!(
            "a {what} with white space around it or control characters in it"
        ));
    }
    if name.trim().to_lowercase().starts_with("system:") && !may(name) {
        return Err(format!(
            "a {what} beginning with `system:` that --allow-identity does not list"
        ));
    }
    Ok(())
}

/// The API server trusts extra keys of its own domains.
fn check_extra(extra: &BTreeMap<String, Vec<String>>) -> Result<(), String> {
    for key in extra.keys() {
        if key.to_lowercase() != *key {
            return Err("an extra key that is not lower-case".to_owned());
        }
        let domain = key.split('/').next().unwrap_or_default();
        let reserved = ["kubernetes.io", "k8s.io"];
        if reserved
            .iter()
            .any(|own| domain == *own || domain.ends_with(&format!(".{own}")))
        {
            return Err("an extra key of a domain that belongs to Kubernetes".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, groups: &[&str]) -> User {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        User {
            username: name.into(),
            groups,
            ..User::default()
        }
    }

    fn problem(user: &User, allowed: &[AllowIdentity]) -> String {
        let settings = Settings {
            allow_identities: allowed.to_vec(),
            ..Settings::default()
        };
        checked(user, &settings).err().unwrap_or_default()
    }

    #[test]
    fn names_that_are_none_are_refused() {
        assert_eq!(problem(&user("jane", &["dev"]), &[]), "");
        assert_eq!(problem(&user("", &[]), &[]), "the username is empty");
        assert_eq!(problem(&user(" \t", &[]), &[]), "the username is empty");
        let spaces = "with white space around it or control characters in it";
        assert_eq!(problem(&user("jane ", &[]), &[]), format!("a username {spaces}"));
        assert_eq!(problem(&user("ja\nne", &[]), &[]), format!("a username {spaces}"));
        assert_eq!(
            problem(&user("jane", &[" dev"]), &[]),
            format!("a group {spaces}")
        );
    }

    #[test]
    fn system_names_are_given_out_only_if_listed() {
        let not_listed =
            |what: &str| format!("a {what} beginning with `system:` that --allow-identity does not list");
        let group = |glob: &str| AllowIdentity::Group(glob.into());
        for name in ["system:admin", "SYSTEM:admin", "System:node:a"] {
            assert_eq!(problem(&user(name, &[]), &[]), not_listed("username"), "{name}");
        }
        assert_eq!(
            problem(&user("jane", &["system:masters"]), &[]),
            not_listed("group")
        );
        assert_eq!(
            problem(
                &user("jane", &["system:masters"]),
                &[group("system:*"), group("*")]
            ),
            not_listed("group")
        );
        assert_eq!(
            problem(&user("jane", &["system:masters"]), &[group("system:masters")]),
            ""
        );
        assert_eq!(
            problem(&user("jane", &["system:nodes"]), &[group("system:n*")]),
            ""
        );
        assert_eq!(
            problem(&user("system:ci", &[]), &[group("system:*")]),
            not_listed("username")
        );
        assert_eq!(
            problem(
                &user("system:ci", &[]),
                &[AllowIdentity::User("system:c*".into())]
            ),
            ""
        );
    }

    #[test]
    fn the_group_that_everybody_has_is_dropped() {
        let user = checked(
            &user("jane", &["dev", "system:authenticated"]),
            &Settings::default(),
        )
        .unwrap();
        assert_eq!(user.groups, ["dev"]);
    }

    #[test]
    fn extra_keys_of_kubernetes_are_refused() {
        let with = |key: &str| User {
            extra: [(key.to_owned(), vec![])].into(),
            ..user("jane", &[])
        };
        let domain = "an extra key of a domain that belongs to Kubernetes";
        for key in [
            "authentication.kubernetes.io/pod-name",
            "kubernetes.io/x",
            "a.k8s.io/b",
            "k8s.io",
        ] {
            assert_eq!(problem(&with(key), &[]), domain, "{key}");
        }
        assert_eq!(
            problem(&with("example.com/Team"), &[]),
            "an extra key that is not lower-case"
        );
        // Neither upper case nor lower case, and another letter in lower case.
        assert_eq!(
            problem(&with("example.com/\u{1c5}"), &[]),
            "an extra key that is not lower-case"
        );
        assert_eq!(problem(&with("example.com/team"), &[]), "");
        assert_eq!(problem(&with("mykubernetes.io/team"), &[]), "");
    }
}
