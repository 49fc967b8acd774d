//! An HTTP server on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use driftless_analysis::{Measure as _, MeasureError};
use driftless_rollout::Value;
use serde_json::{Value as Json, json};

use crate::setup::{ctx, lowered, providers, source, values};

/// Serves and returns the address.
pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn measured(web: Json) -> Result<Value, MeasureError> {
    providers()
        .measure(&source(json!({"web": web})), &ctx())
        .await
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_value_at_a_path() {
    let answer = r#"{"data": {"ok": true, "rates": [0.5, 0.75], "name": "fraud", "none": null}}"#;
    let router = Router::new()
        .route("/json", get(move || async move { answer }))
        .route("/text", get(|| async { "all good" }))
        .route("/number", get(|| async { "0.25\n" }));
    let address = serve(router).await;
    for (path, wanted) in [
        ("{$.data.ok}", Value::Bool(true)),
        ("{$.data.rates[-1:]}", Value::Float(0.75)),
        ("{.data.name}", Value::Text("fraud".to_owned())),
        ("{$.data.none}", Value::Null),
    ] {
        let value = measured(json!({"url": format!("{address}/json"), "jsonPath": path})).await;
        assert_eq!(value, Ok(wanted), "{path}");
    }
    let value = measured(json!({"url": format!("{address}/text")})).await;
    assert_eq!(value, Ok(Value::Text("all good".to_owned())));
    let value = measured(json!({"url": format!("{address}/number")})).await;
    assert_eq!(value, Ok(Value::Float(0.25)));
    let error =
        measured(json!({"url": format!("{address}/json"), "jsonPath": "{$.data.score}"})).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("score is not found"), "{error}");
    let error = measured(json!({"url": format!("{address}/text"), "jsonPath": "{$.a}"})).await;
    assert!(error.unwrap_err().to_string().contains("not JSON"));
}

#[tokio::test]
async fn method_body_and_headers_are_sent() {
    let echo = |method: axum::http::Method, headers: HeaderMap, body: Bytes| async move {
        json!({
            "method": method.as_str(), "body": String::from_utf8_lossy(&body),
            "type": text(&headers, "content-type"), "key": text(&headers, "x-key"),
        })
        .to_string()
    };
    let address = serve(Router::new().route("/", any(echo))).await;
    let value = measured(json!({
        "url": address, "method": "POST", "jsonBody": {"model": "fraud"},
        "headers": [{"key": "X-Key", "value": "{{args.token}}"}],
    }))
    .await;
    // The source sends the key back, and it is hidden.
    let wanted = json!({"method": "POST", "body": "{\"model\":\"fraud\"}", "type": "application/json", "key": "****"});
    assert_eq!(value, Ok(Value::from(wanted)));
    let value = measured(json!({
        "url": address, "method": "PUT", "body": "a=1", "headers": [{"key": "content-type", "value": "x/y"}],
        "jsonPath": "{.type}",
    }))
    .await;
    assert_eq!(value, Ok(Value::Text("x/y".to_owned())));
}

#[tokio::test]
async fn servers_that_misbehave_give_errors_without_secrets() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let elsewhere = serve(Router::new().route(
        "/",
        get(move || {
            count.fetch_add(1, Ordering::SeqCst);
            async { "true" }
        }),
    ))
    .await;
    let refuses = |headers: HeaderMap| async move {
        let words = format!("no entry for {}", text(&headers, "authorization"));
        (StatusCode::FORBIDDEN, words)
    };
    let router = Router::new()
        .route("/refuses", get(refuses))
        .route(
            "/moved",
            get(move || {
                let elsewhere = elsewhere.clone();
                async move { (StatusCode::FOUND, [(header::LOCATION, elsewhere)]).into_response() }
            }),
        )
        .route("/large", get(|| async { vec![b'1'; 5 << 20] }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_secs(600)).await;
                "true"
            }),
        );
    let address = serve(router).await;
    for (path, words) in [
        ("refuses", "403: no entry for Bearer ****"),
        ("moved", "redirects are not followed"),
        ("large", "more than"),
        ("slow", "no answer within 1 s"),
    ] {
        let error = measured(json!({
            "url": format!("{address}/{path}"), "timeoutSeconds": 1,
            "headers": [{"key": "Authorization", "value": "Bearer {{args.token}}"}],
        }))
        .await
        .unwrap_err()
        .to_string();
        assert!(error.contains(words), "{path}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert_eq!(
        asked.load(Ordering::SeqCst),
        0,
        "the credentials went elsewhere"
    );
    let metadata =
        json!({"name": "m", "provider": {"web": {"url": "http://169.254.169.254/latest"}}});
    let error = lowered(metadata, &values()).unwrap_err();
    assert!(error.contains("serves credentials"), "{error}");
}

#[tokio::test]
async fn tokens_are_asked_for_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let token = move |headers: HeaderMap, body: String| {
        count.fetch_add(1, Ordering::SeqCst);
        let known = text(&headers, "authorization") == "Basic aWQ6aHVudGVyMi10b2tlbg==";
        async move {
            let is_good = known && body == "grant_type=client_credentials&scope=read";
            if is_good {
                r#"{"access_token": "t1", "expires_in": 3600}"#.into_response()
            } else {
                StatusCode::UNAUTHORIZED.into_response()
            }
        }
    };
    let value = |headers: HeaderMap| async move {
        if text(&headers, "authorization") == "Bearer t1" {
            "true".into_response()
        } else {
            StatusCode::UNAUTHORIZED.into_response()
        }
    };
    let router = Router::new()
        .route("/token", post(token))
        .route("/", get(value));
    let address = serve(router).await;
    let oauth2 = |secret: &str| {
        json!({"web": {"url": address, "authentication": {"oauth2": {
            "tokenUrl": format!("{address}/token"), "clientId": "id", "clientSecret": secret, "scopes": ["read"],
        }}}})
    };
    let providers = providers();
    let good = source(oauth2("{{args.token}}"));
    for _ in 0..2 {
        assert_eq!(
            providers.measure(&good, &ctx()).await,
            Ok(Value::Bool(true))
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let error = providers
        .measure(&source(oauth2("wrong-secret")), &ctx())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("OAuth 2"), "{error}");
    assert!(!error.to_string().contains("wrong-secret"), "{error}");
}
