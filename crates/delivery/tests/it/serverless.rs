//! InferenceServices in Serverless mode take their steps under the controllers of KServe and Knative.

use std::collections::BTreeMap;

use driftless_testkit::Knative;
use serde_json::{Value, json};

use crate::dev::{ONE, THREE, TWO, World, gvk, rollout_of};

fn service(model: &str) -> Value {
    Knative::inference_service("", "fraud", &format!("s3://models/fraud/{model}"), 2)
}

/// Makes the model at its first version, and waits until the rollout knows it.
async fn model(world: &World, steps: Value) {
    Knative::shared().await.check();
    world.apply(service("one")).await;
    world
        .apply(rollout_of(
            "serving.kserve.io/v1beta1",
            "InferenceService",
            steps,
        ))
        .await;
    world.hand_over("fraud", ONE, &service("one")).await;
    world
        .until("KServe serves the first version", async || {
            traffic(world).await == split(&[(revision(1), 100)])
        })
        .await;
    world.start();
    world.status("/stableVersion", json!(ONE)).await;
    world.status("/phase", json!("Healthy")).await;
}

fn revision(number: u32) -> String {
    format!("fraud-predictor-{number:05}")
}

fn split(shares: &[(String, i64)]) -> BTreeMap<String, i64> {
    shares.iter().cloned().collect()
}

/// Returns what Knative's route gives each revision.
async fn traffic(world: &World) -> BTreeMap<String, i64> {
    let route = world.find("Route", "fraud-predictor").await;
    let shares = route.and_then(|route| route.pointer("/status/traffic").cloned());
    let mut traffic = BTreeMap::new();
    for share in shares
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let percent = share["percent"].as_i64().unwrap_or_default();
        let revision = share["revisionName"].as_str().unwrap().to_owned();
        *traffic.entry(revision).or_default() += percent;
    }
    traffic.retain(|_, percent| *percent > 0);
    traffic
}

/// Returns ids of the pods of a revision.
async fn pods(world: &World, revision: &str) -> Vec<String> {
    let all = world
        .cluster
        .list(&gvk("Pod"), &world.namespace, 1000)
        .await;
    let all = all
        .unwrap()
        .into_iter()
        .map(driftless_manifest::Object::into_value);
    let mut pods: Vec<String> = all
        .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
        .filter(|pod| pod["metadata"]["labels"]["serving.knative.dev/revision"] == revision)
        .map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned())
        .collect();
    pods.sort();
    pods
}

async fn predictor(world: &World) -> Value {
    let live = world.get("InferenceService", "fraud").await;
    live["spec"]["predictor"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_takes_traffic_and_is_promoted_as_it_runs() {
    let world = World::new("serverless").await;
    model(
        &world,
        json!([{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]),
    )
    .await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;
    assert_eq!(
        traffic(&world).await,
        split(&[(revision(1), 80), (revision(2), 20)])
    );
    assert_eq!(predictor(&world).await["canaryTrafficPercent"], 20);
    assert_eq!(pods(&world, &revision(1)).await.len(), 2);
    let warm = pods(&world, &revision(2)).await;
    assert_eq!(warm.len(), 2);

    world.command("promote").await;
    world.status("/currentStepIndex", json!(3)).await;
    world.status("/weight", json!(60)).await;
    assert_eq!(
        traffic(&world).await,
        split(&[(revision(1), 40), (revision(2), 60)])
    );
    // A hand on the percentage is put back.
    let by_hand = json!({"spec": {"predictor": {"canaryTrafficPercent": 90}}});
    world.patch("InferenceService", "fraud", by_hand).await;
    world.decided("TrafficChangedOutside").await;
    world
        .until("the percentage is put back", async || {
            traffic(&world).await == split(&[(revision(1), 40), (revision(2), 60)])
        })
        .await;

    world.command("promote").await;
    world.status("/stableVersion", json!(TWO)).await;
    world.status("/phase", json!("Healthy")).await;
    assert_eq!(traffic(&world).await, split(&[(revision(2), 100)]));
    let live = predictor(&world).await;
    assert_eq!(live.get("canaryTrafficPercent"), None);
    assert_eq!(live["model"]["storageUri"], "s3://models/fraud/two");
    assert_eq!(pods(&world, &revision(2)).await, warm);
    assert_eq!(world.find("Revision", &revision(3)).await, None);

    // The next one begins from there.
    world.hand_over("fraud", THREE, &service("three")).await;
    world.awaits_approval().await;
    assert_eq!(
        traffic(&world).await,
        split(&[(revision(2), 80), (revision(3), 20)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_gives_the_earlier_revision_its_traffic_back() {
    let world = World::new("serverless-abort").await;
    model(&world, json!([{"setWeight": 50}, {"pause": {}}])).await;
    let before = predictor(&world).await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;

    world.command("abort").await;
    world.decided("TrafficRestored").await;
    let traffic_then = traffic(&world).await;
    assert_eq!(traffic_then.get(&revision(2)), None);
    world.status("/phase", json!("Degraded")).await;
    assert_eq!(predictor(&world).await, before);
    assert_eq!(world.target().await["quarantined"][0]["version"], TWO);
    // A revision of what served before takes over, and the bad one has no pods of its own any more.
    world
        .until("the earlier predictor serves", async || {
            traffic(&world).await == split(&[(revision(3), 100)])
        })
        .await;
    assert_eq!(pods(&world, &revision(3)).await.len(), 2);

    // The next version is measured against it.
    world.hand_over("fraud", THREE, &service("three")).await;
    world.awaits_approval().await;
    assert_eq!(
        traffic(&world).await,
        split(&[(revision(3), 50), (revision(4), 50)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_after_all_traffic_moved_brings_the_earlier_revision_back() {
    let world = World::new("serverless-full").await;
    model(&world, json!([{"setWeight": 100}, {"pause": {}}])).await;
    let before = predictor(&world).await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;
    assert_eq!(traffic(&world).await, split(&[(revision(2), 100)]));

    world.command("abort").await;
    world.status("/phase", json!("Degraded")).await;
    assert_eq!(predictor(&world).await, before);
    world
        .until("the earlier predictor serves", async || {
            traffic(&world).await == split(&[(revision(3), 100)])
        })
        .await;
    world.status("/stableVersion", json!(ONE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_commit_takes_the_one_on_its_way_back_first() {
    let world = World::new("serverless-newer").await;
    model(&world, json!([{"setWeight": 30}, {"pause": {}}])).await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;
    world.hand_over("fraud", THREE, &service("three")).await;
    world.decided("Superseded").await;
    world
        .until("the newest version has its share", async || {
            traffic(&world).await == split(&[(revision(3), 70), (revision(4), 30)])
        })
        .await;
    assert_eq!(
        predictor(&world).await["model"]["storageUri"],
        "s3://models/fraud/three"
    );
}
