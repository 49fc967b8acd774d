//! Login, logout, and every way to be nobody.

use driftless_auth::token::{Claims, Signer};
use driftless_core::Secret;
use driftless_server::deps::AuthMode;
use http::{Request, StatusCode};
use serde_json::json;

use crate::world::{Api, KEY, NOW, Options, accounts, at};

fn login(user: &str, password: &str) -> serde_json::Value {
    json!({"username": user, "password": password})
}

fn cookie(headers: &http::HeaderMap) -> String {
    headers
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next())
        .collect::<Vec<_>>()
        .join("; ")
}

async fn with_cookie(api: &Api, method: &str, path: &str, cookie: &str) -> crate::world::Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("cookie", cookie)
        .header("content-type", "application/json");
    api.answer(request.body(axum::body::Body::empty()).expect("request"))
        .await
}

#[tokio::test]
async fn a_login_gives_a_cookie_that_works_until_the_logout() {
    let api = Api::new().await;
    let answer = api
        .post("", "/api/v1/session", &login("admin", "password"))
        .await;
    assert!(
        answer.ok()["token"]
            .as_str()
            .is_some_and(|token| token.matches('.').count() == 2)
    );
    let set = answer.headers["set-cookie"].to_str().expect("text");
    assert!(
        set.starts_with("argocd.token=")
            && set.contains("HttpOnly")
            && set.contains("SameSite=lax"),
        "{set}"
    );
    let session = cookie(&answer.headers);

    let info = with_cookie(&api, "GET", "/api/v1/session/userinfo", &session)
        .await
        .ok();
    assert_eq!(
        info,
        json!({"loggedIn": true, "username": "admin", "iss": "argocd", "groups": []})
    );
    with_cookie(&api, "GET", "/api/v1/applications", &session)
        .await
        .ok();

    let out = with_cookie(&api, "DELETE", "/api/v1/session", &session).await;
    out.ok();
    assert!(
        out.headers["set-cookie"]
            .to_str()
            .expect("text")
            .contains("Max-Age=0")
    );
    assert_eq!(api.world.revoked().len(), 1, "persisted for other replicas");
    with_cookie(&api, "GET", "/api/v1/applications", &session)
        .await
        .refused(401, 16, "revoked");
    let info = with_cookie(&api, "GET", "/api/v1/session/userinfo", &session)
        .await
        .ok();
    assert_eq!(info, json!({"loggedIn": false}));
    // The stale cookie is no obstacle to a new login.
    let request = Request::post("/api/v1/session")
        .header("cookie", &session)
        .header("content-type", "application/json")
        .body(login("admin", "password").to_string().into());
    api.answer(request.expect("request")).await.ok();
}

