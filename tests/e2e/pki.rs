//! The control plane's own certificates: a CA, the API server's serving certificate, client certificates of the
//! administrator and of carol, who is nobody special, and the key of service accounts. Made anew for every run, written below a temporary directory.
//! Regate's own certificates are not made here: `regate cert` makes them, as a user would.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Where the files of a control plane's certificates are.
#[derive(Debug)]
pub(crate) struct Pki {
    directory: PathBuf,
}

impl Pki {
    /// Makes all keys and certificates and writes them to `directory`.
    pub(crate) fn create(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let pki = Self {
            directory: directory.to_owned(),
        };
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        authority
            .distinguished_name
            .push(DnType::CommonName, "control plane of the tests");
        pki.write("ca.crt", &authority.self_signed(&authority_key)?.pem())?;
        let issuer = Issuer::new(authority, authority_key);

        let mut server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        server
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        pki.issue("apiserver", &server, &issuer)?;

        for (name, group) in [("admin", "system:masters"), ("carol", "holders of certificates")] {
            let mut client = CertificateParams::new(Vec::new())?;
            client.distinguished_name.push(DnType::CommonName, name);
            client.distinguished_name.push(DnType::OrganizationName, group);
            client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            pki.issue(name, &client, &issuer)?;
        }

        let service_accounts = KeyPair::generate()?;
        pki.write("sa.key", &service_accounts.serialize_pem())?;
        pki.write("sa.pub", &service_accounts.public_key_pem())?;
        Ok(pki)
    }

    /// The path of one of the files: `ca.crt`, `apiserver.crt`, `apiserver.key`, `admin.crt`, `admin.key`,
    /// `carol.crt`, `carol.key`, `sa.key`, `sa.pub`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn issue(&self, name: &str, params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<()> {
        let key = KeyPair::generate()?;
        self.write(&format!("{name}.crt"), &params.signed_by(&key, issuer)?.pem())?;
        self.write(&format!("{name}.key"), &key.serialize_pem())
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.file(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }
}
