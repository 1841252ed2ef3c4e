//! Requests for certificates, whole and damaged, with keys of every kind.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{Attribute, CertificateParams, KeyPair, SanType};

use super::{KINDS, extension, full, leaf};

pub(super) fn texts() -> Result<Vec<String>> {
    let mut texts = Vec::new();
    let mut params = vec![leaf(&[])?, leaf(&["a.example.com"])?, full()?];
    if let Some(full) = params.last_mut() {
        (full.serial_number, full.use_authority_key_identifier_extension) = (None, false);
        full.crl_distribution_points.clear();
        full.subject_alt_names
            .retain(|name| !matches!(name, SanType::URI(_)));
    }
    // The same extension twice.
    let mut double = leaf(&[])?;
    double.custom_extensions = vec![extension(&[1, 2, 3], &[5, 0], false); 2];
    params.push(double);
    for params in &mut params {
        without_times(params);
        for kind in KINDS {
            let request = params.serialize_request(&KeyPair::generate_for(kind)?)?;
            let pem = request.pem()?.replace("\r\n", "\n");
            texts.extend([
                STANDARD.encode(&pem),
                STANDARD.encode(request.der()),
                STANDARD.encode([&request.der()[..], b"x"].concat()),
                STANDARD.encode(pem.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")),
                format!(" {pem}"),
                pem.replace("CERTIFICATE REQUEST", "CERTIFICATE"),
                pem,
            ]);
        }
    }
    // Extensions in two attributes, others and the same.
    for id in [&[1, 2, 4], &[1, 2, 3]] {
        let mut params = leaf(&[])?;
        without_times(&mut params);
        params.custom_extensions = vec![extension(id, &[5, 0], false)];
        let more = Attribute {
            oid: &[1, 2, 840, 113_549, 1, 9, 14],
            values: vec![0x31, 12, 0x30, 10, 0x30, 8, 6, 2, 0x2a, 3, 4, 2, 5, 0],
        };
        let request = params.serialize_request_with_attributes(&KeyPair::generate()?, vec![more])?;
        texts.push(STANDARD.encode(request.der()));
    }
    texts.extend(["", "%", "YQ==", "-----BEGIN CERTIFICATE REQUEST-----"].map(str::to_owned));
    Ok(texts)
}

/// A request says nothing of times.
fn without_times(params: &mut CertificateParams) {
    let none = CertificateParams::default();
    (params.not_before, params.not_after) = (none.not_before, none.not_after);
}
