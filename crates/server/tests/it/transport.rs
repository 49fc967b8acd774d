//! What every request passes: content types, limits, headers, webhooks, the UI.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::json;

use crate::world::{Api, Options, app};

#[tokio::test]
async fn changes_are_sent_as_json_or_not_at_all() {
    let api = Api::new().await;
    let token = api.token("admin").await;
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data"),
    ] {
        for (method, path) in [
            ("POST", "/api/v1/applications"),
            ("DELETE", "/api/v1/applications/x"),
            ("POST", "/api/v1/session"),
        ] {
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header("authorization", format!("Bearer {token}"));
            if let Some(kind) = kind {
                request = request.header("content-type", kind);
            }
            let answer = api
                .answer(request.body(Body::from("{}")).expect("request"))
                .await;
            assert_eq!(
                answer.status,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "{kind:?} {method} {path}"
            );
        }
    }
    let with_charset =
        Request::post("/api/v1/session").header("content-type", "application/json; charset=utf-8");
    let answer = api
        .answer(with_charset.body(Body::from("{}")).expect("request"))
        .await;
    assert_ne!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let api = Api::new().await;
    let token = api.token("admin").await;
    let request = Request::post("/api/v1/applications")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(vec![b' '; (32 << 20) + 1]));
    api.answer(request.expect("request"))
        .await
        .refused(413, 8, "request body has more than");
    let deep = "[".repeat(100_000);
    let request = Request::post("/api/v1/applications")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(deep));
    assert_eq!(
        api.answer(request.expect("request")).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn browsers_are_told_to_be_careful() {
    let api = Api::new().await;
    for path in [
        "/",
        "/applications/x",
        "/api/version",
        "/api/v1/applications",
    ] {
        let answer = api.get("", path).await;
        assert_eq!(answer.headers["x-frame-options"], "sameorigin", "{path}");
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{path}"
        );
        let policy = answer.headers["content-security-policy"]
            .to_str()
            .expect("text");
        assert!(
            policy.contains("frame-ancestors 'self'") && !policy.contains("script-src"),
            "{policy}"
        );
        assert!(
            answer.headers.get("access-control-allow-origin").is_none(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn unknown_api_paths_are_not_pages() {
    let api = Api::new().await;
    api.get("admin", "/api/v1/nothing")
        .await
        .refused(404, 5, "no such API path");
    api.get("admin", "/api/nothing")
        .await
        .refused(404, 5, "no such API path");
}

#[tokio::test]
async fn the_ui_has_a_start_page_for_every_address_of_its_own() {
    let api = Api::with(Options {
        base_href: "/cd/".to_owned(),
        ..Options::default()
    })
    .await;
    for path in ["/cd/", "/cd/applications/argocd/x", "/login"] {
        let page = api.get("", path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(
            page.headers["content-type"]
                .to_str()
                .expect("text")
                .starts_with("text/html"),
            "{path}"
        );
        assert_eq!(page.headers["cache-control"], "no-cache");
        let tag = page.headers["etag"].clone();
        let again = Request::get(path)
            .header("if-none-match", tag)
            .body(Body::empty())
            .expect("request");
        assert_eq!(api.answer(again).await.status, StatusCode::NOT_MODIFIED);
    }
    assert_eq!(
        api.get("", "/cd/assets/missing.js").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        api.get("", "/cd/../../etc/passwd").await.headers["content-type"],
        "text/html; charset=utf-8"
    );
    api.get("", "/cd/api/version").await.ok();
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask() {
    let api = Api::new().await;
    for number in 0..50 {
        api.world.put(app(&format!("app-{number}"), "default"));
    }
    api.server.index().fill();
    let mut request = api
        .request("admin", "GET", "/api/v1/applications", None)
        .await;
    request
        .headers_mut()
        .insert("accept-encoding", http::HeaderValue::from_static("gzip"));
    let response = api.send(request).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
}

fn push(event: &str, body: String) -> Request<Body> {
    Request::post("/api/webhook")
        .header("x-github-event", event)
        .body(Body::from(body))
        .expect("request")
}

fn payload(reference: &str) -> String {
    json!({
        "ref": reference, "before": "0".repeat(40), "after": "1".repeat(40),
        "repository": {"html_url": "https://git.example/x", "clone_url": "https://git.example/x.git", "default_branch": "main"},
        "commits": [],
    })
    .to_string()
}

#[tokio::test]
async fn a_push_has_the_repository_looked_at() {
    let api = Api::new().await;
    api.world.put(app("x", "default"));
    let mut other = app("y", "default");
    other["spec"]["source"]["targetRevision"] = json!("dev");
    api.world.put(other);
    api.server.index().fill();
    api.world.follow_repositories(1);
    assert_eq!(
        api.answer(push("push", payload("refs/heads/main")))
            .await
            .status,
        StatusCode::OK
    );
    while api.world.nudged().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(
        api.world.stored("x")["metadata"]["annotations"].is_null(),
        "the controller is told by the repository"
    );

    // Followed by nobody here: the applications that follow the branch are asked themselves.
    api.world.follow_repositories(0);
    assert_eq!(
        api.answer(push("push", payload("refs/heads/main")))
            .await
            .status,
        StatusCode::OK
    );
    while api.world.stored("x")["metadata"]["annotations"]["argocd.argoproj.io/refresh"] != "normal"
    {
        tokio::task::yield_now().await;
    }
    assert!(api.world.stored("y")["metadata"]["annotations"].is_null());
}

#[tokio::test]
async fn malformed_payloads_are_refused_and_harm_nobody() {
    let api = Api::new().await;
    let good = payload("refs/heads/main");
    let mut bodies: Vec<String> = [
        "",
        "{",
        "null",
        "[]",
        "7",
        "{}",
        "{\"ref\":7}",
        "{\"ref\":null,\"repository\":null}",
        "\u{0}",
    ]
    .map(str::to_owned)
    .into();
    bodies.push("[".repeat(200_000));
    bodies.push("{\"a\":".repeat(100_000));
    for end in (0..good.len()).step_by(7) {
        bodies.push(good.get(..end).unwrap_or_default().to_owned());
    }
    for body in bodies {
        for event in ["push", "ping", "nonsense", "pull_request"] {
            let status = api.answer(push(event, body.clone())).await.status;
            assert!(
                status == StatusCode::OK || status == StatusCode::BAD_REQUEST,
                "{event} {body:.40}: {status}"
            );
        }
    }
    let unknown = Request::post("/api/webhook")
        .body(Body::from(good))
        .expect("request");
    assert_eq!(api.answer(unknown).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        api.get("", "/api/webhook").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    api.world.settings.lock().max_webhook_body = 10;
    let large = api.answer(push("push", payload("refs/heads/main"))).await;
    assert_eq!(large.status, StatusCode::BAD_REQUEST);
    assert_eq!(api.get("", "/healthz").await.text, "ok");
}

#[tokio::test]
async fn metrics_count_answers_by_route() {
    let api = Api::new().await;
    api.get("", "/api/v1/applications").await;
    api.post(
        "",
        "/api/v1/session",
        &json!({"username": "admin", "password": "password"}),
    )
    .await
    .ok();
    let text = api.get("", "/metrics").await.text;
    for line in [
        "argocd_login_request_total{status=\"success\"} 1",
        "argocd_info{version=\"v0.0.0-test\"} 1",
        "driftless_api_handled_total{method=\"GET\",route=\"/api/v1/applications\",code=\"Unauthenticated\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
