//! An issuer of OpenID Connect tokens: keys that it makes itself, tokens signed with them, and an https server on loopback
//! that publishes the keys, or does something else that issuers do on bad days.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer as Authority, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, PublicKeyData as _,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::gates::SOON;

/// What the issuer says of itself in its tokens.
pub(crate) const ISSUER: &str = "https://issuer.example";

/// A key that tokens are signed with.
pub(crate) struct Key {
    id: &'static str,
    pair: KeyPair,
}

impl Key {
    /// A new key for ES256.
    pub(crate) fn es256(id: &'static str) -> Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Self { id, pair })
    }

    /// A new key for RS256.
    pub(crate) fn rs256(id: &'static str) -> Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
        Ok(Self { id, pair })
    }

    fn is_rsa(&self) -> bool {
        self.pair.algorithm() == &PKCS_RSA_SHA256
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> Result<String> {
        let algorithm = if self.is_rsa() { "RS256" } else { "ES256" };
        let header = json!({"alg": algorithm, "kid": self.id, "typ": "JWT"});
        let signed = format!(
            "{}.{}",
            URL.encode(header.to_string()),
            URL.encode(claims.to_string())
        );
        let (random, der) = (SystemRandom::new(), self.pair.serialize_der());
        let signature = if self.is_rsa() {
            let key = RsaKeyPair::from_pkcs8(&der)?;
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)?;
            signature
        } else {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)?;
            key.sign(&random, signed.as_bytes())?.as_ref().to_vec()
        };
        Ok(format!("{signed}.{}", URL.encode(signature)))
    }

    /// Its public part.
    fn jwk(&self) -> Result<Value> {
        if !self.is_rsa() {
            let raw = self.pair.der_bytes();
            let half = |from: usize| raw.get(from..from + 32).map(|half| URL.encode(half));
            let (x, y) = half(1).zip(half(33)).context("no point")?;
            return Ok(json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": x, "y": y}));
        }
        let der = self.pair.subject_public_key_info();
        let (_, info) = SubjectPublicKeyInfo::from_der(&der)?;
        let PublicKey::RSA(key) = info.parsed()? else {
            anyhow::bail!("not RSA")
        };
        let number = |bytes: &[u8]| {
            let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
            URL.encode(digits)
        };
        Ok(json!({"kty": "RSA", "kid": self.id, "n": number(key.modulus), "e": number(key.exponent)}))
    }
}

/// What the issuer answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Its keys.
    Keys(String),
    /// Something that is no set of keys.
    Text(String),
    /// Nothing, for as long as somebody waits.
    Nothing,
    /// An end of the connection.
    Gone,
}

/// A running issuer. Dropping it ends it.
pub(crate) struct Issuer {
    shared: Arc<Shared>,
    address: SocketAddr,
    directory: TempDir,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    answer: Mutex<Answer>,
    asked: AtomicU64,
    over: AtomicBool,
}

impl Issuer {
    /// Starts on a free port with a certificate of its own authority.
    pub(crate) fn start(answer: Answer) -> Result<Self> {
        let directory = TempDir::with_prefix("regate-issuer-")?;
        let (config, authority) = certificate()?;
        std::fs::write(directory.path().join("ca.crt"), authority)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            answer: Mutex::new(answer),
            asked: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let seen = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if seen.over.load(Ordering::Relaxed) {
                    break;
                }
                let (seen, config) = (Arc::clone(&seen), Arc::clone(&config));
                // Whoever breaks off wants no answer.
                thread::spawn(move || serve(socket, config, &seen));
            }
        });
        Ok(Self {
            shared,
            address,
            directory,
            thread: Some(thread),
        })
    }

    /// Answers so from now on.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// Publishes these keys from now on.
    pub(crate) fn publishes(&self, keys: &[&Key]) -> Result<()> {
        self.answers(set(keys)?);
        Ok(())
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Where its keys are.
    pub(crate) fn url(&self) -> String {
        format!("https://{}/keys", self.address)
    }

    /// A file beside the certificate of its authority, which is `ca.crt`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The answer that has these keys.
pub(crate) fn set(keys: &[&Key]) -> Result<Answer> {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect::<Result<_>>()?;
    Ok(Answer::Keys(json!({"keys": keys}).to_string()))
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the thread; without a connection there is nothing to wake it for.
        if TcpStream::connect(self.address).is_ok() {
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

/// The TLS of a server on loopback, and the certificate of its authority.
fn certificate() -> Result<(Arc<ServerConfig>, String)> {
    let (authority_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key)?.pem();
    let signer = Authority::new(authority, authority_key);
    let server = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &signer)?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], private)?;
    Ok((Arc::new(config), pem))
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>, shared: &Shared) -> Result<()> {
    socket.set_read_timeout(Some(SOON))?;
    let mut stream = StreamOwned::new(ServerConnection::new(config)?, socket);
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&request).contains("\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        ensure!(read > 0, "it broke off");
        request.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    shared.asked.fetch_add(1, Ordering::Relaxed);
    let answer = shared
        .answer
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let body = match answer {
        Answer::Keys(text) | Answer::Text(text) => text,
        // Until the other side has enough.
        Answer::Nothing => return stream.read(&mut buffer).map(drop).map_err(Into::into),
        Answer::Gone => return Ok(()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}
