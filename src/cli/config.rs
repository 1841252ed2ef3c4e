//! `regate config`: prints the resolved configuration and where each value comes from.
//!
//! As YAML it is a configuration file again, with the origins as comments: what is printed can be served.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::{Global, ServerFlags};
use crate::config::{API_VERSION, Entry, KIND, Origin, Setting};

/// Prints the resolved configuration and where each value comes from
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Form of what is printed
    #[arg(
        short,
        long,
        env = "REGATE_OUTPUT",
        value_name = "yaml|json",
        default_value = "yaml"
    )]
    pub output: Output,
    /// The settings of a server.
    #[command(flatten)]
    pub settings: ServerFlags,
}

/// Form of what is printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Output {
    /// `config` and `origins`, by key.
    Json,
    /// A configuration file with the origins as comments.
    Yaml,
}

/// Runs the command.
pub fn run(args: Args, global: Global) -> anyhow::Result<ExitCode> {
    let resolved = global.resolve_with(&args.settings)?;
    let text = match args.output {
        Output::Json => json(&resolved.entries)?,
        Output::Yaml => yaml(&resolved.entries)?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn json(entries: &[Entry]) -> Result<String, serde_json::Error> {
    let mut config = json!({"apiVersion": API_VERSION, "kind": KIND});
    for entry in entries {
        let pointer = entry.key.split('.').fold(&mut config, |at, segment| {
            let Value::Object(map) = at else { return at };
            map.entry(segment).or_insert_with(|| Value::Object(Map::new()))
        });
        *pointer = entry.value.clone();
    }
    let origins: Map<_, _> = entries
        .iter()
        .map(|entry| (entry.key.to_owned(), Value::from(entry.origin.to_string())))
        .collect();
    let mut text = serde_json::to_string_pretty(&json!({"config": config, "origins": origins}))?;
    text.push('\n');
    Ok(text)
}

/// Writes the entries, which come in the order of their sections, as nested keys.
fn yaml(entries: &[Entry]) -> anyhow::Result<String> {
    let mut text = format!("apiVersion: {API_VERSION}\nkind: {KIND}\n");
    let mut open: Vec<&str> = Vec::new();
    for entry in entries {
        let mut sections: Vec<_> = entry.key.split('.').collect();
        let key = sections.pop().unwrap_or_default();
        let shared = open.iter().zip(&sections).take_while(|(a, b)| a == b).count();
        for (depth, section) in sections.iter().enumerate().skip(shared) {
            text.push_str(&format!("{}{section}:\n", "  ".repeat(depth)));
        }
        let indent = "  ".repeat(sections.len());
        let comment = origin(entry);
        match &entry.value {
            Value::Array(items) if !items.is_empty() => {
                text.push_str(&format!("{indent}{key}:  # {comment}\n"));
                for item in items {
                    text.push_str(&format!("{indent}- {}\n", scalar(item)?));
                }
            }
            value => text.push_str(&format!("{indent}{key}: {}  # {comment}\n", scalar(value)?)),
        }
        open = sections;
    }
    Ok(text)
}

/// A value on one line.
fn scalar(value: &Value) -> anyhow::Result<String> {
    if value.is_object() {
        // JSON is YAML, and stays on its line.
        return Ok(value.to_string());
    }
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    Ok(serde_saphyr::to_string_with_options(value, options)?
        .trim_end()
        .to_owned())
}

fn origin(entry: &Entry) -> String {
    match (entry.origin, entry.setting.map(Setting::row)) {
        (Origin::Environment, Some(row)) => format!("from environment {}", row.environment),
        (Origin::Flag, Some(row)) => format!("from flag --{}", row.flag),
        (origin @ (Origin::Environment | Origin::File | Origin::Flag), _) => format!("from {origin}"),
        (Origin::Default, _) => "default".to_owned(),
    }
}
