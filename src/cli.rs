//! The command line: which commands there are and what all of them share.
//!
//! Each command is a file with its arguments and a `run`; here they are only listed. Settings of the configuration
//! are not written as arguments by hand but made from the rows of [`Setting`], so that flag, variable and help of each
//! are said once. Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 the answer
//! is no, 2 it could not be done.

pub mod bench;
pub mod capabilities;
pub mod cert;
pub mod check;
pub mod config;
pub mod init;
pub mod manifests;
mod outside;
mod plugin;
pub mod review;
pub mod serve;
pub mod status;
mod terminal;
pub mod test;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use plugin::Name;

use crate::config::{
    AdmissionFault, AllowedIdentity, AuthzFault, Config, Gates, ImageDefault, Policies, PolicySource,
    Resolved, Setting,
};
use crate::policy::files::{Files, Sources};
use crate::policy::load::load_with;
use crate::policy::namespaces::Namespaces;
use crate::policy::{Finding, Outside, PolicySet};
use crate::review::{AllowIdentity, OnFault};

/// Answers the Kubernetes API server's review webhooks from Rego policies
#[derive(Debug, Parser)]
#[command(name = "regate", version)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Action,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each command is documented by its arguments")]
pub enum Action {
    Bench(Box<bench::Args>),
    Capabilities(capabilities::Args),
    Cert(cert::Args),
    Check(check::Args),
    Config(config::Args),
    Init(init::Args),
    Manifests(Box<manifests::Args>),
    Review(Box<review::Args>),
    Serve(serve::Args),
    Status(status::Args),
    Test(test::Args),
}

/// Form of what a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What every command takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Configuration file
    #[arg(long, global = true, env = "REGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The settings that every command takes.
    #[command(flatten)]
    pub settings: GlobalFlags,
}

impl Global {
    /// Resolves the configuration for a command that takes only the settings of every command.
    pub fn resolve(&self) -> anyhow::Result<Resolved> {
        self.resolve_with(&ServerFlags::default())
    }

    /// Resolves the configuration for a command that takes the settings of a server, too.
    pub fn resolve_with(&self, server: &ServerFlags) -> anyhow::Result<Resolved> {
        self.resolve_text(server, self.read_file()?.as_deref())
    }

    /// The text of the configuration file, if there is one.
    pub fn read_file(&self) -> anyhow::Result<Option<String>> {
        let text = self.config.as_ref().map(|path| {
            std::fs::read_to_string(path).with_context(|| format!("--config {}", path.display()))
        });
        text.transpose()
    }

    /// Resolves the configuration with this text of its file.
    pub fn resolve_text(&self, server: &ServerFlags, text: Option<&str>) -> anyhow::Result<Resolved> {
        let name = self.config.as_ref().map(|path| path.display().to_string());
        let flags = [self.settings.0.as_slice(), server.0.as_slice()].concat();
        let sources = crate::config::Sources {
            flags: &flags,
            // What is no UTF-8 must not count as absent: the replacement character lets it be refused or not found.
            environment: &|name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned()),
            file: name.as_deref().zip(text),
        };
        Ok(Config::resolve(&sources)?)
    }
}

/// The settings of every command that were given as flags.
pub type GlobalFlags = Flags<true>;
/// The settings of a server that were given as flags.
pub type ServerFlags = Flags<false>;

/// Settings that were given as flags, each with all its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags<const GLOBAL: bool>(Vec<(Setting, Vec<String>)>);

impl<const GLOBAL: bool> Flags<GLOBAL> {
    fn settings() -> impl Iterator<Item = Setting> {
        Setting::ALL
            .into_iter()
            .filter(|setting| setting.row().global == GLOBAL)
    }
}

