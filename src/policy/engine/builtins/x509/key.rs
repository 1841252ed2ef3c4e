//! Public keys of certificates, and the signatures that they verify.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use regorus::Value;

use super::der::{Der, Oid, SEQUENCE, group};
use super::value::{bytes, object, unsigned};

/// An algorithm and its parameters, as they were encoded.
pub(super) struct Algorithm<'a> {
    id: Oid,
    parameters: &'a [u8],
}

impl<'a> Algorithm<'a> {
    pub(super) fn read(mut der: Der<'a>) -> Option<Self> {
        let id = der.oid()?;
        let parameters = match der.is_empty() {
            true => &[][..],
            false => der.any()?.whole,
        };
        Some(Self { id, parameters })
    }
}

/// How a certificate is signed; as numbers they are Go's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    Unknown = 0,
    Md5Rsa = 2,
    Sha1Rsa = 3,
    Sha256Rsa = 4,
    Sha384Rsa = 5,
    Sha512Rsa = 6,
    Sha1Dsa = 7,
    Sha256Dsa = 8,
    Sha1Ecdsa = 9,
    Sha256Ecdsa = 10,
    Sha384Ecdsa = 11,
    Sha512Ecdsa = 12,
    Sha256Pss = 13,
    Sha384Pss = 14,
    Sha512Pss = 15,
    Ed25519 = 16,
}

impl Signature {
    pub(super) fn of(algorithm: &Algorithm<'_>) -> Self {
        match *algorithm.id {
            [1, 2, 840, 113_549, 1, 1, 4] => Self::Md5Rsa,
            [1, 2, 840, 113_549, 1, 1, 5] | [1, 3, 14, 3, 2, 29] => Self::Sha1Rsa,
            [1, 2, 840, 113_549, 1, 1, 10] => pss(Der(algorithm.parameters)).unwrap_or(Self::Unknown),
            [1, 2, 840, 113_549, 1, 1, 11] => Self::Sha256Rsa,
            [1, 2, 840, 113_549, 1, 1, 12] => Self::Sha384Rsa,
            [1, 2, 840, 113_549, 1, 1, 13] => Self::Sha512Rsa,
            [1, 2, 840, 10_040, 4, 3] => Self::Sha1Dsa,
            [2, 16, 840, 1, 101, 3, 4, 3, 2] => Self::Sha256Dsa,
            [1, 2, 840, 10_045, 4, 1] => Self::Sha1Ecdsa,
            [1, 2, 840, 10_045, 4, 3, 2] => Self::Sha256Ecdsa,
            [1, 2, 840, 10_045, 4, 3, 3] => Self::Sha384Ecdsa,
            [1, 2, 840, 10_045, 4, 3, 4] => Self::Sha512Ecdsa,
            [1, 3, 101, 112] if algorithm.parameters.is_empty() => Self::Ed25519,
            _ => Self::Unknown,
        }
    }
}

/// The parameters of RSA-PSS, of which only those are known in which all digests are the same.
fn pss(mut der: Der<'_>) -> Option<Signature> {
    let mut all = der.take(SEQUENCE)?;
    let digest = |mut der: Der<'_>| {
        let algorithm = Algorithm::read(der.take(SEQUENCE)?)?;
        [&[][..], &[5, 0]]
            .contains(&algorithm.parameters)
            .then_some(algorithm.id)
    };
    let hash = digest(all.take(group(0))?)?;
    let mask = Algorithm::read(all.take(group(1))?.take(SEQUENCE)?)?;
    let salt = all.take(group(2))?.small_integer()?;
    let trailer = match all.optional(group(3))? {
        Some(mut trailer) => trailer.small_integer()?,
        None => 1,
    };
    let is_mask = mask.id == [1, 2, 840, 113_549, 1, 1, 8] && digest(Der(mask.parameters))? == hash;
    (is_mask && trailer == 1).then_some(())?;
    match (&*hash, salt) {
        ([2, 16, 840, 1, 101, 3, 4, 2, 1], 32) => Some(Signature::Sha256Pss),
        ([2, 16, 840, 1, 101, 3, 4, 2, 2], 48) => Some(Signature::Sha384Pss),
        ([2, 16, 840, 1, 101, 3, 4, 2, 3], 64) => Some(Signature::Sha512Pss),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P224,
    P256,
    P384,
    P521,
}

