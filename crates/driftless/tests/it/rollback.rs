//! Going back, and staying there although automation is on.

use driftless_testkit::expect::{
    condition, exists, history_of, no_condition, settled, succeeded, synced, value,
};
use driftless_testkit::git::write;
use driftless_testkit::manifest::config_map;
use driftless_testkit::{Kind, World};
use serde_json::{Value, json};

use crate::given;

/// A story with two deployments: `a` was "good", then "bad".
async fn two_deployments(name: &str, spec: Value) -> World {
    given(name)
        .file("a.yaml", config_map("a", "good"))
        .spec(spec)
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .when()
        .commit_file("a.yaml", config_map("a", "bad"))
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "bad"))
        .expect(settled())
        .await
}

async fn first_id(world: &World) -> i64 {
    world
        .app()
        .await
        .pointer("/status/history/0/id")
        .and_then(Value::as_i64)
        .unwrap()
}

#[tokio::test]
async fn rollback_applies_what_the_history_says() {
    let world = two_deployments("back", json!({})).await;
    let id = first_id(&world).await;
    world
        .when()
        .rollback(id)
        .then()
        .expect(value("a", "good"))
        .expect(history_of(3))
        .await;
}

#[tokio::test]
async fn rollback_works_with_automation_on_and_quarantines_the_revision() {
    let automated = json!({"syncPolicy": {"automated": {"selfHeal": true}}});
    let world = two_deployments("back-auto", automated).await;
    let (id, left) = (first_id(&world).await, world.repo.id("main").unwrap());
    world
        .when()
        .rollback(id)
        .then()
        .expect(value("a", "good"))
        .expect(condition("QuarantinedRevisionWarning", left))
        .expect(settled())
        // Automation looks again and does not bring the quarantined revision back.
        .when()
        .refresh()
        .then()
        .expect(settled())
        .expect(value("a", "good"))
        .await;
}

#[tokio::test]
async fn the_next_commit_ends_the_quarantine() {
    let automated = json!({"syncPolicy": {"automated": {"selfHeal": true}}});
    let world = two_deployments("back-next", automated).await;
    let id = first_id(&world).await;
    world
        .when()
        .rollback(id)
        .then()
        .expect(value("a", "good"))
        .expect(settled())
        .when()
        .commit_file("a.yaml", config_map("a", "better"))
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "better"))
        .expect(no_condition("QuarantinedRevisionWarning"))
        .await;
}

#[tokio::test]
async fn drift_is_healed_towards_the_revision_that_was_rolled_back_to() {
    let automated = json!({"syncPolicy": {"automated": {"selfHeal": true}}});
    let world = two_deployments("back-heal", automated).await;
    let id = first_id(&world).await;
    world
        .when()
        .rollback(id)
        .then()
        .expect(value("a", "good"))
        .expect(settled())
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"value": "by hand"}}))
        .then()
        .expect(value("a", "good"))
        .await;
}

#[tokio::test]
async fn a_quarantine_outlives_a_restart() {
    let world = given("back-restart")
        .file("a.yaml", config_map("a", "good"))
        .automated(json!({}))
        .own_instance()
        .then()
        .expect(synced())
        .expect(settled())
        .when()
        .commit_file("a.yaml", config_map("a", "bad"))
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "bad"))
        .expect(settled())
        .await;
    let id = first_id(&world).await;
    let left = world.repo.id("main").unwrap();
    world
        .when()
        .rollback(id)
        .then()
        .expect(value("a", "good"))
        .expect(settled())
        .when()
        .kill()
        .restart()
        .refresh()
        .then()
        .expect(settled())
        .expect(condition("QuarantinedRevisionWarning", left))
        .expect(value("a", "good"))
        .await;
}

#[tokio::test]
async fn rollback_works_while_the_repository_is_away() {
    let repo = std::sync::Arc::new(driftless_testkit::GitRepo::create());
    repo.commit(&[write("app/a.yaml", config_map("a", "good"))]);
    let server = driftless_testkit::HttpGit::serve(&repo);
    let world = given("back-away")
        .repo(repo)
        .source_url(server.url())
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .when()
        .commit_file("a.yaml", config_map("a", "bad"))
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "bad"))
        .expect(settled())
        .await;
    let id = first_id(&world).await;
    server.inject(driftless_testkit::git::Fault::Down);
    world
        .when()
        .rollback(id)
        .then()
        .expect(value("a", "good"))
        .await;
}

#[tokio::test]
async fn an_id_that_is_not_in_the_history_is_an_error() {
    let world = given("back-unknown")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(settled())
        .await;
    let path = format!("/api/v1/applications/{}/rollback", world.name);
    let (code, answer) = world
        .driftless
        .rest(http::Method::POST, &path, Some(json!({"id": 99})))
        .await;
    assert!((400..500).contains(&code), "{code}: {answer}");
    world.then().expect(exists(Kind::CONFIG_MAP, "a")).await;
}