#[tokio::test(start_paused = true)]
async fn wrong_logins_all_look_alike() {
    let api = Api::new().await;
    let mut bodies = Vec::new();
    for (user, password) in [("admin", "wrong"), ("stranger", "password")] {
        let answer = api
            .post("", "/api/v1/session", &login(user, password))
            .await;
        answer.refused(401, 16, "Invalid username or password");
        bodies.push(answer.text);
    }
    assert_eq!(bodies[0], bodies[1]);
    api.post("", "/api/v1/session", &json!({}))
        .await
        .refused(401, 16, "no credentials supplied");
    let long = "x".repeat(33);
    api.post("", "/api/v1/session", &login(&long, "p"))
        .await
        .refused(400, 3, "too long");
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_wrong_passwords_locks_the_account_like_a_row_of_them() {
    let api = std::sync::Arc::new(Api::new().await);
    let attempts = (0..30).map(|_| {
        let api = api.clone();
        async move {
            api.post("", "/api/v1/session", &login("admin", "wrong"))
                .await
                .status
        }
    });
    let statuses = futures::future::join_all(attempts).await;
    assert!(
        statuses
            .iter()
            .all(|status| *status == StatusCode::UNAUTHORIZED)
    );
    let answer = api
        .post("", "/api/v1/session", &login("admin", "password"))
        .await;
    answer.refused(401, 16, "Invalid username or password");
    let other = api
        .post("", "/api/v1/session", &login("reader", "password"))
        .await;
    other.ok();
    api.clock.set(at(NOW + 301));
    api.post("", "/api/v1/session", &login("admin", "password"))
        .await
        .ok();
}

#[tokio::test]
async fn bad_tokens_are_refused_on_every_kind_of_route() {
    let api = Api::new().await;
    api.world.put(crate::world::app("x", "default"));
    let claims = Claims {
        iss: "argocd".to_owned(),
        sub: "admin:login".to_owned(),
        iat: NOW,
        nbf: Some(NOW),
        exp: Some(NOW + 100),
        jti: "j".to_owned(),
    };
    let sign = |key: &[u8], claims: &Claims| {
        Signer::new(&Secret::new(key.to_vec()))
            .expect("key")
            .sign(claims)
            .expect("signed")
    };
    let good = sign(KEY, &claims);
    let (body, _) = good.rsplit_once('.').expect("dots");
    let none = {
        use base64::Engine as _;
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode(r#"{"alg":"none","typ":"JWT"}"#);
        format!("{header}.{}.", body.split_once('.').expect("dots").1)
    };
    let with = |change: fn(&mut Claims)| {
        let mut changed = claims.clone();
        change(&mut changed);
        sign(KEY, &changed)
    };
    let bad = [
        (
            "wrong key",
            sign(b"another key, as long as the first", &claims),
        ),
        ("no algorithm", none),
        ("no signature", format!("{body}.")),
        ("expired", with(|claims| claims.exp = Some(NOW - 1))),
        ("early", with(|claims| claims.nbf = Some(NOW + 60))),
        (
            "other issuer",
            with(|claims| claims.iss = "https://idp.example".to_owned()),
        ),
        (
            "gone account",
            with(|claims| claims.sub = "ghost:login".to_owned()),
        ),
        ("garbage", "garbage".to_owned()),
    ];
    let routes = [
        ("GET", "/api/v1/applications"),
        ("GET", "/api/v1/applications/x"),
        ("GET", "/api/v1/stream/applications"),
        ("GET", "/api/v1/applications/x/logs?podName=p"),
        ("POST", "/api/v1/applications/x/sync"),
        ("GET", "/api/v1/projects"),
        ("GET", "/api/v1/account/can-i/applications/get/a/b"),
    ];
    for anonymous in [false, true] {
        let mut config = accounts();
        config.anonymous_enabled = anonymous;
        api.server.deps().sessions.reload(config);
        for (method, path) in routes {
            for (what, token) in &bad {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header("content-type", "application/json")
                    .header("authorization", format!("Bearer {token}"));
                let answer = api
                    .answer(request.body(axum::body::Body::empty()).expect("request"))
                    .await;
                assert_eq!(
                    answer.status,
                    StatusCode::UNAUTHORIZED,
                    "{what}: {method} {path}: {}",
                    answer.text
                );
            }
        }
    }
}

#[tokio::test]
async fn a_session_about_to_end_is_renewed() {
    let api = Api::new().await;
    let token = api.token("admin").await;
    api.clock.set(at(NOW + 24 * 3600 - 100));
    let request =
        Request::get("/api/v1/applications").header("authorization", format!("Bearer {token}"));
    let answer = api
        .answer(request.body(axum::body::Body::empty()).expect("request"))
        .await;
    answer.ok();
    let renewed = answer.headers["renew-token"]
        .to_str()
        .expect("text")
        .to_owned();
    assert_ne!(renewed, token);
    assert!(cookie(&answer.headers).contains(&renewed));
    api.clock.set(at(NOW + 25 * 3600));
    let request =
        Request::get("/api/v1/applications").header("authorization", format!("Bearer {renewed}"));
    api.answer(request.body(axum::body::Body::empty()).expect("request"))
        .await
        .ok();
}

#[tokio::test]
async fn without_credentials_only_the_login_page_works() {
    let api = Api::new().await;
    for path in [
        "/api/v1/applications",
        "/api/v1/projects",
        "/api/v1/clusters",
        "/api/v1/stream/applications",
    ] {
        api.get("", path)
            .await
            .refused(401, 16, "no session information");
    }
    let settings = api.get("", "/api/v1/settings").await.ok();
    assert!(settings.get("controllerNamespace").is_none(), "{settings}");
    assert_eq!(
        api.get("", "/api/version").await.ok(),
        json!({"Version": "v0.0.0-test"})
    );
    let full = api.get("reader", "/api/version").await.ok();
    assert_eq!(full["GitCommit"], "abc");
    assert_eq!(
        api.get("reader", "/api/v1/settings").await.ok()["controllerNamespace"],
        "argocd"
    );
    assert_eq!(api.get("", "/healthz").await.text, "ok");
}

#[tokio::test]
async fn with_authorisation_off_everybody_may_do_everything() {
    let api = Api::with(Options {
        auth: AuthMode::Disabled,
        ..Options::default()
    })
    .await;
    api.world.put(crate::world::app("x", "default"));
    assert_eq!(
        api.get("", "/api/v1/session/userinfo").await.ok()["loggedIn"],
        true
    );
    api.get("", "/api/v1/applications/x").await.ok();
    api.post("", "/api/v1/applications/x/sync", &json!({}))
        .await
        .ok();
}
