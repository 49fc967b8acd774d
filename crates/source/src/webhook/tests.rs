//! Signed pushes are read, anything else is refused without panic.

use driftless_core::Secret;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use proptest::prelude::*;
use sha2::Sha256;

use super::*;
use crate::repository::{hex, same_repository};

const PUSH: &str = r#"{
  "ref": "refs/heads/main",
  "before": "1111111111111111111111111111111111111111",
  "after": "2222222222222222222222222222222222222222",
  "repository": {
    "html_url": "https://github.example/org/app",
    "clone_url": "https://github.example/org/app.git",
    "ssh_url": "git@github.example:org/app.git",
    "default_branch": "main"
  },
  "commits": [
    {"added": ["a.yaml"], "modified": ["b/c.yaml"], "removed": []},
    {"added": [], "modified": ["a.yaml"], "removed": ["d"]}
  ]
}"#;

fn headers(event: &str, signature: Option<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-github-event", event.parse().unwrap());
    if let Some(signature) = signature {
        headers.insert("x-hub-signature-256", signature.parse().unwrap());
    }
    headers
}

fn sign(body: &[u8], secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex(&mac.finalize().into_bytes()))
}

fn secrets(secret: &str) -> Secrets {
    Secrets {
        github: Some(Secret::new(secret.to_owned())),
    }
}

#[test]
fn a_signed_push_is_read() {
    let signed = headers("push", Some(sign(PUSH.as_bytes(), "s3cret")));
    let pushed = parse(
        &signed,
        PUSH.as_bytes(),
        &secrets("s3cret"),
        DEFAULT_MAX_BODY,
    )
    .unwrap();
    assert_eq!(pushed.len(), 1);
    assert_eq!(pushed[0].reference, "refs/heads/main");
    assert!(pushed[0].is_default_branch);
    assert_eq!(
        pushed[0].changed_files.as_deref().unwrap(),
        ["a.yaml", "b/c.yaml", "d"]
    );
    assert!(
        pushed[0]
            .urls
            .iter()
            .all(|url| same_repository(url, "ssh://git@github.example/org/app"))
    );
}

#[test]
fn wrong_or_missing_signatures_are_refused() {
    for signature in [
        None,
        Some(sign(PUSH.as_bytes(), "other")),
        Some("sha256=".to_owned()),
        Some("sha256=zz".to_owned()),
        Some(sign(PUSH.as_bytes(), "s3cret").replace("sha256", "sha1")),
    ] {
        let error = parse(
            &headers("push", signature),
            PUSH.as_bytes(),
            &secrets("s3cret"),
            DEFAULT_MAX_BODY,
        )
        .unwrap_err();
        assert_eq!(error, Error::Signature { provider: "GitHub" });
    }
    assert!(
        parse(
            &headers("push", None),
            PUSH.as_bytes(),
            &Secrets::default(),
            DEFAULT_MAX_BODY
        )
        .is_ok()
    );
}

#[test]
fn forced_and_new_refs_do_not_claim_to_know_their_files() {
    let forced = PUSH.replacen('{', r#"{"forced": true,"#, 1);
    let new = PUSH.replace(&"1".repeat(40), &"0".repeat(40));
    for body in [forced, new] {
        let pushed = parse(
            &headers("push", None),
            body.as_bytes(),
            &Secrets::default(),
            DEFAULT_MAX_BODY,
        )
        .unwrap();
        assert_eq!(pushed[0].changed_files, None);
    }
}

#[test]
fn pings_forms_and_limits() {
    assert_eq!(
        parse(&headers("ping", None), b"{}", &Secrets::default(), 10).unwrap(),
        []
    );
    assert_eq!(
        parse(&headers("ping", None), b"{}", &Secrets::default(), 1),
        Err(Error::TooLarge { limit: 1 })
    );
    assert_eq!(
        parse(&HeaderMap::new(), b"{}", &Secrets::default(), 10),
        Err(Error::UnknownProvider)
    );
    let mut form = headers("push", None);
    form.insert(
        http::header::CONTENT_TYPE,
        "application/x-www-form-urlencoded".parse().unwrap(),
    );
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", PUSH)
        .finish();
    assert_eq!(
        parse(
            &form,
            body.as_bytes(),
            &Secrets::default(),
            DEFAULT_MAX_BODY
        )
        .unwrap()[0]
            .after,
        "2".repeat(40)
    );
}

proptest! {
    #[test]
    fn mutilated_payloads_never_panic(cut in 0..PUSH.len(), at in 0..PUSH.len(), byte: u8, event in "push|ping|x") {
        let mut body = PUSH.as_bytes()[..cut].to_vec();
        let _ = parse(&headers(&event, None), &body, &Secrets::default(), DEFAULT_MAX_BODY);
        body = PUSH.as_bytes().to_vec();
        body[at] = byte;
        let _ = parse(&headers(&event, None), &body, &Secrets::default(), DEFAULT_MAX_BODY);
    }

    #[test]
    fn odd_shapes_never_panic(body in r#"\{"ref":("x"|1|null|\[\]),"repository":(\{\}|null|\{"html_url":""\}),"commits":(null|\[\{\}\]|\[null\])\}"#) {
        let _ = parse(&headers("push", None), body.as_bytes(), &Secrets::default(), DEFAULT_MAX_BODY);
    }
}
