//! Which files a request gives, and the two of them that are for people: the flags and the way back.

use serde::Serialize;

use super::admission::{self, NAME};
use super::apiserver::{self, AdmissionKubeconfigs, utf8};
use super::cut::cuts;
use super::request::{AdmissionFailure, AuthzFailure, Error, Request, Target};
use super::rules;
use crate::gate::Gate;

/// A file's name and its content.
pub type File = (&'static str, String);

const ADMISSION: &str = "admission.yaml";
const ADMISSION_KUBECONFIG: &str = "admission.kubeconfig";
const AUTHN_KUBECONFIG: &str = "authn.kubeconfig";
const AUTHZ: &str = "authz.yaml";
const AUTHZ_KUBECONFIG: &str = "authz.kubeconfig";
const FLAGS: &str = "kube-apiserver.flags";
const IMAGE_KUBECONFIG: &str = "image.kubeconfig";
const MUTATING: &str = "mutating.yaml";
const VALIDATING: &str = "validating.yaml";
/// The script that takes the registration back.
pub(super) const UNDO: &str = "undo.sh";

/// Writes all files that the request's gates need; nothing is read and nothing is stored.
pub fn render(request: &Request) -> Result<Vec<File>, Error> {
    if request.gates.is_empty() {
        return Err(Error::NoGate);
    }
    let mut files = Vec::new();
    let mut flags = Vec::new();
    if request.gates.contains(&Gate::Validate) {
        files.push((VALIDATING, yaml(VALIDATING, &admission::validating(request))?));
    }
    if request.gates.contains(&Gate::Mutate) {
        files.push((MUTATING, yaml(MUTATING, &admission::mutating(request))?));
    }
    if request.gates.contains(&Gate::Authn) {
        files.push(kubeconfig(request, Gate::Authn, AUTHN_KUBECONFIG)?);
        let path = installed(request, AUTHN_KUBECONFIG)?;
        flags.push(format!("--authentication-token-webhook-config-file={path}"));
        flags.push("--authentication-token-webhook-version=v1".to_owned());
        flags.push("--authentication-token-webhook-cache-ttl=10s".to_owned());
    }
    if request.gates.contains(&Gate::Authz) {
        files.push(kubeconfig(request, Gate::Authz, AUTHZ_KUBECONFIG)?);
        let configuration = apiserver::authorization(request, installed(request, AUTHZ_KUBECONFIG)?);
        files.push((AUTHZ, yaml(AUTHZ, &configuration)?));
        flags.push(format!("--authorization-config={}", installed(request, AUTHZ)?));
    }
    if request.gates.contains(&Gate::Image) {
        files.push(kubeconfig(request, Gate::Image, IMAGE_KUBECONFIG)?);
        flags.push("--enable-admission-plugins=ImagePolicyWebhook".to_owned());
    }
    if let Some(kubeconfigs) = admission_kubeconfigs(request, &mut files)? {
        files.push((
            ADMISSION,
            yaml(ADMISSION, &apiserver::admission(request, kubeconfigs))?,
        ));
        flags.push(format!(
            "--admission-control-config-file={}",
            installed(request, ADMISSION)?
        ));
    }
    files.push((FLAGS, flags_file(request, &flags)));
    files.push((UNDO, undo(request, &flags)));
    Ok(files)
}

/// What the operator should know before the files are used.
pub fn warnings(request: &Request) -> Vec<String> {
    let mut warnings = rules::warnings(request.admission());
    warnings.extend(cuts(request).partly);
    for gate in request.gates.difference(&request.registered.gates) {
        warnings.push(format!("no policy for {gate}: it is registered all the same"));
    }
    if request.gates.contains(&Gate::Authz) {
        match request.authz_failure() {
            AuthzFailure::Deny => warnings.push(
                "authz=Deny: while Regate is down, kube-apiserver refuses everyone but the exempt identities"
                    .to_owned(),
            ),
            AuthzFailure::NoOpinion if request.registered.authz_has_deny => warnings.push(
                "authz=NoOpinion: while Regate is down, nothing that authz policies deny is denied"
                    .to_owned(),
            ),
            AuthzFailure::NoOpinion => {}
        }
    }
    for (gate, failure) in [
        (Gate::Mutate, request.mutate_failure()),
        (Gate::Validate, request.validate_failure()),
    ] {
        if request.gates.contains(&gate) && failure == AdmissionFailure::Ignore {
            warnings.push(format!(
                "{gate}=Ignore: while Regate is down, everything passes {gate}"
            ));
        }
    }
    if request.client.is_none() {
        warnings.push(
            "no --client-cert: Regate answers only where it runs with --insecure-allow-anonymous".to_owned(),
        );
    }
    warnings
}

fn yaml(file: &'static str, document: &impl Serialize) -> Result<String, Error> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(document, options).map_err(|error| Error::Yaml {
        file,
        reason: error.to_string(),
    })
}

