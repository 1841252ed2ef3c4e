//! Keys and certificates of every kind, made when a test needs them, and volumes in which they are swapped.
//!
//! Used by the tests of the server's own certificates and of those of its callers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Signs certificates.
pub(crate) type Issuer = CertifiedIssuer<'static, KeyPair>;

/// What a certificate says: this common name, from an hour ago for a hundred days.
pub(crate) fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let now = SystemTime::now();
    params.not_before = (now - HOUR).into();
    params.not_after = (now + 2400 * HOUR).into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// What an authority's certificate says.
pub(crate) fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = params(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// An authority that nobody signed but itself.
pub(crate) fn root(params: CertificateParams) -> Issuer {
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An authority that another one signed.
pub(crate) fn intermediate(params: CertificateParams, issuer: &Issuer) -> Issuer {
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
}

/// Keys in the forms in which they are stored, and how the certificate was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    P256,
    P256Sec1,
    P384,
    Ed25519,
    Rsa,
    RsaPkcs1,
    /// By an authority between.
    Chain,
}

impl Form {
    pub(crate) const ALL: [Form; 7] = [
        Form::P256,
        Form::RsaPkcs1,
        Form::P384,
        Form::Chain,
        Form::Ed25519,
        Form::P256Sec1,
        Form::Rsa,
    ];
}

/// A serving certificate and its key, as their files hold them.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Pair {
    /// One for this machine, that holds as long as `params` says.
    pub(crate) fn issue(form: Form, mut params: CertificateParams, root: &Issuer) -> Self {
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        let algorithm = match form {
            Form::P256 | Form::P256Sec1 | Form::Chain => &PKCS_ECDSA_P256_SHA256,
            Form::P384 => &PKCS_ECDSA_P384_SHA384,
            Form::Ed25519 => &PKCS_ED25519,
            Form::Rsa | Form::RsaPkcs1 => &PKCS_RSA_SHA256,
        };
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = if form == Form::Chain {
            let between = intermediate(authority_params("between"), root);
            params.signed_by(&key, &between).unwrap().pem() + &between.pem()
        } else {
            params.signed_by(&key, root).unwrap().pem()
        };
        let key = match form {
            Form::P256Sec1 => pem("EC PRIVATE KEY", inner_key(&key.serialize_der())),
            Form::RsaPkcs1 => pem("RSA PRIVATE KEY", inner_key(&key.serialize_der())),
            _ => key.serialize_pem(),
        };
        Self { certificate, key }
    }

    /// A valid one with a P-256 key.
    pub(crate) fn new(root: &Issuer) -> Self {
        Self::issue(Form::P256, params("server"), root)
    }

    /// What a client is shown first.
    pub(crate) fn leaf(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    /// The files of a volume.
    pub(crate) fn files(&self) -> [(&'static str, &[u8]); 2] {
        [
            ("tls.crt", self.certificate.as_bytes()),
            ("tls.key", self.key.as_bytes()),
        ]
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

/// The key of its kind's own form that a PKCS #8 document wraps: version, algorithm, and then it.
fn inner_key(document: &[u8]) -> &[u8] {
    let (content, _) = value(document);
    let (_, rest) = value(content);
    let (_, rest) = value(rest);
    value(rest).0
}

/// The content of the first value of DER, and what follows it.
fn value(der: &[u8]) -> (&[u8], &[u8]) {
    let (start, length) = match der[1] {
        short @ ..0x80 => (2, usize::from(short)),
        long => {
            let bytes = usize::from(long - 0x80);
            let length = der[2..2 + bytes].iter();
            (
                2 + bytes,
                length.fold(0, |length, byte| length << 8 | usize::from(*byte)),
            )
        }
    };
    der[start..].split_at(length)
}

/// A directory whose content is swapped as the kubelet does it for mounted Secrets.
pub(crate) struct Volume {
    pub(crate) path: PathBuf,
    version: usize,
}

impl Volume {
    /// A volume with these files. Links lead to those that may come later: `names`.
    pub(crate) fn new(path: &Path, names: &[&str], files: &[(&str, &[u8])]) -> Self {
        fs::create_dir_all(path).unwrap();
        let mut volume = Self {
            path: path.to_owned(),
            version: 0,
        };
        volume.publish(files);
        for name in names {
            symlink(format!("..data/{name}"), path.join(name)).unwrap();
        }
        volume
    }

    /// Puts other files in place of all that are there, in one step.
    pub(crate) fn publish(&mut self, files: &[(&str, &[u8])]) {
        self.publish_and(files, |_| {});
    }

    /// The same, and what `more` makes in the directory.
    pub(crate) fn publish_and(&mut self, files: &[(&str, &[u8])], more: impl FnOnce(&Path)) {
        let old = fs::read_link(self.path.join("..data"));
        self.version += 1;
        let new = format!("..{}", self.version);
        fs::create_dir(self.path.join(&new)).unwrap();
        for (name, bytes) in files {
            fs::write(self.path.join(&new).join(name), bytes).unwrap();
        }
        more(&self.path.join(&new));
        symlink(&new, self.path.join("..data_tmp")).unwrap();
        fs::rename(self.path.join("..data_tmp"), self.path.join("..data")).unwrap();
        if let Ok(old) = old {
            fs::remove_dir_all(self.path.join(old)).unwrap();
        }
    }
}
