//! Automated sync: when it starts, what it dares, what it leaves to a person.

use driftless_testkit::Kind;
use driftless_testkit::expect::{
    absent, condition, exists, running, settled, still_exists, sync_status, synced, value,
};
use driftless_testkit::git::{Change, remove, write};
use driftless_testkit::manifest::{config_map, hook_job};
use serde_json::{Value, json};

use crate::given;

#[tokio::test]
async fn a_new_application_is_synced_by_itself() {
    let world = given("auto-new")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({}))
        .then()
        .expect(synced())
        .expect(value("a", "1"))
        .await;
    let by = world.app().await;
    assert_eq!(
        by.pointer("/status/operationState/operation/initiatedBy/automated"),
        Some(&json!(true))
    );
}

#[tokio::test]
async fn a_commit_is_synced_by_itself() {
    given("auto-commit")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({}))
        .then()
        .expect(synced())
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .await;
}

#[tokio::test]
async fn drift_stays_without_self_heal() {
    given("auto-noheal")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({}))
        .then()
        .expect(synced())
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"value": "by hand"}}))
        .refresh()
        .then()
        .expect(sync_status("OutOfSync"))
        .expect(settled())
        .expect(value("a", "by hand"))
        .await;
}

#[tokio::test]
async fn drift_is_healed_on_request() {
    given("auto-heal")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({"selfHeal": true}))
        .then()
        .expect(synced())
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"value": "by hand"}}))
        .then()
        .expect(value("a", "1"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn a_deleted_object_comes_back_with_self_heal() {
    given("auto-back")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({"selfHeal": true}))
        .then()
        .expect(synced())
        .when()
        .delete_live(Kind::CONFIG_MAP, "a")
        .then()
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn nothing_is_pruned_unless_asked_for() {
    given("auto-noprune")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .automated(json!({}))
        .then()
        .expect(synced())
        .when()
        .commit_removal("b.yaml")
        .refresh()
        .then()
        .expect(sync_status("OutOfSync"))
        .expect(settled())
        .expect(still_exists(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn what_left_git_is_pruned_on_request() {
    given("auto-prune")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .automated(json!({"prune": true}))
        .then()
        .expect(synced())
        .when()
        .commit_removal("b.yaml")
        .refresh()
        .then()
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn an_application_that_became_empty_keeps_its_objects() {
    given("auto-empty")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .automated(json!({"prune": true}))
        .then()
        .expect(synced())
        .when()
        .commit(vec![
            remove("app/a.yaml"),
            remove("app/b.yaml"),
            write("app/README.md", "empty"),
        ])
        .refresh()
        .then()
        .expect(condition(
            "SyncError",
            "auto-sync will wipe out all resources",
        ))
        .expect(settled())
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .expect(still_exists(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn an_application_may_become_empty_on_request() {
    let automated = json!({"prune": true, "allowEmpty": true});
    given("auto-allow")
        .file("a.yaml", config_map("a", "1"))
        .automated(automated)
        .then()
        .expect(synced())
        .when()
        .commit(vec![remove("app/a.yaml"), write("app/README.md", "empty")])
        .refresh()
        .then()
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn a_newer_commit_overtakes_a_sync_that_waits() {
    let forever = [("devcluster.driftless.dev/run-for", "1h")];
    given("auto-newer")
        .file("a.yaml", config_map("a", "1"))
        .file("hook.yaml", hook_job("before", "PreSync", &[], &forever))
        .automated(json!({}))
        .then()
        .expect(running("before"))
        .when()
        .commit(vec![
            remove("app/hook.yaml"),
            write("app/a.yaml", config_map("a", "2")),
        ])
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .await;
}

#[tokio::test]
async fn a_newer_commit_overtakes_a_sync_that_is_retried() {
    let bad = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 70000}]}});
    let retry = json!({"syncPolicy": {"retry": {"limit": -1, "backoff": {"duration": "10m"}}}});
    given("auto-retried")
        .file("a.yaml", config_map("a", "1"))
        .file("web.yaml", bad.to_string())
        .automated(json!({}))
        .spec(retry)
        .then()
        .expect(running("etry"))
        .when()
        .commit(vec![
            remove("app/web.yaml"),
            write("app/a.yaml", config_map("a", "2")),
        ])
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .await;
}

#[tokio::test]
async fn a_failed_revision_is_not_tried_for_ever() {
    let bad = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 70000}]}});
    let retry = json!({"syncPolicy": {"retry": {"limit": 1, "backoff": {"duration": "1s"}}}});
    given("auto-failed")
        .file("web.yaml", bad.to_string())
        .automated(json!({}))
        .spec(retry)
        .then()
        .expect(condition("SyncError", "Failed last sync attempt to"))
        .expect(settled())
        .await;
}

/// Twenty ConfigMaps, of which the last ones leave Git.
fn twenty() -> Vec<Change> {
    (0..20)
        .map(|n| {
            write(
                &format!("app/cm-{n}.yaml"),
                config_map(&format!("cm-{n}"), "1"),
            )
        })
        .collect()
}

fn without(first: usize) -> Vec<Change> {
    (first..20)
        .map(|n| remove(&format!("app/cm-{n}.yaml")))
        .collect()
}

#[tokio::test]
async fn a_prune_above_the_budget_waits_for_confirmation() {
    let world = given("budget-over")
        .changes(twenty())
        .automated(json!({"prune": true}))
        .then()
        .expect(synced())
        .when()
        .commit(without(5))
        .refresh()
        .then()
        .expect(running("waiting for pruning confirmation"))
        .expect(still_exists(Kind::CONFIG_MAP, "cm-19"))
        .await;
    let now = kube_now();
    world
        .when()
        .annotate("argocd.argoproj.io/deletion-approved", &now)
        .then()
        .expect(absent(Kind::CONFIG_MAP, "cm-19"))
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "cm-0"))
        .await;
}

#[tokio::test]
async fn a_prune_within_the_budget_goes_through() {
    given("budget-under")
        .changes(twenty())
        .automated(json!({"prune": true}))
        .then()
        .expect(synced())
        .when()
        .commit(without(12))
        .refresh()
        .then()
        .expect(absent(Kind::CONFIG_MAP, "cm-19"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn an_application_may_have_a_smaller_budget() {
    given("budget-own")
        .changes(twenty())
        .automated(json!({"prune": true}))
        .metadata(json!({"annotations": {"driftless.dev/prune-budget": "3"}}))
        .then()
        .expect(synced())
        .when()
        .commit(without(12))
        .refresh()
        .then()
        .expect(running("waiting for pruning confirmation"))
        .expect(still_exists(Kind::CONFIG_MAP, "cm-19"))
        .await;
}

/// Returns a time that is later than everything that happened so far, as an annotation carries it.
fn kube_now() -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", "+1 minute", "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn automation_that_is_switched_off_does_nothing() {
    let world = given("auto-off")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({"enabled": false}))
        .then()
        .expect(sync_status("OutOfSync"))
        .expect(settled())
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
    assert_eq!(
        world.app().await.pointer("/status/operationState"),
        None::<&Value>
    );
}