impl Curve {
    fn of(mut der: Der<'_>) -> Option<Self> {
        match *der.oid()? {
            [1, 3, 132, 0, 33] => Some(Self::P224),
            [1, 2, 840, 10_045, 3, 1, 7] => Some(Self::P256),
            [1, 3, 132, 0, 34] => Some(Self::P384),
            [1, 3, 132, 0, 35] => Some(Self::P521),
            _ => None,
        }
    }

    /// The two numbers of a point of the curve.
    fn point(self, data: &[u8]) -> Option<(&[u8], &[u8])> {
        let (length, algorithm): (_, Option<&'static dyn VerificationAlgorithm>) = match self {
            // No signatures are verified on this one, so that nothing comes of a point beside it.
            Self::P224 => (28, None),
            Self::P256 => (32, Some(&ECDSA_P256_SHA256_ASN1)),
            Self::P384 => (48, Some(&ECDSA_P384_SHA384_ASN1)),
            Self::P521 => (66, Some(&ECDSA_P521_SHA512_ASN1)),
        };
        let (&form, numbers) = data.split_first()?;
        let is_on_curve = algorithm.is_none_or(|algorithm| ParsedPublicKey::new(algorithm, data).is_ok());
        (form == 4 && numbers.len() == 2 * length && is_on_curve).then_some(())?;
        numbers.split_at_checked(length)
    }
}

