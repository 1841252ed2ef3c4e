//! Section `log`.

use serde::Deserialize;

use super::Setting;
use super::layers::Layers;
use super::text::{self, choice};

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(deserialize_with = "text::one")]
    pub(super) format: Option<LogFormat>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
}

choice! {
    /// The form of a log line.
    LogFormat, "the log is written as `text` or `json`",
    /// One JSON object.
    Json = "json",
    /// Words for people.
    Text = "text",
}

pub(super) fn resolve(layers: &mut Layers) -> Log {
    Log {
        format: layers.one(
            "log.format",
            Setting::LogFormat,
            |w| &w.log.format,
            LogFormat::Text,
        ),
    }
}
