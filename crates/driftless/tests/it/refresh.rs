//! What makes an Application look at Git again.

use driftless_testkit::expect::{revision, settled, sync_status, synced};
use driftless_testkit::git::write;
use driftless_testkit::manifest::config_map;
use driftless_testkit::{HttpGit, World};
use serde_json::{Value, json};

use crate::given;

/// A story that is settled at its first commit, with polling out of the way.
async fn settled_story(name: &str) -> World {
    given(name)
        .file("a.yaml", config_map("a", "1"))
        .setting("timeout.reconciliation", "1h")
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .await
}

#[tokio::test]
async fn the_annotation_refreshes_at_once_and_is_removed() {
    let world = settled_story("refresh")
        .await
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .refresh()
        .then()
        .expect(sync_status("OutOfSync"))
        .expect(settled())
        .await;
    let newest = world.repo.id("main").unwrap();
    world.then().expect(revision(newest)).await;
}

#[tokio::test]
async fn the_hard_annotation_refreshes_too() {
    settled_story("refresh-hard")
        .await
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .hard_refresh()
        .then()
        .expect(sync_status("OutOfSync"))
        .expect(settled())
        .await;
}

#[tokio::test]
async fn a_commit_is_found_by_polling() {
    given("refresh-poll")
        .file("a.yaml", config_map("a", "1"))
        .setting("timeout.reconciliation", "1s")
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .then()
        .expect(sync_status("OutOfSync"))
        .await;
}

#[tokio::test]
async fn a_push_webhook_refreshes_the_repository_it_names() {
    let repo = std::sync::Arc::new(driftless_testkit::GitRepo::create());
    repo.commit(&[write("app/a.yaml", config_map("a", "1"))]);
    let server = HttpGit::serve(&repo);
    let world = given("refresh-push")
        .repo(repo)
        .source_url(server.url())
        .setting("timeout.reconciliation", "1h")
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    let commit = world
        .repo
        .commit(&[write("app/a.yaml", config_map("a", "2"))]);
    let (code, answer) = push(&world, &server.url(), &commit).await;
    assert!(code < 300, "the webhook answered {code}: {answer}");
    world.then().expect(revision(commit)).await;
}

/// Sends what GitHub sends when somebody pushed to `main`.
async fn push(world: &World, url: &str, commit: &str) -> (u16, Value) {
    let body = json!({
        "ref": "refs/heads/main", "before": "0000000000000000000000000000000000000000", "after": commit,
        "repository": {"html_url": url, "clone_url": url, "default_branch": "main"},
        "commits": [{"added": [], "removed": [], "modified": ["app/a.yaml"]}],
    });
    let request = reqwest::Client::new()
        .post(format!("{}/api/webhook", world.driftless.url()))
        .header("x-github-event", "push")
        .json(&body);
    let answer = request.send().await.unwrap();
    let code = answer.status().as_u16();
    (code, json!(answer.text().await.unwrap_or_default()))
}

#[tokio::test]
async fn an_application_that_asks_to_be_skipped_gets_no_status() {
    let skipped = json!({"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}});
    let world = given("refresh-skip")
        .file("a.yaml", config_map("a", "1"))
        .metadata(skipped)
        .own_instance()
        .await;
    // Another application of the same instance that is served proves that there was time.
    given("refresh-other")
        .file("a.yaml", config_map("a", "1"))
        .instance(&world.driftless)
        .then()
        .expect(sync_status("OutOfSync"))
        .await;
    assert_eq!(world.app().await.get("status"), None);
}
