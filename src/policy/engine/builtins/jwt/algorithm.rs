//! The algorithms that tokens are signed with, by the names of RFC 7518 and RFC 8037.

use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};

/// An algorithm for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    Hs256,
    Hs384,
    Hs512,
    EdDsa,
}

/// What a key has to be for an algorithm.
pub(super) enum Family {
    Rsa(&'static RsaParameters),
    Es256,
    Es384,
    Es512,
    Ed25519,
    Hmac(aws_lc_rs::hmac::Algorithm),
}

impl Algorithm {
    /// The algorithm of this name; `none` is none.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Algorithm::Rs256,
            "RS384" => Algorithm::Rs384,
            "RS512" => Algorithm::Rs512,
            "PS256" => Algorithm::Ps256,
            "PS384" => Algorithm::Ps384,
            "PS512" => Algorithm::Ps512,
            "ES256" => Algorithm::Es256,
            "ES384" => Algorithm::Es384,
            "ES512" => Algorithm::Es512,
            "HS256" => Algorithm::Hs256,
            "HS384" => Algorithm::Hs384,
            "HS512" => Algorithm::Hs512,
            "EdDSA" => Algorithm::EdDsa,
            _ => return None,
        })
    }

    pub(super) fn family(self) -> Family {
        match self {
            Algorithm::Rs256 => Family::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => Family::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => Family::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => Family::Rsa(&RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => Family::Rsa(&RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => Family::Rsa(&RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 => Family::Es256,
            Algorithm::Es384 => Family::Es384,
            Algorithm::Es512 => Family::Es512,
            Algorithm::Hs256 => Family::Hmac(HMAC_SHA256),
            Algorithm::Hs384 => Family::Hmac(HMAC_SHA384),
            Algorithm::Hs512 => Family::Hmac(HMAC_SHA512),
            Algorithm::EdDsa => Family::Ed25519,
        }
    }
}
