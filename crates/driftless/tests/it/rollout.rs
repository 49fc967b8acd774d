//! Where a sync and a rollout meet: versions are handed over, transitions are left alone, what failed stays out.
//!
//! What moves a ModelRollout's target is not part of these stories, which suspend their rollouts: they write the rollout's
//! status themselves, as the contract between the two has it.

use std::path::Path;

use driftless_testkit::controller::install_crds;
use driftless_testkit::expect::{
    absent, condition, exists, failed, health, history_of, live_field, no_condition, resource,
    result, settled, succeeded, sync_status, synced, value,
};
use driftless_testkit::manifest::{config_map, text};
use driftless_testkit::{Devcluster, Expectation, Given, Kind, Verdict, World};
use serde_json::{Value, json};

const TARGET: Kind = Kind::DEPLOYMENT;
const ROLLOUT: Kind = Kind::MODEL_ROLLOUT;
const IMAGE: &str = "/spec/template/spec/containers/0/image";

pub(crate) fn model(image: &str) -> String {
    text(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fraud"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "fraud"}},
            "template": {
                "metadata": {"labels": {"app": "fraud"}},
                "spec": {"containers": [{"name": "main", "image": format!("example.com/fraud:{image}")}]},
            },
        },
    }))
}

fn rollout(steps: &Value) -> String {
    text(&json!({
        "apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout",
        "metadata": {"name": "fraud", "annotations": {"driftless.dev/suspend": "true"}},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
            "strategy": {"canary": {"steps": steps}},
        },
    }))
}

async fn given(name: &str) -> Given {
    let crd = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/crds/modelrollouts.yaml"
    );
    install_crds(&Devcluster::shared().client().await, Path::new(crd)).await;
    crate::given(name).file("model.yaml", model("1")).file(
        "rollout.yaml",
        rollout(&json!([{"setWeight": 10}, {"pause": {}}])),
    )
}

/// Returns what the rollout was told to move its target to.
async fn wanted(world: &World) -> Value {
    let live = world.live(ROLLOUT, "fraud").await.unwrap_or_default();
    let text = live.pointer("/metadata/annotations/driftless.dev~1wanted");
    let text = text.and_then(Value::as_str).unwrap_or("{}");
    serde_json::from_str::<Value>(text).unwrap()["fraud"].clone()
}

/// Says as the rollout's controller would how far it is; `wanted` stands for the version that was handed over.
async fn answer(world: &World, mut status: Value) {
    let version = wanted(world).await["version"].clone();
    for field in ["stableVersion", "canaryVersion"] {
        if status[field] == "wanted" {
            status[field] = version.clone();
        }
    }
    if status["quarantined"].is_string() {
        let reason = status["quarantined"].clone();
        status["quarantined"] =
            json!([{"version": version, "reason": reason, "at": "2026-01-01T00:00:00Z"}]);
    }
    status["name"] = "fraud".into();
    let phase = status["phase"].clone();
    let status = json!({"status": {"phase": phase, "targets": [status]}});
    ROLLOUT
        .merge_status(&world.client, &world.namespace, "fraud", status)
        .await;
}

/// Expects the stored object of the version that was handed over to have this image.
fn handed_over(image: &'static str) -> Expectation {
    Expectation::new(
        format!("version {image} handed over"),
        move |world| async move {
            let wanted = wanted(&world).await;
            let name = wanted["controllerRevision"].as_str().unwrap_or_default();
            if name.is_empty() {
                return Verdict::NotYet("nothing is handed over".into());
            }
            let stored = world.live(Kind::CONTROLLER_REVISION, name).await;
            let stored = stored.unwrap_or_default();
            let found = stored["data"]["object"].pointer(IMAGE).cloned();
            let is_it = found == Some(json!(format!("example.com/fraud:{image}")));
            let owner = &stored["metadata"]["ownerReferences"][0]["kind"];
            Verdict::when(is_it && owner == "ModelRollout", || {
                format!("{wanted}: {stored}")
            })
        },
    )
}

