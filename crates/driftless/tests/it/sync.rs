//! How a sync proceeds: order, dry run, options, selection, retry, termination.

use driftless_testkit::expect::{
    absent, equals, exists, failed, live_field, result, running, settled, succeeded, sync_status,
    synced, value,
};
use driftless_testkit::git::write;
use driftless_testkit::manifest::{
    annotated_config_map, config_map, deployment, documents, hook_job,
};
use driftless_testkit::{Kind, World};
use serde_json::{Value, json};

use crate::given;

const WAVE: &str = "argocd.argoproj.io/sync-wave";
const OPTIONS: &str = "argocd.argoproj.io/sync-options";

/// Returns when an object was created, in a form that can be compared.
async fn created(world: &World, kind: Kind, name: &str) -> String {
    let object = world.live(kind, name).await.unwrap();
    object
        .pointer("/metadata/creationTimestamp")
        .and_then(Value::as_str)
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn everything_is_applied_with_the_tracking_annotation() {
    let world = given("sync-all")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(result(Kind::CONFIG_MAP, "a", "Synced", ""))
        .await;
    let object = world.live(Kind::CONFIG_MAP, "a").await.unwrap();
    let id = object
        .pointer("/metadata/annotations/argocd.argoproj.io~1tracking-id")
        .and_then(Value::as_str);
    let wanted = format!("{}:/ConfigMap:{}/a", world.name, world.namespace);
    assert_eq!(id, Some(wanted.as_str()));
    let managers = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .unwrap();
    assert!(
        managers
            .iter()
            .any(|one| one["manager"] == "argocd-controller" && one["operation"] == "Apply"),
        "{managers:?}"
    );
}

#[tokio::test]
async fn a_wave_begins_when_the_one_before_it_is_healthy() {
    let slow = [("devcluster.driftless.dev/start-delay", "3s")];
    let world = given("sync-wave")
        .file("first.yaml", deployment("first", 1, &slow))
        .file(
            "second.yaml",
            annotated_config_map("second", &[(WAVE, "1")]),
        )
        .when()
        .sync()
        .then()
        .expect(exists(Kind::DEPLOYMENT, "first"))
        .expect(running("first"))
        .expect(absent(Kind::CONFIG_MAP, "second"))
        .expect(succeeded())
        .expect(exists(Kind::CONFIG_MAP, "second"))
        .await;
    let first = world.live(Kind::DEPLOYMENT, "first").await.unwrap();
    assert_eq!(first.pointer("/status/readyReplicas"), Some(&json!(1)));
}

#[tokio::test]
async fn waves_count_from_below_zero() {
    let world = given("sync-negative")
        .file("a.yaml", annotated_config_map("last", &[(WAVE, "1")]))
        .file("b.yaml", annotated_config_map("first", &[(WAVE, "-1")]))
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    let (first, last) = (
        created(&world, Kind::CONFIG_MAP, "first").await,
        created(&world, Kind::CONFIG_MAP, "last").await,
    );
    assert!(first <= last, "first at {first}, last at {last}");
    let results = world.app().await;
    let results = results
        .pointer("/status/operationState/syncResult/resources")
        .and_then(Value::as_array)
        .cloned()
        .unwrap();
    let names: Vec<&str> = results
        .iter()
        .filter_map(|result| result["name"].as_str())
        .collect();
    assert_eq!(names, ["first", "last"]);
}

#[tokio::test]
async fn what_others_need_comes_first() {
    // The account would be refused without its namespace, and the file names suggest the wrong order.
    let namespace = driftless_testkit::unique("sync-kinds-ns");
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": namespace}});
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    given("sync-kinds")
        .file("a.yaml", account.to_string())
        .file("z.yaml", object.to_string())
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .await;
}

#[tokio::test]
async fn nothing_is_applied_when_the_dry_run_fails() {
    let bad = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 70000}]}});
    given("sync-dry")
        .file("a.yaml", config_map("a", "1"))
        .file("web.yaml", bad.to_string())
        .when()
        .sync()
        .then()
        .expect(failed("dry run"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn a_dry_run_on_request_changes_nothing() {
    given("sync-dry-only")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync_with(json!({"dryRun": true}))
        .then()
        .expect(succeeded())
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .expect(equals("sync status", "/status/sync/status", "OutOfSync"))
        .await;
}

#[tokio::test]
async fn the_destination_namespace_is_created_on_request() {
    let labels = json!({"syncPolicy": {"managedNamespaceMetadata": {"labels": {"team": "ml"}}}});
    let world = given("sync-ns")
        .file("a.yaml", config_map("a", "1"))
        .without_namespace()
        .sync_options(&["CreateNamespace=true"])
        .spec(labels)
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .await;
    let namespace = Kind::NAMESPACE
        .read(&world.client, "", &world.namespace)
        .await
        .unwrap();
    assert_eq!(
        namespace.pointer("/metadata/labels/team"),
        Some(&json!("ml"))
    );
    // What the last sync did not give the namespace is a difference, although no object is one.
    let other = json!({"labels": {"team": "web"}});
    let world = world
        .when()
        .patch_app(json!({"spec": {"syncPolicy": {"managedNamespaceMetadata": other}}}))
        .then()
        .expect(sync_status("OutOfSync"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .expect(settled())
        .await;
    let namespace = Kind::NAMESPACE
        .read(&world.client, "", &world.namespace)
        .await
        .unwrap();
    assert_eq!(
        namespace.pointer("/metadata/labels/team"),
        Some(&json!("web"))
    );
}

#[tokio::test]
async fn a_missing_namespace_is_an_error() {
    let world = given("sync-no-ns")
        .file("a.yaml", config_map("a", "1"))
        .without_namespace()
        .when()
        .sync()
        .then()
        .expect(failed("dry run"))
        .await;
    let state = world.app().await["status"]["operationState"].to_string();
    assert!(state.contains("not found"), "{state}");
}

#[tokio::test]
async fn without_prune_an_extra_object_stays_and_is_reported() {
    given("sync-keep")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_removal("b.yaml")
        .sync()
        .then()
        .expect(succeeded())
        .expect(result(
            Kind::CONFIG_MAP,
            "b",
            "PruneSkipped",
            "ignored (requires pruning)",
        ))
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn an_object_that_forbids_it_is_not_pruned() {
    given("sync-forbid")
        .file("a.yaml", config_map("a", "1"))
        .file(
            "b.yaml",
            annotated_config_map("b", &[(OPTIONS, "Prune=false")]),
        )
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_removal("b.yaml")
        .sync_with(json!({"prune": true}))
        .then()
        .expect(succeeded())
        .expect(result(
            Kind::CONFIG_MAP,
            "b",
            "PruneSkipped",
            "ignored (no prune)",
        ))
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn prune_last_deletes_after_everything_else_is_healthy() {
    let slow = [("devcluster.driftless.dev/start-delay", "3s")];
    given("sync-last")
        .file("old.yaml", config_map("old", "1"))
        .sync_options(&["PruneLast=true"])
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit(vec![
            driftless_testkit::git::remove("app/old.yaml"),
            write("app/web.yaml", deployment("web", 1, &slow)),
        ])
        .sync_with(json!({"prune": true}))
        .then()
        .expect(running("web"))
        .expect(exists(Kind::CONFIG_MAP, "old"))
        .expect(succeeded())
        .expect(absent(Kind::CONFIG_MAP, "old"))
        .expect(live_field(
            Kind::DEPLOYMENT,
            "web",
            "/status/readyReplicas",
            json!(1),
        ))
        .await;
}

#[tokio::test]
async fn only_the_selected_objects_are_synced() {
    let world = given("sync-select")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .when()
        .sync_with(json!({"resources": [{"group": "", "kind": "ConfigMap", "name": "b"}]}))
        .then()
        .expect(succeeded())
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .expect(settled())
        .await;
    let app = world.app().await;
    assert_eq!(
        app.pointer("/status/history"),
        None,
        "a selective sync is no deployment"
    );
}

#[tokio::test]
async fn a_failed_sync_is_tried_again_after_a_while() {
    let world = given("sync-retry").file("a.yaml", config_map("a", "1")).without_namespace()
        .spec(json!({"syncPolicy": {"retry": {"limit": 20, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "1s"}}}}))
        .await;
    world.patch_app(json!({"operation": {"retry": {"limit": 20, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "1s"}},
        "sync": {}}})).await;
    let world = world.then().expect(running("etry")).await;
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}});
    Kind::NAMESPACE.create(&world.client, "", namespace).await;
    let world = world
        .then()
        .expect(succeeded())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .await;
    let retries = world
        .app()
        .await
        .pointer("/status/operationState/retryCount")
        .and_then(Value::as_i64);
    assert!(retries > Some(0), "{retries:?}");
}

#[tokio::test]
async fn a_running_sync_can_be_terminated() {
    let forever = [("devcluster.driftless.dev/run-for", "1h")];
    given("sync-terminate")
        .file("hook.yaml", hook_job("before", "PreSync", &[], &forever))
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(running("before"))
        .expect(exists(Kind::JOB, "before"))
        .when()
        .terminate()
        .then()
        .expect(failed("terminated"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn an_explicit_revision_is_synced_although_it_is_not_the_newest() {
    let world = given("sync-revision")
        .file("a.yaml", config_map("a", "old"))
        .await;
    let old = world.repo.id("main").unwrap();
    world
        .when()
        .commit_file("a.yaml", config_map("a", "new"))
        .sync_with(json!({"revision": old}))
        .then()
        .expect(succeeded())
        .expect(value("a", "old"))
        .await;
}

#[tokio::test]
async fn two_hundred_objects_are_synced() {
    let many: Vec<String> = (0..200)
        .map(|n| config_map(&format!("cm-{n}"), "1"))
        .collect();
    given("sync-many")
        .file("many.yaml", documents(&many))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "cm-199"))
        .await;
}
