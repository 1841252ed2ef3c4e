//! Who may ask, changed in the configuration file while the real binary serves.

use std::fs;
use std::path::PathBuf;

use regate::certs::{Authority, Leaf, Validity};

use crate::pki::Volume;
use crate::process::{Process, soon};
use crate::server_process::admission;
use crate::serving::{Client, Options};

/// A configuration with these callers, and with more.
fn config(callers: &str, more: &str) -> String {
    format!(
        "apiVersion: regate.dev/v1alpha1\nkind: ServerConfiguration\n\
         gates: {{authn: {{enabled: false}}, image: {{enabled: false}}, mutate: {{enabled: false}}}}\n\
         callers:\n  clientCA: clients.crt\n{callers}{more}"
    )
}

fn allowing(names: &str) -> String {
    config(&format!("  allowClients: [{names}]\n"), "")
}

/// A server of validate and authz with a configuration file, and an authority that it trusts.
struct Configured {
    process: Process,
    authority: Authority,
}

impl Configured {
    fn start(text: &str, arguments: &[&str]) -> Self {
        let authority = Authority::new("clients", Validity::days(1).unwrap()).unwrap();
        let files = [("clients.crt", authority.pem()), ("regate.yaml", text.to_owned())];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let arguments = [&["--config", "regate.yaml"], arguments].concat();
        Self {
            process: Process::start(&files, &arguments),
            authority,
        }
    }

    /// A connection of a client with this name.
    fn client(&self, name: &str) -> Client {
        let leaf = Leaf {
            common_name: name.to_owned(),
            usages: vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth],
            ..Leaf::new(Validity::days(1).unwrap())
        };
        let issued = self.authority.issue(&leaf).unwrap();
        self.process.connect(&Options {
            identity: Some((issued.certificate, issued.key)),
            ..Options::default()
        })
    }

    fn file(&self) -> PathBuf {
        self.process.path("regate.yaml")
    }

    /// Replaces the file, and waits until so many changes of the event are told.
    fn write(&self, text: &str, event: &str, count: usize) {
        fs::write(self.file(), text).unwrap();
        self.told(event, count);
    }

    fn told(&self, event: &str, count: usize) {
        soon(event, || {
            (self.process.events(event).len() == count).then_some(())
        });
    }

    /// What the last event of a kind says.
    fn says(&self, event: &str, field: &str) -> String {
        let events = self.process.events(event);
        events.last().unwrap()[field].as_str().unwrap().to_owned()
    }
}

fn status(client: &mut Client, gate: &str) -> u16 {
    client.post(&format!("/v1/{gate}"), admission("u-1", "")).status
}

/// What a client with a new connection is answered.
fn validate(server: &Configured, name: &str) -> u16 {
    status(&mut server.client(name), "validate")
}

#[test]
fn open_connections_are_judged_by_the_names_of_now() {
    let server = Configured::start(&allowing("first"), &[]);
    let (mut first, mut second) = (server.client("first"), server.client("second"));
    assert_eq!(status(&mut first, "validate"), 200);
    server.write(&allowing("first, second"), "config_loaded", 1);
    assert_eq!(status(&mut first, "validate"), 200);
    assert_eq!(status(&mut second, "validate"), 200);
    server.write(&allowing("validate=second, authz=third"), "config_loaded", 2);
    assert_eq!(status(&mut first, "validate"), 401);
    assert_eq!(status(&mut second, "validate"), 200);
    assert_eq!(status(&mut second, "authz"), 401);
    assert_eq!(server.process.events("config_needs_restart").len(), 0);
    assert_eq!(server.process.events("config_rejected").len(), 0);
}

#[test]
fn a_swapped_volume_is_a_changed_file() {
    let text = allowing("first");
    let server = Configured::start(&text, &[]);
    let path = server.process.path("volume");
    let mut volume = Volume::new(&path, &["regate.yaml"], &[("regate.yaml", text.as_bytes())]);
    // The file becomes a link into the volume.
    fs::remove_file(server.file()).unwrap();
    std::os::unix::fs::symlink("volume/regate.yaml", server.file()).unwrap();
    for (number, name) in ["second", "third"].into_iter().enumerate() {
        volume.publish(&[("regate.yaml", allowing(name).as_bytes())]);
        soon("the names are taken over", || {
            (validate(&server, name) == 200).then_some(number)
        });
        assert_eq!(validate(&server, "first"), 401);
    }
}

#[test]
fn a_file_that_cannot_be_used_leaves_the_names_as_they_were() {
    let server = Configured::start(&allowing("first"), &[]);
    let mut first = server.client("first");
    let bad = [
        ("{", "regate.yaml"),
        ("", "not a configuration"),
        (&allowing(""), "--client-ca without --allow-client"),
        (&allowing("authz=first"), "nobody may ask validate"),
        (
            &config(
                "  allowClients: [validate=first, first]\n  insecureAllowAnonymous: [validate]\n",
                "",
            ),
            "a gate that anyone may ask needs no name",
        ),
        (
            &allowing("first").replace("clients.crt", "others.crt"),
            "callers.clientCA",
        ),
        (&config("  allowClients: [second]\n", "unknown: 1\n"), "unknown"),
    ];
    for (number, (text, reason)) in bad.iter().enumerate() {
        server.write(text, "config_rejected", number + 1);
        let error = server.says("config_rejected", "error");
        assert!(error.contains(reason), "{error}");
        assert_eq!(status(&mut first, "validate"), 200, "{text}");
        assert_eq!(validate(&server, "second"), 401, "{text}");
    }
    fs::remove_file(server.file()).unwrap();
    server.told("config_rejected", bad.len() + 1);
    let error = server.says("config_rejected", "error");
    assert!(
        error.ends_with("No such file or directory (os error 2)"),
        "{error}"
    );
    assert_eq!(status(&mut first, "validate"), 200);
    assert_eq!(server.process.events("config_loaded").len(), 0);

    server.write(&allowing("second"), "config_loaded", 1);
    assert_eq!(status(&mut first, "validate"), 401);
}

#[test]
fn no_gate_becomes_open_and_what_else_changed_is_told_once() {
    let server = Configured::start(&allowing("first"), &[]);
    let open = config(
        "  allowClients: [authz=second]\n  insecureAllowAnonymous: [validate]\n",
        "limits: {deadline: 1s}\n",
    );
    server.write(&open, "config_needs_restart", 1);
    assert_eq!(
        server.says("config_needs_restart", "keys"),
        "callers.insecureAllowAnonymous, limits.deadline"
    );
    assert_eq!(validate(&server, "first"), 200);
    assert_eq!(server.process.client().post("/v1/validate", "{}").status, 401);
    assert_eq!(status(&mut server.client("second"), "authz"), 400);
    assert_eq!(status(&mut server.client("first"), "authz"), 401);
    server.write(&open.replace("second", "third"), "config_loaded", 2);
    server.write(&allowing("first"), "config_loaded", 3);
    assert_eq!(server.process.events("config_needs_restart").len(), 1);
}

#[test]
fn names_of_the_command_line_win_as_at_start() {
    let server = Configured::start(&allowing("file"), &["--allow-client", "flag"]);
    let mut flag = server.client("flag");
    server.write(&allowing("other"), "config_loaded", 1);
    assert_eq!(status(&mut flag, "validate"), 200);
    for name in ["file", "other"] {
        assert_eq!(validate(&server, name), 401, "{name}");
    }
}
