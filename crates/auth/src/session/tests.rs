//! Login, and every way a token can be wrong.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use driftless_core::clock::ManualClock;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;
use crate::account::Account;

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;

struct Projects;

impl ProjectTokens for Projects {
    fn tokens(&self, project: &str, role: &str) -> Option<Vec<ApiToken>> {
        (project == "team" && role == "ci").then(|| {
            vec![ApiToken {
                id: "t1".to_owned(),
                issued_at: NOW - 10,
                expires_at: 0,
            }]
        })
    }
}

fn account(capabilities: &[Capability]) -> Account {
    static HASH: LazyLock<Secret<String>> =
        LazyLock::new(|| password::hash(&Secret::new("right".to_owned())).expect("hash"));
    Account {
        enabled: true,
        capabilities: capabilities.to_vec(),
        password_hash: Some(HASH.clone()),
        password_mtime: Timestamp::from_second(NOW - 1000).ok(),
        tokens: vec![ApiToken {
            id: "k1".to_owned(),
            issued_at: NOW - 10,
            expires_at: 0,
        }],
    }
}

fn config() -> Config {
    let mut accounts = Accounts::new();
    accounts.insert("admin".to_owned(), account(&[Capability::Login]));
    accounts.insert("bot".to_owned(), account(&[Capability::ApiKey]));
    let mut off = account(&[Capability::Login, Capability::ApiKey]);
    off.enabled = false;
    accounts.insert("off".to_owned(), off);
    Config {
        accounts,
        signing_key: Secret::new(KEY.to_vec()),
        session_duration: SignedDuration::from_hours(24),
        anonymous_enabled: false,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn sessions() -> (Sessions, ManualClock) {
    let clock = ManualClock::new(at(NOW));
    (Sessions::new(config(), Arc::new(clock.clone())), clock)
}

fn signed(header: &str, claims: &str, key: &[u8]) -> String {
    let body = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(body.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{body}.{signature}")
}

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn claims(sub: &str, jti: &str) -> String {
    format!(
        r#"{{"iss":"argocd","sub":"{sub}","iat":{NOW},"nbf":{NOW},"exp":{},"jti":"{jti}"}}"#,
        NOW + 3600
    )
}

fn outcome(token: &str) -> Result<Identity, Error> {
    sessions()
        .0
        .verify(token, &Projects)
        .map(|verified| verified.identity)
}

async fn login(sessions: &Sessions, name: &str, password: &str) -> Result<String, Error> {
    sessions.login(name, Secret::new(password.to_owned())).await
}

#[tokio::test]
async fn a_password_becomes_a_session() {
    let (sessions, _) = sessions();
    let token = login(&sessions, "admin", "right").await.expect("login");
    let verified = sessions.verify(&token, &Projects).expect("session");
    assert_eq!(
        verified.identity,
        Identity::Local {
            name: "admin".to_owned()
        }
    );
    assert_eq!(verified.claims.sub, "admin:login");
    assert_eq!(verified.claims.exp, Some(NOW + 24 * 3600));
    assert_eq!(verified.renewed, None);
}

#[tokio::test]
async fn wrong_logins_have_one_answer() {
    let (sessions, _) = sessions();
    for (name, password) in [
        ("admin", "wrong"),
        ("nobody", "right"),
        ("off", "right"),
        ("bot", "right"),
    ] {
        assert_eq!(
            login(&sessions, name, password).await,
            Err(Error::InvalidLogin),
            "{name}"
        );
    }
    assert_eq!(
        login(&sessions, "admin", "").await,
        Err(Error::NoCredentials)
    );
    assert_eq!(
        login(&sessions, &"x".repeat(33), "right").await,
        Err(Error::NameTooLong)
    );
    for _ in 0..4 {
        assert_eq!(
            login(&sessions, "admin", "wrong").await,
            Err(Error::InvalidLogin)
        );
    }
    assert_eq!(
        login(&sessions, "admin", "right").await,
        Err(Error::InvalidLogin),
        "locked"
    );
}

#[test]
fn forged_tokens_are_refused() {
    let malformed = Err(Error::Token(token::Error::Malformed));
    let signature = Err(Error::Token(token::Error::Signature));
    let admin = claims("admin:login", "j");
    assert!(
        outcome(&signed(HS256, &admin, KEY)).is_ok(),
        "the tests below change one thing each"
    );

    assert_eq!(
        outcome(&signed(HS256, &admin, b"another key, as long as the first")),
        signature
    );
    let none = signed(r#"{"alg":"none"}"#, &admin, KEY);
    assert!(outcome(&none).is_err());
    let bare = none
        .rsplit_once('.')
        .map(|(body, _)| format!("{body}."))
        .expect("dots");
    assert!(outcome(&bare).is_err());
    for algorithm in ["HS384", "HS512", "RS256", "ES256", "EdDSA", "None", "nOnE"] {
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        assert!(
            outcome(&signed(&header, &admin, KEY)).is_err(),
            "{algorithm}"
        );
    }
    for garbage in ["", ".", "..", "a.b.c", "Bearer x", &"x".repeat(100_000)] {
        assert_eq!(outcome(garbage), malformed, "{garbage:.20}");
    }
    let mut parts: Vec<String> = signed(HS256, &admin, KEY)
        .split('.')
        .map(str::to_owned)
        .collect();
    parts[1] = URL_SAFE_NO_PAD.encode(claims("admin:apiKey", "k1"));
    assert_eq!(outcome(&parts.join(".")), signature);
}

#[test]
fn claims_out_of_order_are_refused() {
    let with = |claims: String| outcome(&signed(HS256, &claims, KEY));
    let admin = claims("admin:login", "j");
    assert_eq!(
        with(admin.replace("\"argocd\"", "\"other\"")),
        Err(Error::Token(token::Error::Issuer))
    );
    let expired = admin.replace(&(NOW + 3600).to_string(), &NOW.to_string());
    assert_eq!(with(expired), Err(Error::Token(token::Error::Expired)));
    let early = admin.replace(&format!("\"nbf\":{NOW}"), &format!("\"nbf\":{}", NOW + 60));
    assert_eq!(with(early), Err(Error::Token(token::Error::NotYet)));
    let endless = admin.replace(&format!("\"exp\":{},", NOW + 3600), "");
    assert_eq!(with(endless), Err(Error::Token(token::Error::Expired)));
    let old = admin.replace(
        &format!("\"iat\":{NOW}"),
        &format!("\"iat\":{}", NOW - 2000),
    );
    assert!(
        matches!(with(old), Err(Error::Account(text)) if text.contains("password has changed"))
    );
    assert_eq!(with(claims("admin:login", "")), Err(Error::Revoked));
    for subject in [
        "admin:root",
        ":login",
        "",
        "a:b:login",
        "proj::",
        "proj:team",
        "proj:team:",
    ] {
        assert!(with(claims(subject, "j")).is_err(), "{subject}");
    }
}

#[test]
fn a_token_lives_no_longer_than_what_it_stands_on() {
    let with = |sub: &str, jti: &str| outcome(&signed(HS256, &claims(sub, jti), KEY));
    assert!(with("bot:apiKey", "k1").is_ok());
    assert!(with("bot:apiKey", "k2").is_err(), "not listed");
    assert!(with("bot:login", "j").is_err(), "no such capability");
    assert!(with("admin:apiKey", "k1").is_err(), "no such capability");
    assert!(with("off:login", "j").is_err(), "disabled");
    assert!(with("gone:login", "j").is_err(), "unknown");
    assert!(with("proj:team:ci", "t1").is_ok());
    assert!(with("proj:team:ci", "t2").is_err(), "not listed");
    assert!(with("proj:team:cd", "t1").is_err(), "unknown role");
    assert!(with("proj:other:ci", "t1").is_err(), "unknown project");
}

#[tokio::test]
async fn a_logout_outlives_a_renewal() {
    let (sessions, clock) = sessions();
    let token = login(&sessions, "admin", "right").await.expect("login");
    clock.set(at(NOW + 24 * 3600 - 60));
    let verified = sessions.verify(&token, &Projects).expect("still valid");
    let renewed = verified.renewed.expect("about to end");
    assert!(
        sessions
            .verify(&renewed, &Projects)
            .expect("fresh")
            .renewed
            .is_none()
    );

    assert!(sessions.revoke(&verified.claims));
    assert!(!sessions.revoke(&verified.claims), "nothing new");
    assert_eq!(
        sessions.verify(&renewed, &Projects).err(),
        Some(Error::Revoked)
    );
    let kept = sessions.revocations().snapshot(at(NOW + 40 * 3600));
    assert_eq!(kept.len(), 1, "the renewed copy is still within its time");
    assert!(
        sessions
            .revocations()
            .snapshot(at(NOW + 48 * 3600))
            .is_empty()
    );
}

#[test]
fn without_a_key_nothing_is_signed_or_accepted() {
    let mut empty = config();
    empty.signing_key = Secret::new(Vec::new());
    let sessions = Sessions::new(empty, Arc::new(ManualClock::new(at(NOW))));
    let forged = signed(HS256, &claims("admin:login", "j"), b"");
    assert_eq!(
        sessions.verify(&forged, &Projects).err(),
        Some(Error::Token(token::Error::Key))
    );
}
