//! Models of Seldon Core 2 take their steps beside a stand-in for Seldon's operator and scheduler, whose modules cannot be
//! fetched from the Go module proxy: it says of Models that they are loaded, anew after each change, and of Experiments that they
//! are ready.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driftless_core::ResourceKey;
use driftless_kube::write::{PatchType, Target};
use driftless_kube::{Cluster, Fence, WriteCtx};
use serde_json::{Value, json};

use crate::crash::in_short_lives;
use crate::dev::{ONE, TWO, World, gvk, rollout_of};
use crate::seldon::crd;

fn model(storage: &str) -> Value {
    json!({
        "apiVersion": "mlops.seldon.io/v1alpha1", "kind": "Model", "metadata": {"name": "fraud"},
        "spec": {"storageUri": format!("gs://models/fraud/{storage}"), "requirements": ["sklearn"], "replicas": 2},
    })
}

async fn say(cluster: &Arc<Cluster>, namespace: &str, kind: &str, name: &str) {
    let kind = gvk(kind);
    let Ok(live) = cluster.get(&kind, namespace, name).await else {
        return;
    };
    let live = live.into_value();
    let generation = live["metadata"]["generation"].as_i64().unwrap();
    if live.pointer("/status/tried") == Some(&json!(generation)) {
        return;
    }
    // The time is another one for each generation, as the operator's is.
    let at = format!("2026-01-01T00:00:{generation:02}Z");
    let types: &[&str] = if *kind.kind == *"Model" {
        &["ModelReady", "Ready"]
    } else {
        &["ExperimentReady", "CandidatesReady", "MirrorReady", "Ready"]
    };
    let conditions: Vec<Value> = types
        .iter()
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": at}))
        .collect();
    let replicas = live.pointer("/spec/replicas");
    let status = json!({"status": {"tried": generation, "conditions": conditions,
        "replicas": replicas, "availableReplicas": replicas}});
    let key = ResourceKey::new(&kind.group, &kind.kind, namespace, name);
    let part = Target::Subresource("status".into());
    let body = Bytes::from(status.to_string());
    let write = WriteCtx::internal(Fence::unfenced());
    // One that lost against another write is seen again.
    let _ = cluster
        .writer()
        .patch(&write, &kind, &key, &part, PatchType::Merge, body)
        .await;
}