pub(crate) fn serves(image: &str) -> Expectation {
    live_field(
        TARGET,
        "fraud",
        IMAGE,
        json!(format!("example.com/fraud:{image}")),
    )
}

/// A story in which version 1 serves, and version 2 is handed over.
async fn second_version(name: &str, spec: Value) -> World {
    let world = given(name)
        .await
        .spec(spec)
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(serves("1"))
        .expect(handed_over("1"))
        .await;
    answer(
        &world,
        json!({"phase": "Healthy", "stableVersion": "wanted"}),
    )
    .await;
    let first = wanted(&world).await["version"].clone();
    let world = world
        .then()
        .expect(synced())
        .when()
        .commit_file("model.yaml", model("2"))
        .sync()
        .then()
        .expect(succeeded())
        .expect(result(
            TARGET,
            "fraud",
            "Synced",
            "handed over to ModelRollout fraud as version ",
        ))
        .expect(handed_over("2"))
        .expect(serves("1"))
        .expect(synced())
        .await;
    assert_ne!(wanted(&world).await["version"], first);
    answer(
        &world,
        json!({"phase": "Progressing", "stableVersion": first, "canaryVersion": "wanted"}),
    )
    .await;
    world
}

/// Runs an action on an object through the API.
pub(crate) async fn run_action(world: &World, kind: Kind, name: &str, action: &str) {
    let path = format!(
        "/api/v1/applications/{}/resource/actions?namespace={}&resourceName={name}&version={}&group={}&kind={}",
        world.name, world.namespace, kind.version, kind.group, kind.kind
    );
    let (code, answer) = world
        .driftless
        .rest(http::Method::POST, &path, Some(json!(action)))
        .await;
    assert_eq!(code, 200, "{action}: {answer}");
}

/// Returns when the last operation was begun.
async fn operation_of(world: &World) -> Value {
    let app = world.app().await;
    let started = app.pointer("/status/operationState/startedAt").cloned();
    started.unwrap_or_default()
}

#[tokio::test]
async fn the_first_version_is_applied_and_named_to_the_rollout() {
    let world = given("roll-first")
        .await
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(serves("1"))
        .expect(handed_over("1"))
        .expect(synced())
        .await;
    assert_eq!(
        wanted(&world).await["revision"],
        world.repo.id("main").unwrap()
    );
    // Later syncs apply the rollout anew, and what it was handed over stays.
    world
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(handed_over("1"))
        .await;
}

