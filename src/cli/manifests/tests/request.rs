//! The flags' words: what they mean, and what is refused.

use super::*;

#[test]
fn a_rule_that_means_nothing_or_everything_is_refused() {
    let refused = |text: &str| text.parse::<Rules>().unwrap_err().to_string();
    let shape = "write OPERATIONS:GROUP/RESOURCE, like CREATE,UPDATE:apps/deployments or CONNECT:/pods/exec";
    let operations = "the operations are CREATE, UPDATE, DELETE and CONNECT";
    let resource = "the resource is no RESOURCE or RESOURCE/SUBRESOURCE, and `*/*` would be everything";
    let group = "the group is no name of an API group";
    for (text, reason) in [
        ("CREATE", shape),
        ("CREATE:pods", shape),
        ("CREATE:/pods,DELETE", shape),
        ("", operations),
        ("create:/pods", operations),
        ("*:/pods", operations),
        ("CREATE:*/*", group),
        ("CREATE:Apps/deployments", group),
        ("CREATE:/*/*", resource),
        ("CREATE:/pods/exec/x", resource),
        ("CREATE:/", resource),
        ("CREATE:/Pods", resource),
    ] {
        assert_eq!(refused(text), format!("`{text}` is no rule: {reason}"));
    }
    for text in [
        "UPDATE:/pods/status",
        "DELETE:/nodes",
        "CREATE:authorization.k8s.io/subjectaccessreviews",
    ] {
        assert_eq!(
            refused(text),
            format!("--rule {text}: never asked, because a cluster could not come up again if it were")
        );
    }
}

#[test]
fn rules_are_read_with_all_their_operations() {
    let Rules(rules) = "CREATE,UPDATE:apps/deployments,DELETE:example.com/*,UPDATE:/pods/*"
        .parse()
        .unwrap();
    let texts: Vec<_> = rules.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "CREATE,UPDATE:apps/deployments",
            "DELETE:example.com/*",
            "UPDATE:/pods/*"
        ]
    );
}

#[test]
fn addresses_and_names_that_the_api_server_would_refuse_are_refused() {
    for text in [
        "http://regate",
        "regate:8443",
        "https://",
        "https://regate:0",
        "https://regate:65536",
        "https://regate:",
        "https://user@regate",
        "https://regate/v1",
        "https://regate?x",
        "https://regate#x",
        "https://[::1",
        "https://[regate]",
        "https://::1",
        "https://[::1]x",
        "https://regate//",
        "https://Regate",
        "https://a'b",
    ] {
        assert_eq!(text.parse::<Url>(), Err(Error::Url(text.to_owned())));
    }
    for text in [
        "regate", "a/b", "a/b:0", "a/b:x", "/b:1", "a/:1", "a/b/c:1", "A/b:1", "a/b':1",
    ] {
        assert_eq!(text.parse::<Service>(), Err(Error::Service(text.to_owned())));
    }
    for text in ["", "-a", "a-", "a.b", "a'", &"a".repeat(64)] {
        assert_eq!(text.parse::<Name>(), Err(Error::Name(text.to_owned())));
    }
    for text in [
        "image=Ignore",
        "authn=Deny",
        "authz=Fail",
        "validate=Deny",
        "Fail",
        "validate=fail",
    ] {
        assert_eq!(
            text.parse::<FailurePolicy>(),
            Err(Error::FailurePolicy(text.to_owned()))
        );
    }
}
