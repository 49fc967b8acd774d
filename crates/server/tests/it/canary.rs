//! A planted secret: whatever is asked, no answer holds it.

use axum::body::Body;
use futures::StreamExt;
use serde_json::json;

use crate::world::{Api, CANARY, app};

#[tokio::test]
async fn no_answer_holds_a_secret() {
    let api = Api::new().await;
    api.world.put(app("x", "default"));
    api.server.index().fill();
    api.world.set_tree(
        "x",
        &json!([
            {"version": "v1", "kind": "Secret", "namespace": "n", "name": "s", "uid": "u1"},
            {"version": "v1", "kind": "Pod", "namespace": "n", "name": "p", "uid": "u2"},
        ]),
    );
    api.world.set_loading();
    let secret =
        "/api/v1/applications/x/resource?kind=Secret&resourceName=s&namespace=n&version=v1";
    let asked = [
        ("GET", "/api/v1/applications", None),
        ("GET", "/api/v1/applications/x", None),
        ("GET", "/api/v1/applications/x/resource-tree", None),
        ("GET", "/api/v1/applications/x/managed-resources", None),
        ("GET", "/api/v1/applications/x/events", None),
        (
            "GET",
            "/api/v1/applications/x/logs?podName=p&namespace=n",
            None,
        ),
        ("GET", "/api/v1/applications/x/revisions/abc/metadata", None),
        ("GET", secret, None),
        (
            "POST",
            secret,
            Some(json!("{\"metadata\":{\"labels\":{\"a\":\"b\"}}}")),
        ),
        ("GET", "/api/v1/stream/applications?name=x", None),
        ("GET", "/api/v1/stream/applications/x/resource-tree", None),
        ("GET", "/api/v1/projects", None),
        ("GET", "/api/v1/projects/default", None),
        ("GET", "/api/v1/clusters", None),
        ("GET", "/api/v1/repositories", None),
        ("GET", "/api/v1/settings", None),
        ("GET", "/api/version", None),
        ("GET", "/api/v1/session/userinfo", None),
        ("GET", "/healthz?full=true", None),
        ("GET", "/metrics", None),
    ];
    for (method, path, body) in asked {
        let request = api.request("admin", method, path, body.as_ref()).await;
        let text = first(api.send(request).await.into_body()).await;
        assert!(!text.contains(CANARY), "{method} {path}: {text}");
        assert!(
            !text.contains("0123456789abcdef"),
            "{method} {path} shows the signing key"
        );
    }
    let managed = api
        .get("admin", "/api/v1/applications/x/managed-resources")
        .await
        .ok();
    assert!(
        managed["items"][0]["liveState"]
            .as_str()
            .expect("text")
            .contains("++++++++"),
        "hidden, not left out"
    );
}

/// Reads an answer; of a stream, what comes before the first pause.
async fn first(body: Body) -> String {
    let mut stream = body.into_data_stream();
    let mut text = String::new();
    while let Ok(Some(Ok(bytes))) =
        tokio::time::timeout(std::time::Duration::from_millis(300), stream.next()).await
    {
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    text
}