async fn start(world: &World, steps: Value) {
    for (kind, plural) in [("Model", "models"), ("Experiment", "experiments")] {
        let mut object = crd("mlops.seldon.io", kind, plural);
        object["spec"]["versions"][0]["name"] = "v1alpha1".into();
        world.apply_plain(object).await;
        world
            .until(&format!("{kind} is served"), async || {
                world.cluster.resolve(&gvk(kind)).await.is_ok()
            })
            .await;
    }
    let (cluster, namespace) = (Arc::clone(&world.cluster), world.namespace.clone());
    tokio::spawn(async move {
        loop {
            for (kind, name) in [
                ("Model", "fraud"),
                ("Model", "fraud-canary"),
                ("Experiment", "fraud"),
            ] {
                say(&cluster, &namespace, kind, name).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    world.apply(model("one")).await;
    world
        .apply(rollout_of("mlops.seldon.io/v1alpha1", "Model", steps))
        .await;
    world.hand_over("fraud", ONE, &model("one")).await;
    world
        .until("the first version is loaded", async || {
            let live = world.get("Model", "fraud").await;
            live.pointer("/status/availableReplicas") == Some(&json!(2))
        })
        .await;
    world.start();
    world.status("/stableVersion", json!(ONE)).await;
    world.status("/phase", json!("Healthy")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_moves_traffic_until_the_model_is_loaded_anew() {
    let world = World::new("experiment").await;
    start(&world, json!([{"setWeight": 50}, {"pause": {}}])).await;
    world.hand_over("fraud", TWO, &model("two")).await;
    world.awaits_approval().await;
    let experiment = world.get("Experiment", "fraud").await;
    assert_eq!(
        experiment["spec"],
        json!({"resourceType": "model", "default": "fraud", "candidates": [
            {"name": "fraud", "weight": 50}, {"name": "fraud-canary", "weight": 50}]})
    );
    world.command("promote").await;
    world.status("/stableVersion", json!(TWO)).await;
    world.status("/phase", json!("Healthy")).await;
    assert_eq!(
        world.get("Model", "fraud").await["spec"],
        model("two")["spec"]
    );
    assert_eq!(world.find("Model", "fraud-canary").await, None);
    assert_eq!(world.find("Experiment", "fraud").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_takes_the_experiment_away() {
    let world = World::new("experiment-abort").await;
    start(&world, json!([{"setWeight": 20}, {"pause": {}}])).await;
    world.hand_over("fraud", TWO, &model("two")).await;
    world.awaits_approval().await;
    world.command("abort").await;
    world.status("/phase", json!("Degraded")).await;
    world
        .until("only the target is left, as it was", async || {
            world.get("Model", "fraud").await["spec"] == model("one")["spec"]
                && world.find("Model", "fraud-canary").await.is_none()
                && world.find("Experiment", "fraud").await.is_none()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_goes_on_wherever_the_process_ended() {
    let world = World::new("experiment-crash").await;
    start(&world, json!([{"setWeight": 50}, {"pause": {}}])).await;
    world.hand_over("fraud", TWO, &model("two")).await;
    in_short_lives(&world, "/waitingFor", json!("WaitingForApproval")).await;
    world.command("promote").await;
    in_short_lives(&world, "/stableVersion", json!(TWO)).await;
    world.start();
    world.status("/phase", json!("Healthy")).await;
    assert_eq!(
        world.get("Model", "fraud").await["spec"],
        model("two")["spec"]
    );
    world
        .until("nothing is left of the rollout", async || {
            world.find("Model", "fraud-canary").await.is_none()
                && world.find("Experiment", "fraud").await.is_none()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_on_the_experiment_is_put_back() {
    let world = World::new("experiment-hand").await;
    start(&world, json!([{"setWeight": 20}, {"pause": {}}])).await;
    world.hand_over("fraud", TWO, &model("two")).await;
    world.awaits_approval().await;
    let candidates =
        json!([{"name": "fraud", "weight": 10}, {"name": "fraud-canary", "weight": 90}]);
    world
        .patch(
            "Experiment",
            "fraud",
            json!({"spec": {"candidates": candidates}}),
        )
        .await;
    world.decided("TrafficChangedOutside").await;
    world
        .until("the weights are back", async || {
            let live = world.get("Experiment", "fraud").await;
            live.pointer("/spec/candidates/1/weight") == Some(&json!(20))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_gets_copies_before_any_weight() {
    let world = World::new("experiment-mirror").await;
    let steps = json!([
        {"setCanaryScale": {"replicas": 1}},
        {"setMirrorRoute": {"name": "shadow", "percentage": 30}},
        {"pause": {}},
        {"setMirrorRoute": {"name": "shadow", "percentage": 0}},
        {"setWeight": 50},
        {"pause": {}},
    ]);
    start(&world, steps).await;
    world.hand_over("fraud", TWO, &model("two")).await;
    world.awaits_approval().await;
    let mirror = json!({"name": "fraud-canary", "percent": 30});
    let experiment = world.get("Experiment", "fraud").await;
    assert_eq!(experiment["spec"]["mirror"], mirror);
    let alone = json!([{"name": "fraud", "weight": 100}]);
    assert_eq!(experiment["spec"]["candidates"], alone);

    // A hand on it is put back.
    let more = json!({"spec": {"mirror": {"percent": 100}}});
    world.patch("Experiment", "fraud", more).await;
    world.decided("TrafficChangedOutside").await;
    world
        .until("the share is back", async || {
            world.get("Experiment", "fraud").await["spec"]["mirror"] == mirror
        })
        .await;

    world.awaits_approval().await;
    world.command("promote").await;
    world.status("/weight", json!(50)).await;
    world.awaits_approval().await;
    let experiment = world.get("Experiment", "fraud").await;
    assert_eq!(experiment["spec"].get("mirror"), None);
    world.command("abort").await;
    world.status("/phase", json!("Degraded")).await;
    world
        .until("the Experiment is gone", async || {
            world.find("Experiment", "fraud").await.is_none()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_experiment_cannot_do_is_said_before_it_begins() {
    let world = World::new("experiment-cannot").await;
    start(&world, json!([{"setWeight": 50}])).await;
    let mirror = json!({"setMirrorRoute": {"name": "shadow", "percentage": 30}});
    let steps = json!([mirror, {"setWeight": 50}]);
    let patch = json!({"spec": {"strategy": {"canary": {"steps": steps}}}});
    world.patch("ModelRollout", "fraud", patch).await;
    world.hand_over("fraud", TWO, &model("two")).await;
    world.status("/phase", json!("Invalid")).await;
    let message = world.target().await["message"].as_str().unwrap().to_owned();
    assert!(message.contains("end the mirror"), "{message}");
    assert_eq!(world.find("Experiment", "fraud").await, None);
}
