//! OpenID Connect tokens of an issuer that the tests run, judged by the starter policy `oidc` for the real API server.
//!
//! Each login is with a token of its own, so that nothing is answered from the API server's cache.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::api::Api;
use crate::control_plane::{ControlPlane, Site};
use crate::issuer::{Answer, ISSUER, Issuer, Key, set};
use crate::regate::{Regate, copy};
use crate::say;
use crate::stage::{PROGRAM, Stage};

super::cases![
    tokens_of_an_issuer_log_in_with_their_groups_until_they_are_revoked,
    a_rotation_of_the_keys_under_load_loses_no_login,
    the_keys_known_last_outlive_an_issuer_that_is_slow_huge_wrong_or_gone,
    without_any_keys_a_login_is_a_fault_and_not_a_refusal_that_is_remembered,
];

const STARTERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");

const UNAUTHORIZED: &str = "error: You must be logged in to the server (Unauthorized)";

/// Who logs in all the time, and how long each of them waits between two logins.
const CALLERS: usize = 6;
const PAUSE: Duration = Duration::from_millis(10);

/// An API server that has its users from Regate, and Regate its keys from an issuer.
struct Desk {
    plane: ControlPlane,
    regate: Regate,
    issuer: Issuer,
    tokens: AtomicU64,
}

impl Desk {
    fn start(stage: &Stage, issuer: Issuer) -> Result<Self> {
        let parameters = json!({
            "issuer": ISSUER,
            "keys": "corp",
            "audiences": ["kubernetes"],
            "good_for": ["https://kubernetes.default.svc"],
            "groups": {"prefix": "corp:", "mapping": {"platform": "operators"}},
        });
        let configuration = json!({
            "apiVersion": "regate.dev/v1alpha1",
            "kind": "ServerConfiguration",
            "keys": {"sets": [format!("corp={}", issuer.url())], "issuerCA": issuer.file("ca.crt"), "refresh": "1h"},
            "policies": {"settings": [{"policy": "authn/oidc", "parameters": parameters}]},
        });
        let file = issuer.file("regate.yaml");
        fs::write(&file, configuration.to_string())?;
        let config = file.to_str().context("a path is not UTF-8")?;
        let flags = ["--config", config, "--gate", "authn"];
        let regate = Regate::start(Path::new(PROGRAM), &flags, |directory| {
            let starters = Path::new(STARTERS);
            copy(&starters.join("authn"), &directory.join("authn"))?;
            copy(&starters.join("regate"), &directory.join("regate"))
        })?;
        let registration = regate.register(&["--gate", "authn"])?;
        Ok(Self {
            plane: ControlPlane::start_at(Site::new()?, stage.etcd()?, &registration.flags()?)?,
            regate,
            issuer,
            tokens: AtomicU64::new(0),
        })
    }

    /// Claims of jane that nobody has used before, changed by `more`.
    fn claims(&self, more: &Value) -> Value {
        let number = self.tokens.fetch_add(1, Ordering::Relaxed);
        let mut claims = json!({
            "iss": ISSUER, "aud": "kubernetes", "sub": "jane", "jti": format!("t-{number}"),
            "iat": now(), "exp": now() + 600, "groups": ["dev", "platform"],
        });
        if let (Some(claims), Some(more)) = (claims.as_object_mut(), more.as_object()) {
            claims.extend(more.clone());
        }
        claims
    }

    /// What kubectl says of a new token of jane.
    fn login(&self, key: &Key, more: &Value) -> Result<(i32, String)> {
        let token = key.token(&self.claims(more))?;
        let printed = self.plane.bearer(&token)?.run("auth whoami -o json")?;
        Ok((printed.code, printed.stdout + &printed.stderr))
    }

    fn refuses(&self, key: &Key, more: &Value) -> Result<()> {
        let login = self.login(key, more)?;
        ensure!(login == (1, UNAUTHORIZED.to_owned()), "{more}: {login:?}");
        Ok(())
    }

    fn accepts(&self, key: &Key) -> Result<()> {
        let (code, told) = self.login(key, &json!({}))?;
        ensure!(code == 0, "{told}\n{}", self.regate.log_tail());
        Ok(())
    }

    /// How often Regate answered that it cannot say.
    fn faults(&self) -> Result<u64> {
        self.regate.answers("authn", 503)
    }

