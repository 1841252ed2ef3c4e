//! Authorities of callers that change while the server serves: who is let in then, also on open connections.

use super::*;

/// A caller's certificate and key.
fn caller(ca: &Issuer) -> Options {
    let mut params = params("apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    Options {
        identity: Some((certificate.pem(), key.serialize_pem())),
        ..Options::default()
    }
}

fn status(client: &mut Client) -> u16 {
    client.post("/v1/validate", "{}").status
}

#[test]
fn open_connections_are_judged_by_the_authorities_of_now() {
    let (old, new) = (
        root(authority_params("callers")),
        root(authority_params("callers")),
    );
    let mut swapped = Swapped::start(Some(&old.pem()));
    let shown = swapped.shown();
    let mut callers = [old, new].map(|ca| {
        let client = swapped.connect(&caller(&ca)).unwrap();
        (ca, client)
    });
    let [first, second] = &mut callers;
    assert_eq!(status(&mut first.1), 200);

    // The serving pair beside it is broken all the time, and none of its business.
    let both = first.0.pem() + &second.0.pem();
    let publish = |volume: &mut Volume, ca: &str| {
        volume.publish(&[
            ("tls.crt", b"".as_slice()),
            ("tls.key", b"".as_slice()),
            ("ca.crt", ca.as_bytes()),
        ]);
    };
    publish(&mut swapped.volume, &both);
    soon("both are trusted", || {
        (swapped.reloads("client_ca", "success") == 1).then_some(())
    });
    assert_eq!(status(&mut first.1), 200);
    assert_eq!(status(&mut second.1), 200);

    publish(&mut swapped.volume, &second.0.pem());
    soon("only the second is trusted", || {
        (swapped.reloads("client_ca", "success") == 2).then_some(())
    });
    assert_eq!(status(&mut first.1), 401);
    assert_eq!(status(&mut second.1), 200);

    for (number, bad) in ["", "garbage", &Pair::new(&swapped.root).certificate]
        .into_iter()
        .enumerate()
    {
        publish(&mut swapped.volume, bad);
        swapped.soon_refused("client_ca", number as u64 + 1);
        assert_eq!(status(&mut second.1), 200, "{bad}");
    }
    assert_eq!(swapped.reloads("serving", "failure"), 1);
    assert_eq!(swapped.shown(), shown);
}

#[test]
fn an_expired_authority_vouches_for_nobody_and_replaces_no_other() {
    let now = SystemTime::now();
    let mut ended = authority_params("callers");
    ended.not_before = (now - 2 * HOUR).into();
    ended.not_after = (now - HOUR).into();
    let (ended, valid) = (root(ended), root(authority_params("callers")));

    let mut swapped = Swapped::start(Some(&ended.pem()));
    assert_eq!(status(&mut swapped.connect(&caller(&ended)).unwrap()), 401);
    let both = ended.pem() + &valid.pem();
    swapped.volume.publish(&[("ca.crt", both.as_bytes())]);
    soon("both are read", || {
        (swapped.reloads("client_ca", "success") == 1).then_some(())
    });
    assert_eq!(status(&mut swapped.connect(&caller(&ended)).unwrap()), 401);
    let mut client = swapped.connect(&caller(&valid)).unwrap();
    assert_eq!(status(&mut client), 200);

    swapped.volume.publish(&[("ca.crt", ended.pem().as_bytes())]);
    swapped.soon_refused("client_ca", 1);
    assert_eq!(status(&mut client), 200);
}

#[test]
fn an_authority_that_ends_ends_what_it_vouches_for() {
    let end = SystemTime::now() + Duration::from_secs(4);
    let mut ending = authority_params("callers");
    ending.not_after = end.into();
    let ending = root(ending);
    let swapped = Swapped::start(Some(&ending.pem()));
    let mut client = swapped.connect(&caller(&ending)).unwrap();
    assert_eq!(status(&mut client), 200);
    let begin = std::time::Instant::now();
    while status(&mut client) == 200 {
        assert!(begin.elapsed() < PATIENCE, "it is still trusted");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    assert!(SystemTime::now() + Duration::from_secs(1) >= end, "too early");
}

#[test]
fn a_certificate_that_signs_nothing_is_refused_as_an_authority() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.crt");
    let good = root(authority_params("good"));
    let mut no_use = authority_params("good");
    no_use.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    for bad in [Pair::new(&good).certificate, root(no_use).pem()] {
        // One of many is enough.
        fs::write(&file, good.pem() + &bad).unwrap();
        let mut settings = None;
        drop(Server::start(|given, _| settings = Some(given.clone())));
        let mut settings = settings.unwrap();
        let keys = pki::Volume::new(
            &directory.path().join(format!("keys{}", bad.len())),
            NAMES,
            &Pair::new(&good).files(),
        );
        settings.certificate = Some(CertificateFiles {
            certificate: keys.path.join("tls.crt"),
            key: keys.path.join("tls.key"),
        });
        settings.client_ca = Some(file.clone());
        assert_eq!(
            crate::server_lifecycle::refused(settings),
            format!(
                "{}: a certificate in it is no authority's: it may not sign certificates",
                file.display()
            )
        );
    }
}
