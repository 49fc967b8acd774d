//! What the Application's status, history and events say.

use driftless_testkit::Kind;
use driftless_testkit::expect::{
    condition, equals, event, failed, history_of, no_condition, resource, settled, succeeded,
    sync_status, synced,
};
use driftless_testkit::manifest::config_map;
use serde_json::{Value, json};

use crate::given;

#[tokio::test]
async fn an_application_that_was_not_synced_says_what_is_missing() {
    let world = given("status-new")
        .file("a.yaml", config_map("a", "1"))
        .then()
        .expect(sync_status("OutOfSync"))
        .expect(resource(Kind::CONFIG_MAP, "a", "OutOfSync"))
        .expect(equals("source type", "/status/sourceType", "Directory"))
        .await;
    let status = world.app().await["status"].clone();
    assert_eq!(status["sync"]["revision"], json!(world.repo.id("main")));
    assert_eq!(
        status["sync"]["comparedTo"]["source"],
        world.manifest["spec"]["source"]
    );
    assert!(status["reconciledAt"].is_string(), "{status:#}");
}

#[tokio::test]
async fn the_operation_tells_what_it_did() {
    let world = given("status-op")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(settled())
        .await;
    let app = world.app().await;
    let state = &app["status"]["operationState"];
    assert_eq!(state["message"], "successfully synced (all tasks run)");
    assert_eq!(state["operation"]["initiatedBy"]["username"], "tester");
    assert_eq!(
        state["syncResult"]["revision"],
        json!(world.repo.id("main"))
    );
    assert!(state["startedAt"].is_string() && state["finishedAt"].is_string());
    let result = &state["syncResult"]["resources"][0];
    assert_eq!(
        (
            &result["kind"],
            &result["name"],
            &result["status"],
            &result["syncPhase"]
        ),
        (
            &json!("ConfigMap"),
            &json!("a"),
            &json!("Synced"),
            &json!("Sync")
        )
    );
    assert_eq!(app.get("operation"), None::<&Value>);
}

#[tokio::test]
async fn each_deployment_is_recorded() {
    let world = given("status-history")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(history_of(1))
        .expect(settled())
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .sync()
        .then()
        .expect(synced())
        .expect(history_of(2))
        .await;
    let history = world.app().await["status"]["history"].clone();
    assert!(
        history[0]["id"].as_i64() < history[1]["id"].as_i64(),
        "{history:#}"
    );
    assert_eq!(history[1]["revision"], json!(world.repo.id("main")));
    assert!(
        history[1]["deployedAt"].is_string() && history[1]["source"].is_object(),
        "{history:#}"
    );
    assert_eq!(history[1]["initiatedBy"]["username"], "tester");
}

#[tokio::test]
async fn the_history_keeps_as_many_entries_as_it_should() {
    given("status-limit")
        .file("a.yaml", config_map("a", "1"))
        .spec(json!({"revisionHistoryLimit": 2}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .when()
        .commit_file("a.yaml", config_map("a", "3"))
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .expect(history_of(2))
        .await;
}

#[tokio::test]
async fn events_tell_the_story() {
    given("status-events")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({}))
        .then()
        .expect(synced())
        .expect(event("OperationStarted", "Initiated automated sync to"))
        .expect(event("OperationCompleted", "succeeded"))
        .expect(event(
            "ResourceUpdated",
            "Updated sync status: OutOfSync -> Synced",
        ))
        .await;
}

#[tokio::test]
async fn a_failed_operation_is_an_event_too() {
    let bad = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 70000}]}});
    given("status-failed")
        .file("web.yaml", bad.to_string())
        .when()
        .sync()
        .then()
        .expect(failed(""))
        .expect(event("OperationCompleted", "failed"))
        .await;
}

#[tokio::test]
async fn an_invalid_spec_is_named_and_can_be_corrected() {
    given("status-invalid")
        .file("a.yaml", config_map("a", "1"))
        .spec(json!({"project": "no-such-project"}))
        .then()
        .expect(condition("InvalidSpecError", "no-such-project"))
        .when()
        .patch_app(json!({"spec": {"project": "default"}}))
        .then()
        .expect(sync_status("OutOfSync"))
        .expect(no_condition("InvalidSpecError"))
        .await;
}

#[tokio::test]
async fn two_ways_to_name_the_destination_are_an_error() {
    given("status-dest")
        .file("a.yaml", config_map("a", "1"))
        .spec(json!({"destination": {"name": "in-cluster"}}))
        .then()
        .expect(condition(
            "InvalidSpecError",
            "can't have both name and server defined",
        ))
        .await;
}

#[tokio::test]
async fn the_cluster_can_be_named_instead_of_addressed() {
    let world = given("status-name")
        .file("a.yaml", config_map("a", "1"))
        .without_app()
        .await;
    let mut app = world.manifest.clone();
    app["spec"]["destination"] = json!({"name": "in-cluster", "namespace": world.namespace});
    Kind::APPLICATION
        .create(&world.client, world.control(), app)
        .await;
    world.when().sync().then().expect(synced()).await;
}

#[tokio::test]
async fn fields_of_others_survive() {
    let foreign = json!({"info": [{"name": "owner", "value": "team-a"}]});
    let world = given("status-foreign")
        .file("a.yaml", config_map("a", "1"))
        .spec(foreign)
        .metadata(json!({"annotations": {"example.com/note": "mine"}, "labels": {"tier": "gold"}}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    let app = world.app().await;
    assert_eq!(app["spec"]["info"][0]["value"], "team-a");
    assert_eq!(app["metadata"]["annotations"]["example.com/note"], "mine");
    assert_eq!(app["metadata"]["labels"]["tier"], "gold");
}

#[tokio::test]
async fn a_settled_application_is_left_alone() {
    let world = given("status-quiet")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .when()
        .refresh()
        .then()
        .expect(settled())
        .await;
    let version = |app: &Value| app["metadata"]["resourceVersion"].clone();
    let before = version(&world.app().await);
    // Another application of the same instance goes through its whole life meanwhile.
    given("status-other")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    assert_eq!(
        version(&world.app().await),
        before,
        "{:#}",
        world.app().await
    );
}