/// A public key.
pub(super) enum Key<'a> {
    Rsa {
        /// As PKCS #1 has it.
        whole: &'a [u8],
        modulus: &'a [u8],
        exponent: i64,
    },
    Dsa {
        /// P, Q, G and Y.
        numbers: [&'a [u8]; 4],
    },
    Elliptic {
        curve: Curve,
        data: &'a [u8],
        x: &'a [u8],
        y: &'a [u8],
    },
    Ed25519(&'a [u8]),
    /// Of a kind that nothing is read of.
    Unknown,
}

impl<'a> Key<'a> {
    /// Reads a key in its frame, and gives the frame as well.
    pub(super) fn read(der: &mut Der<'a>) -> Option<(&'a [u8], Self)> {
        let element = der.element(SEQUENCE)?;
        let mut content = element.content;
        let algorithm = Algorithm::read(content.take(SEQUENCE)?)?;
        let bits = content.bits()?;
        let key = match bits.whole_bytes() {
            Some(data) => Self::of(&algorithm, data)?,
            // All kinds that are read are of whole bytes.
            None => Self::of(&algorithm, &[]).filter(|key| matches!(key, Self::Unknown))?,
        };
        Some((element.whole, key))
    }

    fn of(algorithm: &Algorithm<'a>, data: &'a [u8]) -> Option<Self> {
        match *algorithm.id {
            [1, 2, 840, 113_549, 1, 1, 1] => {
                let mut numbers = Der(data).take(SEQUENCE)?;
                let (modulus, exponent) = (positive(numbers.integer()?)?, numbers.small_integer()?);
                (algorithm.parameters == [5, 0] && exponent > 0).then_some(())?;
                Some(Self::Rsa {
                    whole: data,
                    modulus,
                    exponent,
                })
            }
            [1, 2, 840, 10_040, 4, 1] => {
                let y = positive(Der(data).integer()?)?;
                let mut parameters = Der(algorithm.parameters).take(SEQUENCE)?;
                let mut next = || positive(parameters.integer()?);
                let numbers = [next()?, next()?, next()?, y];
                Some(Self::Dsa { numbers })
            }
            [1, 2, 840, 10_045, 2, 1] => {
                let curve = Curve::of(Der(algorithm.parameters))?;
                let (x, y) = curve.point(data)?;
                Some(Self::Elliptic { curve, data, x, y })
            }
            [1, 3, 101, 112] => {
                let is_plain = algorithm.parameters.is_empty() && data.len() == 32;
                is_plain.then_some(Self::Ed25519(data))
            }
            _ => Some(Self::Unknown),
        }
    }

    /// Go's number of its kind.
    pub(super) const fn kind(&self) -> u64 {
        match self {
            Self::Unknown => 0,
            Self::Rsa { .. } => 1,
            Self::Dsa { .. } => 2,
            Self::Elliptic { .. } => 3,
            Self::Ed25519(_) => 4,
        }
    }

    /// What a policy reads of it; `None` for numbers that are too long.
    pub(super) fn value(&self) -> Option<Value> {
        Some(match self {
            Self::Rsa {
                modulus, exponent, ..
            } => object([("N", unsigned(modulus)?), ("E", Value::from(*exponent))]),
            Self::Dsa {
                numbers: [p, q, g, y],
            } => object([
                ("P", unsigned(p)?),
                ("Q", unsigned(q)?),
                ("G", unsigned(g)?),
                ("Y", unsigned(y)?),
            ]),
            Self::Elliptic { x, y, .. } => {
                object([("Curve", object([])), ("X", unsigned(x)?), ("Y", unsigned(y)?)])
            }
            Self::Ed25519(key) => bytes(key),
            Self::Unknown => Value::Null,
        })
    }

    /// Whether `signature` is one of `message` by this key. None is where the digest is MD5 or SHA-1, where the key is
    /// of another kind than the signature, and where it is too short.
    pub(super) fn verifies(&self, algorithm: Signature, message: &[u8], signature: &[u8]) -> bool {
        let Some((algorithm, key)) = self.verifier(algorithm) else {
            return false;
        };
        UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .is_ok()
    }

    fn verifier(&self, algorithm: Signature) -> Option<(&'static dyn VerificationAlgorithm, &'a [u8])> {
        let verifier: &'static dyn VerificationAlgorithm = match (self, algorithm) {
            (Self::Rsa { .. }, Signature::Sha256Rsa) => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            (Self::Rsa { .. }, Signature::Sha384Rsa) => &RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa { .. }, Signature::Sha512Rsa) => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            (Self::Rsa { .. }, Signature::Sha256Pss) => &RSA_PSS_2048_8192_SHA256,
            (Self::Rsa { .. }, Signature::Sha384Pss) => &RSA_PSS_2048_8192_SHA384,
            (Self::Rsa { .. }, Signature::Sha512Pss) => &RSA_PSS_2048_8192_SHA512,
            (Self::Elliptic { curve, .. }, _) => match (curve, algorithm) {
                (Curve::P256, Signature::Sha256Ecdsa) => &ECDSA_P256_SHA256_ASN1,
                (Curve::P256, Signature::Sha384Ecdsa) => &ECDSA_P256_SHA384_ASN1,
                (Curve::P256, Signature::Sha512Ecdsa) => &ECDSA_P256_SHA512_ASN1,
                (Curve::P384, Signature::Sha256Ecdsa) => &ECDSA_P384_SHA256_ASN1,
                (Curve::P384, Signature::Sha384Ecdsa) => &ECDSA_P384_SHA384_ASN1,
                (Curve::P384, Signature::Sha512Ecdsa) => &ECDSA_P384_SHA512_ASN1,
                (Curve::P521, Signature::Sha256Ecdsa) => &ECDSA_P521_SHA256_ASN1,
                (Curve::P521, Signature::Sha384Ecdsa) => &ECDSA_P521_SHA384_ASN1,
                (Curve::P521, Signature::Sha512Ecdsa) => &ECDSA_P521_SHA512_ASN1,
                _ => return None,
            },
            (Self::Ed25519(_), Signature::Ed25519) => &ED25519,
            _ => return None,
        };
        match self {
            Self::Rsa { whole: key, .. } | Self::Elliptic { data: key, .. } | Self::Ed25519(key) => {
                Some((verifier, key))
            }
            Self::Dsa { .. } | Self::Unknown => None,
        }
    }
}

/// An integer above zero.
fn positive(bytes: &[u8]) -> Option<&[u8]> {
    let is_positive = bytes.first()? & 0x80 == 0 && bytes != [0];
    is_positive.then_some(bytes)
}