impl<const GLOBAL: bool> clap::Args for Flags<GLOBAL> {
    fn augment_args(command: Command) -> Command {
        Self::settings().fold(command, |command, setting| command.arg(argument(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const GLOBAL: bool> FromArgMatches for Flags<GLOBAL> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        // The environment is a layer of its own, below the flags: the configuration reads it.
        let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let words = |id: &str| {
            matches
                .get_many::<String>(id)
                .into_iter()
                .flatten()
                .cloned()
                .collect()
        };
        let flags = Self::settings().map(|setting| (setting, setting.row().flag));
        Ok(Self(
            flags
                .filter(|(_, id)| given(id))
                .map(|(setting, id)| (setting, words(id)))
                .collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What the configuration names as policies and data.
fn sources(policies: &Policies) -> Sources {
    let (paths, paths_v0) = match &policies.source {
        PolicySource::Default => (Vec::new(), Vec::new()),
        PolicySource::Paths { paths, paths_v0 } => (paths.clone(), paths_v0.clone()),
    };
    Sources {
        policies: paths,
        policies_v0: paths_v0,
        data: policies.data.clone(),
        settings: policies.settings.clone(),
    }
}

/// What a command works on offline: what the configuration names and `more`, or `./policies` where neither names any.
fn offline_sources(policies: &Policies, more: Vec<PathBuf>) -> Sources {
    let mut sources = sources(policies);
    sources.policies.extend(more);
    if sources.policies.is_empty() && sources.policies_v0.is_empty() {
        sources.policies.push(PathBuf::from("policies"));
    }
    sources
}

/// The policies of a command that works on them offline. What is wrong with them is printed, and there is no set then.
fn load_policies(policies: &Policies, outside: &Arc<Outside>) -> anyhow::Result<Option<PolicySet>> {
    match Files::read(&offline_sources(policies, Vec::new())).and_then(|files| load_with(&files, outside)) {
        Ok(set) => {
            // Offline a policy may be tried without its data; whoever tries it has to know.
            let mut out = std::io::stderr().lock();
            for warning in set.warnings.iter().chain(&set.missing) {
                writeln!(out, "warning: {warning}")?;
            }
            Ok(Some(set))
        }
        Err(findings) => {
            print_findings(&findings)?;
            Ok(None)
        }
    }
}

/// Prints findings to standard error: at a terminal in the long form, else a line each.
fn print_findings(findings: &[Finding]) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    let long = out.is_terminal();
    write_findings(&mut out, findings, long)
}

/// Writes findings, in the long form or a line each.
fn write_findings(out: &mut dyn Write, findings: &[Finding], long: bool) -> std::io::Result<()> {
    findings.iter().try_for_each(|finding| match long {
        true => writeln!(out, "{}\n", finding.long()),
        false => writeln!(out, "{finding}"),
    })
}

/// What decisions depend on: a configuration, and what is known of the cluster.
fn review_settings(config: &Config, namespaces: Arc<Namespaces>) -> crate::review::Settings {
    let Gates {
        served: _,
        allow_identities,
        authz_on_fault,
        image_default,
        mutate_on_fault,
        validate_on_fault,
    } = &config.gates;
    let on_fault = |fault: &AdmissionFault| match fault {
        AdmissionFault::Deny => OnFault::Deny,
        AdmissionFault::Defer => OnFault::Defer,
    };
    crate::review::Settings {
        on_fault_authz: match authz_on_fault {
            AuthzFault::Auto => OnFault::Deny,
            AuthzFault::Defer => OnFault::Defer,
        },
        on_fault_mutate: on_fault(mutate_on_fault),
        on_fault_validate: on_fault(validate_on_fault),
        image_default_allow: *image_default == ImageDefault::Allow,
        allow_identities: allow_identities.iter().map(allow_identity).collect(),
        namespaces,
        now_ns: None,
    }
}

fn allow_identity(identity: &AllowedIdentity) -> AllowIdentity {
    match identity {
        AllowedIdentity::User(glob) => AllowIdentity::User(glob.clone()),
        AllowedIdentity::Group(glob) => AllowIdentity::Group(glob.clone()),
    }
}

fn argument(setting: Setting) -> Arg {
    let row = setting.row();
    Arg::new(row.flag)
        .long(row.flag)
        .env(row.environment)
        .hide_env_values(true)
        .value_name(row.value)
        .help(row.help)
        .global(row.global)
        .action(if row.list {
            ArgAction::Append
        } else {
            ArgAction::Set
        })
}

/// Runs the command line and says how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let name = Name::of(arguments.first().map(OsString::as_os_str));
    let command = Cli::command().bin_name(name.shown());
    if name == Name::Completion {
        let words = arguments
            .iter()
            .skip(1)
            .map(|word| word.to_string_lossy().into_owned());
        let words: Vec<String> = words.collect();
        // Nobody reads an error of a completion.
        let _ = plugin::complete(command, &words, &mut std::io::stdout().lock());
        return ExitCode::SUCCESS;
    }
    let parsed = command
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let mut cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output, a mistake to standard error; neither can be told elsewhere.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match &mut cli.command {
        Action::Review(args) if name == Name::Plugin => args.what.cluster.always = true,
        Action::Bench(args) if name == Name::Plugin => args.what.cluster.always = true,
        _ => {}
    }
    run(cli).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "regate: {error:#}");
        ExitCode::from(2)
    })
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    match command {
        Action::Bench(args) => bench::run(*args, global),
        Action::Capabilities(args) => capabilities::run(args, global),
        Action::Cert(args) => cert::run(args, global),
        Action::Check(args) => check::run(args, global),
        Action::Config(args) => config::run(args, global),
        Action::Init(args) => init::run(args, global),
        Action::Manifests(args) => manifests::run(*args, global),
        Action::Review(args) => review::run(*args, global),
        Action::Serve(args) => serve::run(args, global),
        Action::Status(args) => status::run(args, global),
        Action::Test(args) => test::run(args, global),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All commands, the root one first.
    fn commands() -> Vec<Command> {
        let mut root = Cli::command();
        root.build();
        let subcommands: Vec<_> = root
            .get_subcommands()
            .filter(|c| c.get_name() != "help")
            .cloned()
            .collect();
        [vec![root], subcommands].concat()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_help_and_a_variable_named_after_it() {
        let mut flags = 0;
        for command in commands() {
            for argument in command
                .get_arguments()
                .filter(|a| !["help", "version"].contains(&a.get_id().as_str()))
            {
                let name = format!("{} {}", command.get_name(), argument.get_id());
                assert!(
                    argument
                        .get_help()
                        .is_some_and(|help| !help.to_string().is_empty()),
                    "{name} has no help"
                );
                let Some(long) = argument.get_long() else {
                    assert!(argument.is_positional(), "{name} is a flag without a long name");
                    continue;
                };
                let expected = format!("REGATE_{}", long.to_uppercase().replace('-', "_"));
                assert_eq!(argument.get_env(), Some(expected.as_ref()), "{name}");
                flags += 1;
            }
        }
        assert!(flags > Setting::ALL.len(), "only {flags} flags were looked at");
    }

    #[test]
    fn every_command_says_what_it_does() {
        for command in commands() {
            assert!(
                command.get_about().is_some(),
                "{} says nothing",
                command.get_name()
            );
        }
    }

    #[test]
    fn a_global_flag_is_taken_before_and_after_the_command() {
        for arguments in [
            ["regate", "--policy", "a", "config"].as_slice(),
            ["regate", "config", "--policy", "a"].as_slice(),
        ] {
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert_eq!(
                cli.global.settings,
                Flags(vec![(Setting::Policy, vec!["a".to_owned()])]),
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn a_flag_of_a_server_is_refused_by_other_commands() {
        let error = Cli::try_parse_from(["regate", "check", "--listen", "127.0.0.1:1"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("unexpected argument '--listen' found"),
            "{error}"
        );
    }

    #[test]
    fn a_flag_is_one_word_even_with_a_comma() {
        let cli = Cli::try_parse_from([
            "regate",
            "config",
            "--allow-client",
            "a, Inc.",
            "--allow-client",
            "b",
        ])
        .unwrap();
        let Action::Config(args) = cli.command else {
            panic!("another command: {:?}", cli.command)
        };
        let names = vec!["a, Inc.".to_owned(), "b".to_owned()];
        assert_eq!(args.settings, Flags(vec![(Setting::AllowClient, names)]));
    }
}