/// Where kube-apiserver finds a file.
fn installed(request: &Request, name: &str) -> Result<String, Error> {
    utf8(&request.install_dir.join(name))
}

fn kubeconfig(request: &Request, gate: Gate, name: &'static str) -> Result<File, Error> {
    let Target::Url(url) = &request.target else {
        return Err(Error::ByService { gate });
    };
    Ok((name, yaml(name, &apiserver::kubeconfig(request, url, gate)?)?))
}

/// The kubeconfigs of admission's plugins, if one of them needs any.
fn admission_kubeconfigs(
    request: &Request,
    files: &mut Vec<File>,
) -> Result<Option<AdmissionKubeconfigs>, Error> {
    let has = |gate| request.gates.contains(&gate);
    let mut webhooks = None;
    if let Some(client) = request
        .client
        .as_ref()
        .filter(|_| has(Gate::Mutate) || has(Gate::Validate))
    {
        let kubeconfig = apiserver::admission_kubeconfig(&request.target, client)?;
        files.push((ADMISSION_KUBECONFIG, yaml(ADMISSION_KUBECONFIG, &kubeconfig)?));
        webhooks = Some(installed(request, ADMISSION_KUBECONFIG)?);
    }
    let image = has(Gate::Image)
        .then(|| installed(request, IMAGE_KUBECONFIG))
        .transpose()?;
    if image.is_none() && webhooks.is_none() {
        return Ok(None);
    }
    Ok(Some(AdmissionKubeconfigs { image, webhooks }))
}

fn flags_file(request: &Request, flags: &[String]) -> String {
    let mut text = String::from("# Flags of kube-apiserver that register Regate, one per line.\n");
    if request.gates.contains(&Gate::Authz) {
        text.push_str(
            "# Remove --authorization-mode and every --authorization-webhook-* flag: --authorization-config stands\n\
             # for them, and kube-apiserver does not start with both.\n",
        );
    }
    if request.gates.contains(&Gate::Authn) {
        text.push_str("# These take the place of every other --authentication-token-webhook-* flag.\n");
    }
    if request.gates.contains(&Gate::Image) {
        text.push_str(
            "# If --enable-admission-plugins is there already, add ImagePolicyWebhook to its list.\n",
        );
    }
    for flag in flags {
        text.push_str(flag);
        text.push('\n');
    }
    text
}

/// A script that needs Regate for nothing: the API server asks no webhook about webhook configurations.
fn undo(request: &Request, flags: &[String]) -> String {
    let mut text = String::from(
        "#!/bin/sh\n\
         # Takes the registration of Regate back, also while Regate is down.\n\
         # Where Regate decides on authorization, run it as a member of system:masters.\n\
         set -eu\n",
    );
    for (gate, kind) in [
        (Gate::Validate, "validatingwebhookconfiguration"),
        (Gate::Mutate, "mutatingwebhookconfiguration"),
    ] {
        if request.gates.contains(&gate) {
            text.push_str(&format!(
                "\"${{KUBECTL:-kubectl}}\" delete {kind} {NAME} --ignore-not-found\n"
            ));
        }
    }
    if !flags.is_empty() {
        text.push_str("cat <<'END'\nTake these flags out of kube-apiserver:\n");
        for flag in flags {
            text.push_str(&format!("  {flag}\n"));
        }
        if request.gates.contains(&Gate::Authz) {
            text.push_str(
                "and put back what it had for authorization, usually --authorization-mode=Node,RBAC\n",
            );
        }
        text.push_str("END\n");
    }
    text
}
