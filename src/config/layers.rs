//! The three places where a setting can be written, and the record of which one won.
//!
//! Sections take each of their values through [`Layers`]: flag before environment before file before default. Every
//! take leaves an [`Entry`], so that what `regate config` shows is what was resolved and not a second account of it.

use std::fmt::{self, Display};

use serde_json::Value;

use super::setting::Setting;
use super::written::Written;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// An environment variable.
    Environment,
    /// The configuration file.
    File,
    /// The command line.
    Flag,
}

impl Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Origin::Default => "default",
            Origin::Environment => "environment",
            Origin::File => "file",
            Origin::Flag => "flag",
        })
    }
}

/// One resolved value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its key in the file, the sections joined by dots.
    pub key: &'static str,
    /// The setting that it belongs to; `None` where only the file can say it.
    pub setting: Option<Setting>,
    /// The value as the file would have it.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// What was written, by place, and what has been taken of it.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) flags: Written,
    pub(super) environment: Written,
    pub(super) file: Written,
    pub(super) entries: Vec<Entry>,
}

impl Layers {
    /// Takes a value that always has a default.
    pub(super) fn one<T: Clone + Display>(
        &mut self,
        key: &'static str,
        setting: Setting,
        get: fn(&Written) -> &Option<T>,
        default: T,
    ) -> T {
        let (value, origin) = self.first(get, default);
        self.record(key, Some(setting), Value::from(value.to_string()), origin);
        value
    }

    /// Takes a value that may be absent.
    pub(super) fn optional<T: Clone + Display>(
        &mut self,
        key: &'static str,
        setting: Setting,
        get: fn(&Written) -> &Option<T>,
    ) -> Option<T> {
        let found = self.find(get);
        let origin = found.as_ref().map_or(Origin::Default, |(_, origin)| *origin);
        let value = found.map(|(value, _)| value);
        self.record(
            key,
            Some(setting),
            value.as_ref().map(T::to_string).into(),
            origin,
        );
        value
    }

    /// Takes a list, empty by default; the list of a stronger place replaces that of a weaker one.
    pub(super) fn list<T: Clone + Display>(
        &mut self,
        key: &'static str,
        setting: Setting,
        get: fn(&Written) -> &Option<Vec<T>>,
    ) -> Vec<T> {
        let (values, origin) = self.first(get, Vec::new());
        self.record(
            key,
            Some(setting),
            values.iter().map(T::to_string).collect(),
            origin,
        );
        values
    }

    /// Takes a switch.
    pub(super) fn switch(
        &mut self,
        key: &'static str,
        setting: Setting,
        get: fn(&Written) -> &Option<bool>,
        default: bool,
    ) -> bool {
        let (value, origin) = self.first(get, default);
        self.record(key, Some(setting), Value::from(value), origin);
        value
    }

    /// Takes a list of what only the file can say.
    pub(super) fn structured(
        &mut self,
        key: &'static str,
        get: fn(&Written) -> &Option<Vec<Value>>,
    ) -> Vec<Value> {
        let (values, origin) = self.first(get, Vec::new());
        self.record(key, None, Value::from(values.clone()), origin);
        values
    }

    fn first<T: Clone>(&self, get: fn(&Written) -> &Option<T>, default: T) -> (T, Origin) {
        self.find(get).unwrap_or((default, Origin::Default))
    }

    fn find<T: Clone>(&self, get: fn(&Written) -> &Option<T>) -> Option<(T, Origin)> {
        [
            (&self.flags, Origin::Flag),
            (&self.environment, Origin::Environment),
            (&self.file, Origin::File),
        ]
        .into_iter()
        .find_map(|(written, origin)| get(written).clone().map(|value| (value, origin)))
    }

    fn record(&mut self, key: &'static str, setting: Option<Setting>, value: Value, origin: Origin) {
        self.entries.push(Entry {
            key,
            setting,
            value,
            origin,
        });
    }
}