    /// The value of a metric of the set of keys.
    fn metric(&self, name: &str) -> Result<f64> {
        let metrics = self.regate.metrics()?;
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value
            .and_then(|value| value.parse().ok())
            .with_context(|| format!("no {name}:\n{metrics}"))
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

fn tokens_of_an_issuer_log_in_with_their_groups_until_they_are_revoked(stage: &Stage) -> Result<()> {
    let (rsa, elliptic, stranger) = (Key::rs256("rsa")?, Key::es256("ec")?, Key::es256("ec")?);
    let desk = Desk::start(stage, Issuer::start(set(&[&rsa, &elliptic])?)?)?;
    let user = json!({"username": "oidc:jane", "groups": ["corp:dev", "operators", "system:authenticated"]});
    for key in [&rsa, &elliptic] {
        let (code, told) = desk.login(key, &json!({}))?;
        ensure!(code == 0, "{told}\n{}", desk.regate.log_tail());
        let review: Value = serde_json::from_str(&told)?;
        let mut seen = review["status"]["userInfo"].clone();
        seen.as_object_mut().context("no user")?.remove("extra");
        assert_eq!(seen, user);
    }
    let token = rsa.token(&desk.claims(&json!({})))?;
    let review =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let answer: Value = serde_json::from_str(&desk.plane.admin().must_send("create -o json -f -", &review)?)?;
    assert_eq!(
        answer["status"]["audiences"],
        json!(["https://kubernetes.default.svc"])
    );
    for more in [
        json!({"exp": now() - 1}),
        json!({"exp": null}),
        json!({"nbf": now() + 600}),
        json!({"aud": "somebody else"}),
        json!({"iss": "https://other.example"}),
        json!({"sub": ""}),
    ] {
        desk.refuses(&rsa, &more)?;
    }
    desk.refuses(&stranger, &json!({}))?;
    let revoked =
        json!({"revoked": {ISSUER: {"subjects": {"mallory": "left"}, "issued_before": now() - 3600}}});
    desk.regate
        .write_policy("regate/oidc/data.json", &revoked.to_string())?;
    super::soon("the revocation counts", || {
        Ok(desk.refuses(&rsa, &json!({"sub": "mallory"})).is_ok())
    })?;
    desk.refuses(&rsa, &json!({"iat": now() - 7200}))?;
    desk.accepts(&rsa)?;
    assert_eq!(desk.faults()?, 0);
    Ok(())
}

/// What came of the logins.
#[derive(Default)]
struct Tally {
    /// Which key signs now.
    turn: AtomicU64,
    ended: AtomicBool,
    made: AtomicU64,
    failed: Mutex<Vec<String>>,
}

fn a_rotation_of_the_keys_under_load_loses_no_login(stage: &Stage) -> Result<()> {
    const IDS: [&str; 4] = ["1", "2", "3", "4"];
    let keys: Vec<Key> = IDS
        .into_iter()
        .enumerate()
        .map(|(at, id)| {
            if at % 2 == 0 {
                Key::rs256(id)
            } else {
                Key::es256(id)
            }
        })
        .collect::<Result<_>>()?;
    let first = keys.first().context("no key")?;
    let desk = Desk::start(stage, Issuer::start(set(&[first])?)?)?;
    desk.accepts(first)?;
    let before = desk.issuer.asked();
    let tally = Tally::default();
    let rotated = thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| keep_logging_in(&desk, &keys, &tally));
        }
        let rotated = rotate(&desk, &keys, &tally);
        tally.ended.store(true, Ordering::Relaxed);
        rotated
    });
    rotated?;
    let failed = tally
        .failed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    ensure!(failed.is_empty(), "{} logins failed: {failed:#?}", failed.len());
    let (made, asked) = (tally.made.load(Ordering::Relaxed), desk.issuer.asked() - before);
    say(&format!(
        "3 rotations, {made} logins, none lost; the issuer was asked {asked} times"
    ));
    // Once for each new key, by the first token that has it: no other token asks.
    assert_eq!(asked, 3);
    Ok(())
}

