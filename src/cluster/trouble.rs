//! What keeps the watch from the API server, in words that may be logged.
//!
//! The client's own texts can quote what a credential plugin printed, which is a token, or a whole answer. So the texts
//! are made here, from what is known to be harmless.

use std::error::Error;

use kube::client::AuthError;
use kube::core::Status;
use kube::runtime::watcher;

/// What went wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// `credentials`, `forbidden`, `panic`, `refused`, `unauthorized`, `unreachable` or `unreadable`: each is told once.
    pub(super) kind: &'static str,
    pub(super) text: String,
    /// Whether the API server was reached, and will say the same again until somebody does something.
    pub(super) refused: bool,
}

impl Trouble {
    fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            refused: false,
        }
    }

    /// What the operator's or the Pod's credentials cannot be used for.
    pub(super) fn of_credentials(error: &super::Error) -> Self {
        Self::new("credentials", error.to_string())
    }

    /// The panic itself was logged with its place.
    pub(super) fn of_panic() -> Self {
        Self::new("panic", "the client panicked")
    }

    pub(super) fn of_watch(error: &watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => Self::of_client(error),
            watcher::Error::WatchError(status) => Self::of_status(status),
            watcher::Error::NoResourceVersion => {
                Self::new("unreadable", "the API server's list has no resource version")
            }
        }
    }

    pub(super) fn of_client(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                Self::new("unreadable", "the API server's answer cannot be read")
            }
            other => Self::of_chain(other),
        }
    }

    fn of_status(status: &Status) -> Self {
        let kind = match status.code {
            401 => "unauthorized",
            403 => "forbidden",
            _ => "refused",
        };
        Self {
            refused: true,
            ..Self::new(kind, format!("{} {}", status.code, status.message))
        }
    }

    /// The causes, the first one last; they are of connections and TLS, unless credentials are among them.
    fn of_chain(error: &kube::Error) -> Self {
        let causes = || std::iter::successors(error.source(), |&cause| cause.source());
        let auth = match error {
            kube::Error::Auth(auth) => Some(auth),
            _ => causes().find_map(|cause| cause.downcast_ref::<AuthError>()),
        };
        if let Some(auth) = auth {
            return Self::new("credentials", auth_text(auth));
        }
        let mut texts: Vec<_> = causes().map(ToString::to_string).collect();
        texts.dedup();
        if texts.is_empty() {
            texts.push(error.to_string());
        }
        Self::new("unreachable", texts.join(": "))
    }
}

/// What is wrong with credentials, without them: a plugin's output holds them, and so may its arguments.
fn auth_text(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { out, .. } => format!("the credential plugin ended with {}", out.status),
        AuthError::AuthExecStart(error) => format!("the credential plugin cannot be started: {error}"),
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            "what the credential plugin printed is no ExecCredential".to_owned()
        }
        AuthError::ReadTokenFile(error, file) => format!("{}: {error}", file.display()),
        _ => "the credentials cannot be used".to_owned(),
    }
}
