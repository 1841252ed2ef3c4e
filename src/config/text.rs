//! Values as text: the words that a flag, a variable and the file share.
//!
//! Every value of a setting is read by its `FromStr` and shown by its `Display`, wherever it was written, so that the
//! three places cannot differ in what they accept.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// Reads one value of the file; an empty one is absent.
pub(super) fn one<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(de::Error::custom))
        .transpose()
}

/// Reads a list of the file.
pub(super) fn many<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let items = Option::<Vec<Item<T>>>::deserialize(deserializer)?;
    Ok(items.map(|items| items.into_iter().map(|Item(value)| value).collect()))
}

/// An element of a list, read where it stands so that what is wrong with it is said with its line.
struct Item<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map(Item)
            .map_err(de::Error::custom)
    }
}

/// A choice between words: its type, what it is for, the words, and what a wrong word is told.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $wrong:literal, $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl std::str::FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err($wrong),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self {
                    $($name::$variant => $word,)+
                })
            }
        }
    };
}
pub(super) use choice;

/// A path of a file or directory: any text but an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePath(PathBuf);

impl FilePath {
    /// The path itself.
    pub(super) fn into_path(self) -> PathBuf {
        self.0
    }
}

impl FromStr for FilePath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            Err("a path cannot be empty")
        } else {
            Ok(Self(Path::new(text).to_owned()))
        }
    }
}

impl Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// A span of time as Go writes it (`1m30s`, `1.5s`, `500ms`): the form of all durations of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(Duration);

impl Span {
    /// A span of whole seconds.
    pub(super) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The span as the standard library has it.
    pub(super) const fn duration(self) -> Duration {
        self.0
    }
}

/// A text that is no span of time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no duration: numbers with a unit (h, m, s, ms), like 1m30s, 1.5s or 500ms")]
pub(super) struct NotASpan(String);

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotASpan(text.to_owned());
        let mut rest = text;
        let mut sum = Duration::ZERO;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(wrong)?;
            let (number, after) = rest.split_at(digits);
            let unit_end = after
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(after.len());
            let (unit, after) = after.split_at(unit_end);
            sum = part(number, unit)
                .and_then(|part| sum.checked_add(part))
                .ok_or_else(wrong)?;
            rest = after;
        }
        if text.is_empty() {
            Err(wrong())
        } else {
            Ok(Self(sum))
        }
    }
}

/// One number with its unit; `None` if it is none or too large.
fn part(number: &str, unit: &str) -> Option<Duration> {
    let seconds = match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 0.001,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    // Rounded to milliseconds, the smallest unit: a float's last digits must not show.
    let milliseconds = Duration::try_from_secs_f64(number * seconds).ok()?.as_secs_f64() * 1000.0;
    Duration::try_from_secs_f64(milliseconds.round() / 1000.0).ok()
}

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, milliseconds) = (self.0.as_secs(), self.0.subsec_millis());
        match (seconds, milliseconds) {
            (0, ms) => write!(f, "{ms}ms"),
            (s, 0) => write!(f, "{s}s"),
            (s, ms) => write!(f, "{s}s{ms}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_as_go_writes_them() {
        for (text, milliseconds) in [
            ("3s", 3_000),
            ("1.5s", 1_500),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(
                text.parse::<Span>().unwrap().duration(),
                Duration::from_millis(milliseconds),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in [
            "",
            "3",
            "s",
            "3 s",
            "-3s",
            "3d",
            "1.2.3s",
            "3s4",
            "1e99s",
            "99999999999999999999h",
        ] {
            assert_eq!(
                text.parse::<Span>().unwrap_err().to_string(),
                format!(
                    "`{text}` is no duration: numbers with a unit (h, m, s, ms), like 1m30s, 1.5s or 500ms"
                )
            );
        }
    }

    #[test]
    fn a_duration_is_read_back_from_its_text() {
        for milliseconds in [0, 1, 999, 1_000, 1_001, 61_500] {
            let span = Span(Duration::from_millis(milliseconds));
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
    }
}
