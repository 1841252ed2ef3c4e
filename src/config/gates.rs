//! Section `gates`: which gates are served, and what is particular to each.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::str::FromStr;

use serde::Deserialize;

use super::layers::Layers;
use super::text::{self, choice};
use super::written::Written as Layer;
use super::{Error, Setting};
use crate::gate::Gate;

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Written {
    pub(super) authn: WrittenAuthn,
    pub(super) authz: WrittenAuthz,
    pub(super) image: WrittenImage,
    pub(super) mutate: WrittenAdmission,
    pub(super) validate: WrittenAdmission,
}

/// What is written for authn.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WrittenAuthn {
    pub(super) enabled: Option<bool>,
    #[serde(deserialize_with = "text::many")]
    pub(super) allow_identities: Option<Vec<AllowedIdentity>>,
}

/// What is written for authz.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WrittenAuthz {
    pub(super) enabled: Option<bool>,
    #[serde(deserialize_with = "text::one")]
    pub(super) on_fault: Option<AuthzFault>,
}

/// What is written for image.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WrittenImage {
    pub(super) enabled: Option<bool>,
    #[serde(deserialize_with = "text::one")]
    pub(super) default: Option<ImageDefault>,
}

/// What is written for mutate and for validate.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WrittenAdmission {
    pub(super) enabled: Option<bool>,
    #[serde(deserialize_with = "text::one")]
    pub(super) on_fault: Option<AdmissionFault>,
}

impl Written {
    /// Reads `--gate`: the listed gates are served, the others are not.
    pub(super) fn serve_only(&mut self, words: &[String]) -> Result<(), String> {
        let listed = words
            .iter()
            .map(|word| word.parse::<Gate>().map_err(|error| error.to_string()))
            .collect::<Result<BTreeSet<_>, _>>()?;
        for gate in Gate::ALL {
            *self.enabled(gate) = Some(listed.contains(&gate));
        }
        Ok(())
    }

    /// Reads `--on-fault`: each word sets one gate.
    pub(super) fn set_on_fault(&mut self, words: &[String]) -> Result<(), String> {
        for word in words {
            let (gate, action) = word
                .split_once('=')
                .ok_or("write GATE=ACTION, like authz=defer")?;
            match gate.parse::<Gate>().map_err(|error| error.to_string())? {
                Gate::Authz => self.authz.on_fault = Some(action.parse()?),
                Gate::Mutate => self.mutate.on_fault = Some(action.parse()?),
                Gate::Validate => self.validate.on_fault = Some(action.parse()?),
                gate @ (Gate::Authn | Gate::Image) => {
                    return Err(format!("what a fault answers at {gate} cannot be chosen"));
                }
            }
        }
        Ok(())
    }

    fn enabled(&mut self, gate: Gate) -> &mut Option<bool> {
        match gate {
            Gate::Authn => &mut self.authn.enabled,
            Gate::Authz => &mut self.authz.enabled,
            Gate::Image => &mut self.image.enabled,
            Gate::Mutate => &mut self.mutate.enabled,
            Gate::Validate => &mut self.validate.enabled,
        }
    }
}

/// Which gates are served, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gates {
    /// The gates that are served, at least one; the others are not found.
    pub served: BTreeSet<Gate>,
    /// Identities under `system:` that authn may give.
    pub allow_identities: Vec<AllowedIdentity>,
    /// What authz answers to a fault that counts.
    pub authz_on_fault: AuthzFault,
    /// What image answers when no policy judges.
    pub image_default: ImageDefault,
    /// What mutate answers to a fault that counts.
    pub mutate_on_fault: AdmissionFault,
    /// What validate answers to a fault that counts.
    pub validate_on_fault: AdmissionFault,
}

pub(super) fn resolve(layers: &mut Layers) -> Result<Gates, Error> {
    let authn = enabled(layers, "gates.authn.enabled", |w| &w.gates.authn.enabled);
    let allow_identities = layers.list("gates.authn.allowIdentities", Setting::AllowIdentity, |w| {
        &w.gates.authn.allow_identities
    });
    let authz = enabled(layers, "gates.authz.enabled", |w| &w.gates.authz.enabled);
    let authz_on_fault = on_fault(layers, "gates.authz.onFault", AuthzFault::Auto, |w| {
        &w.gates.authz.on_fault
    });
    let image = enabled(layers, "gates.image.enabled", |w| &w.gates.image.enabled);
    let get: fn(&Layer) -> &Option<ImageDefault> = |w| &w.gates.image.default;
    let image_default = layers.one(
        "gates.image.default",
        Setting::ImageDefault,
        get,
        ImageDefault::Deny,
    );
    let mutate = enabled(layers, "gates.mutate.enabled", |w| &w.gates.mutate.enabled);
    let mutate_on_fault = on_fault(layers, "gates.mutate.onFault", AdmissionFault::Deny, |w| {
        &w.gates.mutate.on_fault
    });
    let validate = enabled(layers, "gates.validate.enabled", |w| &w.gates.validate.enabled);
    let validate_on_fault = on_fault(layers, "gates.validate.onFault", AdmissionFault::Deny, |w| {
        &w.gates.validate.on_fault
    });
    let served: BTreeSet<_> = [
        (Gate::Authn, authn),
        (Gate::Authz, authz),
        (Gate::Image, image),
        (Gate::Mutate, mutate),
        (Gate::Validate, validate),
    ]
    .into_iter()
    .filter_map(|(gate, enabled)| enabled.then_some(gate))
    .collect();
    if served.is_empty() {
        return Err(Error::NoGate);
    }
    Ok(Gates {
        served,
        allow_identities,
        authz_on_fault,
        image_default,
        mutate_on_fault,
        validate_on_fault,
    })
}

fn enabled(layers: &mut Layers, key: &'static str, get: fn(&Layer) -> &Option<bool>) -> bool {
    layers.switch(key, Setting::Gate, get, true)
}

fn on_fault<T: Clone + Display>(
    layers: &mut Layers,
    key: &'static str,
    default: T,
    get: fn(&Layer) -> &Option<T>,
) -> T {
    layers.one(key, Setting::OnFault, get, default)
}

/// An identity under `system:` that authn may give; `*` in its glob stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedIdentity {
    /// Groups whose names match.
    Group(String),
    /// Users whose names match.
    User(String),
}

impl FromStr for AllowedIdentity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some(("group", glob)) if !glob.is_empty() => Ok(AllowedIdentity::Group(glob.to_owned())),
            Some(("user", glob)) if !glob.is_empty() => Ok(AllowedIdentity::User(glob.to_owned())),
            _ => Err("write user=GLOB or group=GLOB"),
        }
    }
}

impl Display for AllowedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AllowedIdentity::Group(glob) => write!(f, "group={glob}"),
            AllowedIdentity::User(glob) => write!(f, "user={glob}"),
        }
    }
}

choice! {
    /// What mutate and validate answer to a fault that counts.
    AdmissionFault, "at mutate and validate a fault is answered with `deny` or `defer`",
    /// HTTP 503: the API server applies the failurePolicy.
    Defer = "defer",
    /// A denial.
    Deny = "deny",
}

choice! {
    /// What authz answers to a fault that counts.
    AuthzFault, "at authz a fault is answered with `auto` or `defer`",
    /// A denial if the policy that faults can deny.
    Auto = "auto",
    /// HTTP 503: the API server applies the failurePolicy.
    Defer = "defer",
}

choice! {
    /// What image answers when no policy judges.
    ImageDefault, "images that no policy judges are answered with `allow` or `deny`",
    /// They may run.
    Allow = "allow",
    /// They may not run.
    Deny = "deny",
}