#[tokio::test]
async fn a_new_version_is_handed_over_and_nothing_fights_the_transition() {
    let automated = json!({"syncPolicy": {"automated": {"selfHeal": true}}});
    let world = second_version("roll-next", automated).await;
    let began = operation_of(&world).await;
    // The rollout moves fields of its target, and makes objects of its own.
    let owner = world.live(ROLLOUT, "fraud").await.unwrap()["metadata"]["uid"].clone();
    let mut canary: Value = serde_json::from_str(&model("2")).unwrap();
    let live = world.live(TARGET, "fraud").await.unwrap();
    canary["metadata"] = json!({
        "name": "fraud-canary",
        "annotations": {"argocd.argoproj.io/tracking-id": live["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]},
        "ownerReferences": [{"apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout", "name": "fraud", "uid": owner}],
    });
    let world = world
        .when()
        .change_live(TARGET, "fraud", json!({"spec": {"replicas": 3}}))
        .create_live(TARGET, canary)
        .refresh()
        .then()
        .expect(settled())
        .expect(synced())
        .expect(live_field(TARGET, "fraud", "/spec/replicas", json!(3)))
        .expect(exists(TARGET, "fraud-canary"))
        .await;
    assert_eq!(
        operation_of(&world).await,
        began,
        "automation had nothing to do"
    );
    // The rollout ends: what is not as Git says is healed again.
    TARGET
        .merge(
            &world.client,
            &world.namespace,
            "fraud",
            json!({"spec": {"template": {"spec": {"containers": [
                {"name": "main", "image": "example.com/fraud:2"}]}}}}),
        )
        .await;
    answer(
        &world,
        json!({"phase": "Healthy", "stableVersion": "wanted", "canaryVersion": null}),
    )
    .await;
    world
        .then()
        .expect(live_field(TARGET, "fraud", "/spec/replicas", json!(1)))
        .expect(synced())
        .expect(serves("2"))
        .await;
}

#[tokio::test]
async fn a_quarantined_version_is_not_tried_again_and_the_next_commit_goes_through() {
    let automated = json!({"syncPolicy": {"automated": {"selfHeal": true}}});
    let world = second_version("roll-bad", automated).await;
    let began = operation_of(&world).await;
    let bad = wanted(&world).await["version"].clone();
    let first =
        world.live(ROLLOUT, "fraud").await.unwrap()["status"]["targets"][0]["stableVersion"]
            .clone();
    answer(
        &world,
        json!({"phase": "Degraded", "stableVersion": first, "canaryVersion": null, "quarantined": "error rate 7 %"}),
    )
    .await;
    let world = world
        .then()
        .expect(resource(TARGET, "fraud", "OutOfSync"))
        .expect(sync_status("OutOfSync"))
        .expect(condition("QuarantinedVersionWarning", "(error rate 7 %)"))
        .when()
        .refresh()
        .then()
        .expect(settled())
        .expect(serves("1"))
        .await;
    assert_eq!(
        operation_of(&world).await,
        began,
        "automation waits for another version"
    );
    // Another change of the same commit range goes through beside it, and still the version stays out.
    let world = world
        .when()
        .commit_file("other.yaml", config_map("other", "1"))
        .refresh()
        .then()
        .expect(value("other", "1"))
        .expect(settled())
        .expect(serves("1"))
        .expect(sync_status("OutOfSync"))
        .await;
    assert_eq!(wanted(&world).await["version"], bad);
    let world = world
        .when()
        .commit_file("model.yaml", model("3"))
        .refresh()
        .then()
        .expect(handed_over("3"))
        .expect(no_condition("QuarantinedVersionWarning"))
        .expect(settled())
        .expect(synced())
        .await;
    // The bad one once more: it is named to the rollout, which keeps it out, and that is all.
    let world = world
        .when()
        .commit_file("model.yaml", model("2"))
        .refresh()
        .then()
        .expect(handed_over("2"))
        .expect(condition("QuarantinedVersionWarning", "error rate 7 %"))
        .expect(settled())
        .expect(serves("1"))
        .await;
    let began = operation_of(&world).await;
    let world = world.when().refresh().then().expect(settled()).await;
    assert_eq!(operation_of(&world).await, began);
}

#[tokio::test]
async fn what_does_not_serve_is_applied_at_once() {
    let world = given("roll-scale")
        .await
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(handed_over("1"))
        .await;
    answer(
        &world,
        json!({"phase": "Healthy", "stableVersion": "wanted"}),
    )
    .await;
    let first = wanted(&world).await;
    let mut scaled: Value = serde_json::from_str(&model("1")).unwrap();
    scaled["spec"]["replicas"] = 3.into();
    scaled["metadata"]["labels"] = json!({"team": "risk"});
    let world = world
        .when()
        .commit_file("model.yaml", text(&scaled))
        .sync()
        .then()
        .expect(succeeded())
        .expect(live_field(TARGET, "fraud", "/spec/replicas", json!(3)))
        .expect(live_field(
            TARGET,
            "fraud",
            "/metadata/labels/team",
            json!("risk"),
        ))
        .expect(synced())
        .await;
    let now = wanted(&world).await;
    assert_eq!(now["version"], first["version"], "no new version");
    assert_ne!(now["object"], first["object"], "its stored object is new");
}

#[tokio::test]
async fn drift_is_healed_to_what_served_while_a_version_is_kept_out() {
    let automated = json!({"syncPolicy": {"automated": {"selfHeal": true}}});
    let world = second_version("roll-drift", automated).await;
    let first =
        world.live(ROLLOUT, "fraud").await.unwrap()["status"]["targets"][0]["stableVersion"]
            .clone();
    answer(
        &world,
        json!({"phase": "Degraded", "stableVersion": first, "canaryVersion": null, "quarantined": "errors"}),
    )
    .await;
    let by_hand = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "image": "example.com/fraud:by-hand"}]}}}});
    let world = world
        .then()
        .expect(condition("QuarantinedVersionWarning", "(errors)"))
        .when()
        .change_live(TARGET, "fraud", by_hand)
        .refresh()
        .then()
        .expect(serves("1"))
        .expect(settled())
        .expect(sync_status("OutOfSync"))
        .await;
    // The number of pods is not what is bad about the version.
    let mut scaled: Value = serde_json::from_str(&model("2")).unwrap();
    scaled["spec"]["replicas"] = 3.into();
    world
        .when()
        .commit_file("model.yaml", text(&scaled))
        .refresh()
        .then()
        .expect(live_field(TARGET, "fraud", "/spec/replicas", json!(3)))
        .expect(serves("1"))
        .expect(condition("QuarantinedVersionWarning", "(errors)"))
        .expect(settled())
        .await;
}

