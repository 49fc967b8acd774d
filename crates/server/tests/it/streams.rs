//! Streams: what is there, then what changes, for as long as the reader may see it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::world::{Api, Options, accounts, app};

const STREAM: &str = "/api/v1/stream/applications";

struct Reader {
    body: BodyDataStream,
    rest: String,
}

impl Reader {
    async fn open(api: &Api, user: &str, path: &str) -> Self {
        let request = api.request(user, "GET", path, None).await;
        let response = api.send(request).await;
        assert_eq!(response.status(), http::StatusCode::OK);
        Self {
            body: response.into_body().into_data_stream(),
            rest: String::new(),
        }
    }

    /// Returns the next document, or nothing at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.rest.split_once('\n') {
                let document =
                    (!line.is_empty()).then(|| serde_json::from_str(line).expect("JSON"));
                self.rest = rest.to_owned();
                if document.is_some() {
                    return document;
                }
                continue;
            }
            let bytes = self.body.next().await?.expect("body");
            self.rest
                .push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }

    async fn event(&mut self) -> (String, String) {
        let document = self.next().await.expect("an event");
        let result = &document["result"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&result["type"]),
            text(&result["application"]["metadata"]["name"]),
        )
    }
}

fn event(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_shows_what_is_there_and_then_what_changes() {
    let api = Api::new().await;
    api.world.put(app("a", "team"));
    api.world.put(app("b", "default"));
    api.server.index().fill();
    let mut all = Reader::open(&api, "admin", STREAM).await;
    assert_eq!(all.event().await, event("ADDED", "a"));
    assert_eq!(all.event().await, event("ADDED", "b"));
    let mut team = Reader::open(&api, "team", STREAM).await;
    assert_eq!(team.event().await, event("ADDED", "a"));

    api.world
        .edit("b", |app| app["spec"]["source"]["path"] = json!("q"));
    assert_eq!(all.event().await, event("MODIFIED", "b"));
    // Into and out of sight.
    api.world
        .edit("b", |app| app["spec"]["project"] = json!("team"));
    assert_eq!(all.event().await, event("MODIFIED", "b"));
    assert_eq!(team.event().await, event("ADDED", "b"));
    api.world
        .edit("b", |app| app["spec"]["project"] = json!("default"));
    assert_eq!(team.event().await, event("DELETED", "b"));
    api.world.remove("a");
    assert_eq!(team.event().await, event("DELETED", "a"));
}

#[tokio::test]
async fn a_watch_from_a_version_tells_only_what_is_newer() {
    let api = Api::new().await;
    api.world.put(app("a", "team"));
    api.server.index().fill();
    let list = api.get("admin", "/api/v1/applications").await.ok();
    let version = list["metadata"]["resourceVersion"]
        .as_str()
        .expect("version")
        .to_owned();
    api.world.put(app("b", "team"));
    api.server.index().fill();
    let mut reader = Reader::open(
        &api,
        "admin",
        &format!("{STREAM}?resourceVersion={version}"),
    )
    .await;
    assert_eq!(reader.event().await, event("ADDED", "b"));
    api.world
        .edit("a", |app| app["spec"]["source"]["path"] = json!("q"));
    assert_eq!(reader.event().await, event("MODIFIED", "a"));
    // One application by name is shown whatever the version.
    let mut one = Reader::open(
        &api,
        "admin",
        &format!("{STREAM}?name=a&resourceVersion=9999"),
    )
    .await;
    assert_eq!(one.event().await, event("ADDED", "a"));
    api.world
        .edit("b", |app| app["spec"]["source"]["path"] = json!("r"));
    api.world
        .edit("a", |app| app["spec"]["source"]["path"] = json!("r"));
    assert_eq!(
        one.event().await,
        event("MODIFIED", "a"),
        "nothing of others"
    );
}

#[tokio::test]
async fn a_reader_that_lags_gets_the_last_state_once() {
    let api = Api::new().await;
    api.world.put(app("a", "team"));
    api.server.index().fill();
    let mut reader = Reader::open(&api, "admin", &format!("{STREAM}?fields=result.type,result.application.metadata.name,result.application.spec.source.path")).await;
    assert_eq!(reader.event().await, event("ADDED", "a"));
    let subscription = api.server.index().subscribe(None);
    for round in 0..500 {
        api.world.edit("a", |app| {
            app["spec"]["source"]["path"] = json!(format!("round-{round}"));
        });
        api.server.index().fill();
    }
    assert_eq!(
        subscription.take(1000).len(),
        1,
        "one entry however often it changed"
    );
    let document = reader.next().await.expect("event");
    assert_eq!(
        document["result"],
        json!({"type": "MODIFIED", "application": {"metadata": {"name": "a"}, "spec": {"source": {"path": "round-499"}}}})
    );
}

#[tokio::test]
async fn filters_and_frames() {
    let api = Api::new().await;
    api.world.put(app("a", "team"));
    api.world.put(app("b", "default"));
    api.server.index().fill();
    let mut reader = Reader::open(&api, "admin", &format!("{STREAM}?project=default")).await;
    assert_eq!(reader.event().await, event("ADDED", "b"));

    let mut request = api.request("admin", "GET", STREAM, None).await;
    request.headers_mut().insert(
        "accept",
        http::HeaderValue::from_static("text/event-stream"),
    );
    let response = api.send(request).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(
        response.headers().get("content-encoding").is_none(),
        "streams are not held back to be compressed"
    );
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while text.matches("data:").count() < 2 {
        let bytes = body.next().await.expect("more").expect("body");
        text.push_str(std::str::from_utf8(&bytes).expect("text"));
    }
    assert!(text.starts_with(":\n\n"), "the first beat is at once");
    assert!(
        text.contains("data: {\"result\":{\"type\":\"ADDED\",\"application\":{")
            && text.ends_with("}}\n\n"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_right_to_read_it() {
    let options = Options {
        recheck: Duration::from_secs(5),
        ..Options::default()
    };
    let api = Arc::new(Api::with(options).await);
    api.world.put(app("a", "team"));
    api.server.index().fill();
    api.world.set_tree(
        "a",
        &json!([{"version": "v1", "kind": "Pod", "namespace": "n", "name": "p", "uid": "u"}]),
    );
    let mut readers = Vec::new();
    for path in [
        STREAM,
        "/api/v1/stream/applications/a/resource-tree",
        "/api/v1/applications/a/logs?podName=p&namespace=n&follow=true",
    ] {
        let mut reader = Reader::open(&api, "team", path).await;
        assert!(
            reader
                .next()
                .await
                .expect("something")
                .get("result")
                .is_some()
        );
        readers.push((path, reader));
    }
    let mut config = accounts();
    config.accounts.remove("team");
    api.server.deps().sessions.reload(config);
    for (path, mut reader) in readers {
        loop {
            let document = reader
                .next()
                .await
                .unwrap_or_else(|| panic!("{path} ended without a word"));
            if let Some(error) = document.get("error") {
                assert_eq!(error["http_code"], 401, "{path}: {error}");
                break;
            }
        }
        assert_eq!(reader.next().await, None, "{path}: nothing after the error");
    }
}

#[tokio::test]
async fn trees_are_sent_when_they_change() {
    let api = Api::new().await;
    api.world.put(app("a", "team"));
    api.world.set_tree("a", &json!([]));
    let path = "/api/v1/stream/applications/a/resource-tree";
    let mut reader = Reader::open(&api, "admin", path).await;
    assert_eq!(
        reader.next().await.expect("tree")["result"],
        json!({"nodes": []})
    );
    api.world.set_tree(
        "a",
        &json!([{"version": "v1", "kind": "Pod", "namespace": "n", "name": "p", "uid": "u"}]),
    );
    let tree = reader.next().await.expect("tree");
    assert_eq!(tree["result"]["nodes"][0]["name"], "p");
}

#[tokio::test]
async fn events_are_told_again_whenever_one_is_new() {
    let api = Api::new().await;
    api.world.put(app("a", "team"));
    api.server.index().fill();
    let path = format!("{STREAM}/a/events");
    let names = |document: &Value| -> Vec<String> {
        let items = document["result"]["items"].as_array().expect("items");
        let name = |item: &Value| item["metadata"]["name"].as_str().expect("name").to_owned();
        items.iter().map(name).collect()
    };
    let mut reader = Reader::open(&api, "team", &path).await;
    let first = reader.next().await.expect("what is there");
    assert_eq!(names(&first), ["a.1"]);
    assert!(
        first["result"]["items"][0]["metadata"]
            .get("managedFields")
            .is_none()
    );
    let event = |name: &str| json!({"metadata": {"name": name}});
    api.world.tell_events(vec![event("a.1"), event("a.2")]);
    assert_eq!(names(&reader.next().await.expect("news")), ["a.1", "a.2"]);

    let nodes = json!([{"kind": "Pod", "namespace": "a", "name": "p", "uid": "u"}]);
    api.world.set_tree("a", &nodes);
    let about = |name: &str| format!("{path}?resourceName={name}&resourceNamespace=a");
    let mut pod = Reader::open(&api, "team", &about("p")).await;
    assert_eq!(names(&pod.next().await.expect("pod")), ["p.object"]);
    let stranger = api.get("team", &about("q")).await;
    stranger.refused(400, 3, "q not found as part of application a resources");
    api.get("nobody", &path)
        .await
        .refused(403, 7, "permission denied");
}
