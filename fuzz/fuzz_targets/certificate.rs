//! Names of client certificates. Certificates are not kept: the input damages one that is made when the run begins, as
//! groups of an offset (two bytes) and what stands there instead (one byte).

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use regate::certs::{Authority, Leaf, Validity};
use regate::fuzzing::client_names;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

fuzz_target!(|input: &[u8]| {
    let mut certificate = made().to_vec();
    for group in input.chunks_exact(3) {
        let offset = usize::from(group[0]) << 8 | usize::from(group[1]);
        let length = certificate.len();
        certificate[offset % length] = group[2];
    }
    let names = client_names(&certificate);
    if input.len() < 3 {
        assert_eq!(names, ["fuzz-client"]);
    }
    for name in names.iter().filter(|name| !name.is_empty()) {
        assert!(
            certificate
                .windows(name.len())
                .any(|part| part == name.as_bytes()),
            "{name:?}"
        );
    }
});

fn made() -> &'static [u8] {
    static MADE: OnceLock<CertificateDer<'static>> = OnceLock::new();
    MADE.get_or_init(|| {
        let validity = Validity::days(1).expect("a day can be counted");
        let authority = Authority::new("fuzz CA", validity.clone()).expect("an authority is made");
        let mut leaf = Leaf::new(validity);
        leaf.common_name = "fuzz-client".to_owned();
        let issued = authority.issue(&leaf).expect("a certificate is made");
        CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("a certificate is PEM")
    })
}