/// A model whose pods use these ConfigMaps.
fn model_with(image: &str, maps: &[&str]) -> String {
    let mut model: Value = serde_json::from_str(&model(image)).unwrap();
    let from = maps
        .iter()
        .map(|name| json!({"configMapRef": {"name": name}}));
    model["spec"]["template"]["spec"]["containers"][0]["envFrom"] = from.collect();
    text(&model)
}

fn fixed(name: &str) -> String {
    let mut fixed: Value = serde_json::from_str(&config_map(name, "x")).unwrap();
    fixed["immutable"] = true.into();
    text(&fixed)
}

/// Returns the ConfigMap that the live target's pods use.
async fn used(world: &World) -> Value {
    let live = world.live(TARGET, "fraud").await.unwrap();
    let path = "/spec/template/spec/containers/0/envFrom/0/configMapRef/name";
    let name = live.pointer(path).and_then(Value::as_str).unwrap();
    world.live(Kind::CONFIG_MAP, name).await.unwrap()
}

#[tokio::test]
async fn what_a_version_uses_is_versioned_with_it() {
    let world = given("roll-inputs")
        .await
        .file("model.yaml", model_with("1", &["limits"]))
        .file("limits.yaml", config_map("limits", "low"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(handed_over("1"))
        .expect(synced())
        .await;
    let first = used(&world).await;
    let name = first["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("limits-"), "{name}");
    assert_eq!(first["immutable"], true);
    answer(
        &world,
        json!({"phase": "Healthy", "stableVersion": "wanted"}),
    )
    .await;
    let before = wanted(&world).await["version"].clone();
    // New content alone is a new version, which does not reach the pods that serve.
    let world = world
        .when()
        .commit_file("limits.yaml", config_map("limits", "high"))
        .sync()
        .then()
        .expect(succeeded())
        .expect(value("limits", "high"))
        .expect(synced())
        .await;
    assert_ne!(wanted(&world).await["version"], before);
    assert_eq!(used(&world).await, first);
    let stored = wanted(&world).await["controllerRevision"].clone();
    let stored = world
        .live(Kind::CONTROLLER_REVISION, stored.as_str().unwrap())
        .await
        .unwrap();
    let path = "/data/object/spec/template/spec/containers/0/envFrom/0/configMapRef/name";
    let second = stored.pointer(path).and_then(Value::as_str).unwrap();
    assert_ne!(second, name);
    let second = world.live(Kind::CONFIG_MAP, second).await.unwrap();
    assert_ne!(second["data"], first["data"]);
}

#[tokio::test]
async fn what_git_drops_stays_while_pods_use_it() {
    let world = given("roll-kept")
        .await
        .file("model.yaml", model_with("1", &["fixed-1"]))
        .file("fixed.yaml", fixed("fixed-1"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(handed_over("1"))
        .await;
    answer(
        &world,
        json!({"phase": "Healthy", "stableVersion": "wanted"}),
    )
    .await;
    let first = wanted(&world).await["version"].clone();
    let world = world
        .when()
        .commit_file("fixed.yaml", fixed("fixed-2"))
        .commit_file("model.yaml", model_with("2", &["fixed-2"]))
        .sync_with(json!({"prune": true}))
        .then()
        .expect(succeeded())
        .expect(handed_over("2"))
        .expect(exists(Kind::CONFIG_MAP, "fixed-2"))
        .expect(exists(Kind::CONFIG_MAP, "fixed-1"))
        .await;
    answer(
        &world,
        json!({"phase": "Progressing", "stableVersion": first, "canaryVersion": "wanted"}),
    )
    .await;
    let world = world
        .when()
        .refresh()
        .then()
        .expect(settled())
        .expect(synced())
        .await;
    // The rollout ends, and nobody uses it any more.
    let new: Value = serde_json::from_str(&model_with("2", &["fixed-2"])).unwrap();
    TARGET
        .merge(
            &world.client,
            &world.namespace,
            "fraud",
            json!({"spec": new["spec"]}),
        )
        .await;
    answer(
        &world,
        json!({"phase": "Healthy", "stableVersion": "wanted", "canaryVersion": null}),
    )
    .await;
    world
        .when()
        .sync_with(json!({"prune": true}))
        .then()
        .expect(succeeded())
        .expect(absent(Kind::CONFIG_MAP, "fixed-1"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn a_rollback_hands_the_old_version_over() {
    let world = second_version("roll-back", json!({})).await;
    let id = world.app().await["status"]["history"][0]["id"]
        .as_i64()
        .unwrap();
    world
        .when()
        .rollback(id)
        .then()
        .expect(history_of(3))
        .expect(handed_over("1"))
        .expect(serves("1"))
        .await;
}

#[tokio::test]
async fn a_target_that_is_gone_comes_back_as_it_served() {
    let world = second_version("roll-gone", json!({})).await;
    world
        .when()
        .delete_live(TARGET, "fraud")
        .sync()
        .then()
        .expect(succeeded())
        .expect(serves("1"))
        .expect(handed_over("2"))
        .await;
}

#[tokio::test]
async fn a_wrong_rollout_stops_the_sync_and_says_where() {
    given("roll-wrong")
        .await
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .when()
        .commit_file("model.yaml", model("2"))
        .commit_file("rollout.yaml", rollout(&json!([{"setWeight": 1000}])))
        .sync()
        .then()
        .expect(failed("spec.strategy.canary.steps[0]"))
        .expect(result(
            TARGET,
            "fraud",
            "SyncFailed",
            "is left as it is because its ModelRollout fraud",
        ))
        .expect(serves("1"))
        .await;
}

#[tokio::test]
async fn options_and_selections_do_not_get_around_the_rollout() {
    let world = second_version("roll-options", json!({})).await;
    let sync = json!({
        "syncOptions": ["Replace=true", "Force=true"],
        "resources": [{"group": "apps", "kind": "Deployment", "name": "fraud"}],
    });
    world
        .when()
        .sync_with(sync)
        .then()
        .expect(succeeded())
        .expect(result(
            TARGET,
            "fraud",
            "Synced",
            "ModelRollout fraud is at work on version ",
        ))
        .expect(serves("1"))
        .when()
        .commit_file("model.yaml", model("3"))
        .sync_with(json!({"dryRun": true}))
        .then()
        .expect(succeeded())
        .expect(handed_over("2"))
        .when()
        .sync_with(json!({"syncOptions": ["Replace=true"]}))
        .then()
        .expect(succeeded())
        .expect(handed_over("3"))
        .expect(serves("1"))
        .await;
}

#[tokio::test]
async fn without_its_rollout_a_target_is_synced_as_everything_else() {
    let world = second_version("roll-without", json!({})).await;
    world
        .when()
        .commit_removal("rollout.yaml")
        .sync_with(json!({"prune": true}))
        .then()
        .expect(succeeded())
        .expect(absent(ROLLOUT, "fraud"))
        .expect(serves("2"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn an_action_tells_the_rollout_what_to_do_and_no_sync_takes_that_back() {
    let world = second_version("roll-action", json!({})).await;
    let status = json!({"phase": "Paused", "canaryVersion": "wanted"});
    answer(&world, status).await;
    let world = world.then().expect(health("Suspended")).await;
    run_action(&world, ROLLOUT, "fraud", "promote").await;
    let command = async |world: &World| -> Value {
        let live = world.live(ROLLOUT, "fraud").await.unwrap();
        let text = live.pointer("/metadata/annotations/driftless.dev~1rollout-command");
        serde_json::from_str(text.and_then(Value::as_str).unwrap()).unwrap()
    };
    let told = command(&world).await;
    assert_eq!(told["verb"], "promote");
    // Nobody signs in to the instance of these stories.
    assert_eq!(told["by"], "");
    assert_eq!(told["id"].as_str().unwrap().len(), 36, "{told}");
    let world = world.when().sync().then().expect(succeeded()).await;
    assert_eq!(command(&world).await, told);
}

#[tokio::test]
async fn a_degraded_rollout_does_not_hold_the_next_version_in_a_later_wave() {
    let waves = |image: &str| {
        let mut model: Value = serde_json::from_str(&model(image)).unwrap();
        model["metadata"]["annotations"] = json!({"argocd.argoproj.io/sync-wave": "5"});
        text(&model)
    };
    let world = given("roll-waves")
        .await
        .file("model.yaml", waves("1"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .await;
    let bad = json!({"phase": "Degraded", "stableVersion": "v0", "quarantined": "errors"});
    answer(&world, bad).await;
    world
        .then()
        .expect(health("Degraded"))
        .when()
        .commit_file("model.yaml", waves("2"))
        .sync()
        .then()
        .expect(succeeded())
        .expect(handed_over("2"))
        .expect(health("Progressing"))
        .await;
}

#[tokio::test]
async fn a_rollout_comes_before_its_target_whatever_its_wave() {
    let mut late: Value =
        serde_json::from_str(&rollout(&json!([{"setWeight": 10}, {"pause": {}}]))).unwrap();
    late["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = json!("7");
    given("roll-late")
        .await
        .file("rollout.yaml", text(&late))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(serves("1"))
        .expect(handed_over("1"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn versions_go_their_steps_until_a_person_says_no() {
    let steps = json!([{"setWeight": 50}, {"pause": {}}]);
    let mut real: Value = serde_json::from_str(&rollout(&steps)).unwrap();
    real["metadata"]["annotations"] = Value::Null;
    let world = given("roll-real")
        .await
        .file("rollout.yaml", text(&real))
        .automated(json!({"selfHeal": true}))
        .when()
        .then()
        .expect(synced())
        .expect(health("Healthy"))
        .expect(serves("1"))
        .when()
        .commit_file("model.yaml", model("2"))
        .refresh()
        .then()
        .expect(handed_over("2"))
        .expect(health("Suspended"))
        .expect(synced())
        .await;
    run_action(&world, ROLLOUT, "fraud", "abort").await;
    let world = world
        .then()
        .expect(condition("QuarantinedVersionWarning", "was rolled back"))
        .expect(sync_status("OutOfSync"))
        .expect(serves("1"))
        .when()
        .commit_file("model.yaml", model("3"))
        .refresh()
        .then()
        .expect(handed_over("3"))
        .expect(no_condition("QuarantinedVersionWarning"))
        .expect(health("Suspended"))
        .await;
    run_action(&world, ROLLOUT, "fraud", "promote-full").await;
    world
        .then()
        .expect(serves("3"))
        .expect(health("Healthy"))
        .expect(synced())
        .await;
}
