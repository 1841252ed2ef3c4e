//! The flags that say what to review, and the reviews that they make.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::wrap::{self, Item, Subject};
use super::{cluster, namespaces};
use crate::gate::Gate;
use crate::policy::namespaces::Namespaces;

/// What to review: files, a token, a question, and who asks.
#[derive(Debug, clap::Args)]
pub struct What {
    /// Files with a review, or with manifests (YAML or JSON) to wrap; `-` is standard input
    pub files: Vec<PathBuf>,
    /// The same, as kubectl has it
    #[arg(
        short = 'f',
        long = "filename",
        env = "REGATE_FILENAME",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub filenames: Vec<PathBuf>,
    /// Where old objects, Namespaces and the user are looked up.
    #[command(flatten)]
    pub cluster: cluster::Flags,
    /// The only gate to ask about manifests [default: mutate, then validate]
    #[arg(long, env = "REGATE_GATE", value_name = "mutate|validate")]
    pub gate: Option<Gate>,
    /// Operation on a manifest's object [default: CREATE; with a cluster, UPDATE of what is there]
    #[arg(long, env = "REGATE_OPERATION", value_name = "OPERATION")]
    pub operation: Option<wrap::Operation>,
    /// Manifest of the object as it was before
    #[arg(long, env = "REGATE_OLD", value_name = "FILE")]
    pub old: Option<PathBuf>,
    /// Namespace of manifests that name none [default: the kubeconfig's, else default]
    #[arg(short, long, env = "REGATE_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// File of Namespaces (YAML or JSON) that stands in for the cluster's
    #[arg(long, env = "REGATE_NAMESPACE_FILE", value_name = "FILE")]
    pub namespace_file: Option<PathBuf>,
    /// User who asks [default: with a cluster, the kubeconfig's, else kubernetes-admin]
    #[arg(long = "as", env = "REGATE_AS", value_name = "USER")]
    pub as_user: Option<String>,
    /// Group of the user who asks
    #[arg(
        long = "as-group",
        env = "REGATE_AS_GROUP",
        value_name = "GROUP",
        value_delimiter = ','
    )]
    pub groups: Vec<String>,
    /// File with a token to review at authn; `-` is standard input
    #[arg(long, env = "REGATE_TOKEN", value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// Verb to review at authz
    #[arg(long, env = "REGATE_VERB", value_name = "VERB")]
    pub verb: Option<String>,
    /// Resource to review at authz
    #[arg(
        long,
        env = "REGATE_RESOURCE",
        value_name = "RESOURCE[.GROUP][/SUBRESOURCE]",
        requires = "verb"
    )]
    pub resource: Option<String>,
    /// Non-resource path to review at authz
    #[arg(
        long,
        env = "REGATE_PATH",
        value_name = "PATH",
        requires = "verb",
        conflicts_with = "resource"
    )]
    pub path: Option<String>,
}

impl What {
    /// The reviews, in the order of the arguments, and the Namespaces that are known for them.
    pub(in crate::cli) fn items(&self) -> anyhow::Result<(Vec<Item>, Namespaces)> {
        let subject = subject(self)?;
        let items = items(self, &subject)?;
        if items.is_empty() {
            bail!("nothing to review: name a file, --token or --verb");
        }
        let namespaces = match (&self.namespace_file, &subject.cluster) {
            (Some(file), _) => namespaces::from_file(file, &read(file)?)?,
            (None, Some(look)) => cluster::namespaces(look, &items)?,
            (None, None) => Namespaces::default(),
        };
        Ok((items, namespaces))
    }
}

/// Who asks for what, as far as the arguments and the cluster say.
fn subject(args: &What) -> anyhow::Result<Subject> {
    let look = args.cluster.look()?;
    let namespace = args
        .namespace
        .clone()
        .or_else(|| look.as_ref().map(|look| look.namespace().to_owned()));
    Ok(Subject {
        operation: args.operation,
        user: cluster::user(look.as_ref(), args.as_user.as_deref(), &args.groups)?,
        namespace: namespace.unwrap_or_else(|| "default".to_owned()),
        old: args
            .old
            .as_ref()
            .map(|path| wrap::manifest(path, &read(path)?))
            .transpose()?,
        gate: args.gate,
        cluster: look,
    })
}

/// What the arguments ask for, in their order.
fn items(args: &What, subject: &Subject) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    for path in args.files.iter().chain(&args.filenames) {
        items.extend(wrap::items(path, read(path)?, subject)?);
    }
    if let Some(path) = &args.token {
        items.push(wrap::token(read(path)?.trim_end())?);
    }
    if let Some(verb) = &args.verb {
        items.push(wrap::access(
            verb,
            args.resource.as_deref(),
            args.path.as_deref(),
            subject,
        )?);
    }
    Ok(items)
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