/// Publishes one new key after the other, each time in place of the one before, and signs with it from then on.
fn rotate(desk: &Desk, keys: &[Key], tally: &Tally) -> Result<()> {
    let more = |count: u64| {
        let goal = tally.made.load(Ordering::Relaxed) + count;
        super::soon("logins go on", || Ok(tally.made.load(Ordering::Relaxed) >= goal))
    };
    more(50)?;
    for (turn, pair) in (1..).zip(keys.windows(2)) {
        // Tokens of the key before are still on their way.
        desk.issuer.publishes(&pair.iter().collect::<Vec<_>>())?;
        let begin = Instant::now();
        tally.turn.store(turn, Ordering::Relaxed);
        more(100)?;
        // What was asked for the key before does not hold up this one.
        super::soon("the next rotation comes", || {
            Ok(begin.elapsed() > Duration::from_secs(3))
        })?;
    }
    Ok(())
}

fn keep_logging_in(desk: &Desk, keys: &[Key], tally: &Tally) {
    let login = |api: &mut Api| -> Result<()> {
        let turn = usize::try_from(tally.turn.load(Ordering::Relaxed))?;
        let token = keys
            .get(turn)
            .context("no such key")?
            .token(&desk.claims(&json!({})))?;
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let (status, answer) = api.post(path, &token, &review)?;
        let name = &answer["status"]["userInfo"]["username"];
        ensure!(
            status == 201 && *name == "oidc:jane",
            "key {turn}: {status}: {answer}"
        );
        Ok(())
    };
    let fail = |error: anyhow::Error| {
        let mut failed = tally.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.push(format!("{error:#}"));
    };
    let mut api = match Api::new(desk.plane.port(), &desk.plane.authority()) {
        Ok(api) => api,
        Err(error) => return fail(error),
    };
    while !tally.ended.load(Ordering::Relaxed) {
        login(&mut api).unwrap_or_else(&fail);
        tally.made.fetch_add(1, Ordering::Relaxed);
        thread::park_timeout(PAUSE);
    }
}

fn the_keys_known_last_outlive_an_issuer_that_is_slow_huge_wrong_or_gone(stage: &Stage) -> Result<()> {
    let (known, unknown) = (Key::rs256("known")?, Key::es256("unknown")?);
    let desk = Desk::start(stage, Issuer::start(set(&[&known])?)?)?;
    desk.accepts(&known)?;
    let huge = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(2 << 20));
    for answer in [
        Answer::Text(huge),
        Answer::Text("<html>we will be back soon</html>".to_owned()),
        Answer::Text(json!({"keys": []}).to_string()),
        Answer::Gone,
        Answer::Nothing,
    ] {
        desk.issuer.answers(answer);
        let failures = desk.metric("regate_jwks_loads_total{set=\"corp\",result=\"failure\"}")?;
        super::soon("the issuer is asked for a key that nobody has", || {
            desk.refuses(&unknown, &json!({}))?;
            // While it fails, those who have the known key are not held up.
            desk.accepts(&known)?;
            Ok(desk.metric("regate_jwks_loads_total{set=\"corp\",result=\"failure\"}")? > failures)
        })?;
    }
    desk.issuer.publishes(&[&known, &unknown])?;
    super::soon("an issuer that is well again is believed", || {
        Ok(desk.accepts(&unknown).is_ok())
    })?;
    assert_eq!(desk.metric("regate_jwks_keys{set=\"corp\"}")?, 2.0);
    assert_eq!(desk.faults()?, 0);
    Ok(())
}

fn without_any_keys_a_login_is_a_fault_and_not_a_refusal_that_is_remembered(stage: &Stage) -> Result<()> {
    let key = Key::es256("1")?;
    let desk = Desk::start(stage, Issuer::start(Answer::Gone)?)?;
    let token = desk.plane.bearer(&key.token(&desk.claims(&json!({})))?)?;
    let printed = token.run("auth whoami -o name")?;
    assert_eq!((printed.code, printed.stderr.as_str()), (1, UNAUTHORIZED));
    ensure!(desk.faults()? > 0, "no fault:\n{}", desk.regate.log_tail());
    assert_eq!(
        desk.metric("regate_jwks_last_success_timestamp_seconds{set=\"corp\"}")?,
        0.0
    );
    // Tokens that are none of its own are judged without keys.
    let before = desk.faults()?;
    desk.refuses(&key, &json!({"iss": "https://other.example"}))?;
    assert_eq!(desk.faults()?, before);
    desk.issuer.publishes(&[&key])?;
    super::soon("the same token logs in", || {
        Ok(token.run("auth whoami -o name")?.code == 0)
    })
}
