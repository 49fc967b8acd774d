//! Hands, deletions and mistakes.

use serde_json::{Value, json};

use crate::dev::{World, rollout, weights, workload};

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_on_the_route_is_seen_and_put_back() {
    let world = World::new("hand").await;
    world
        .model("Deployment", json!([{"setWeight": 20}, {"pause": {}}]))
        .await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.awaits_approval().await;
    let backends = json!([{"name": "fraud", "port": 80, "weight": 10}, {"name": "fraud-canary", "port": 80, "weight": 90}]);
    world
        .patch(
            "HTTPRoute",
            "fraud",
            json!({"spec": {"rules": [{"backendRefs": backends}]}}),
        )
        .await;
    world.decided("TrafficChangedOutside").await;
    world
        .until("the weight is back", async || {
            weights(&world.get("HTTPRoute", "fraud").await).get("fraud-canary") == Some(&20)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_target_takes_its_canary_along() {
    let world = World::new("gone").await;
    world
        .model("Deployment", json!([{"setWeight": 20}, {"pause": {}}]))
        .await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.awaits_approval().await;
    world.delete("Deployment", "fraud").await;
    world.decided("TargetDeleted").await;
    world
        .until("the canary is gone", async || {
            world.find("Deployment", "fraud-canary").await.is_none()
        })
        .await;
    assert!(
        world.find("Deployment", "fraud").await.is_none(),
        "nobody makes it again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_rollout_leaves_the_traffic_as_it_was() {
    let world = World::new("delete").await;
    world
        .model("Deployment", json!([{"setWeight": 20}, {"pause": {}}]))
        .await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.awaits_approval().await;
    world.delete("ModelRollout", "fraud").await;
    world
        .until("the rollout is gone", async || {
            world.find("ModelRollout", "fraud").await.is_none()
        })
        .await;
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(route["spec"], crate::dev::route()["spec"]);
    let service = world.get("Service", "fraud").await;
    assert_eq!(
        service.pointer("/spec/selector"),
        Some(&json!({"app": "fraud"}))
    );
    assert!(world.find("Deployment", "fraud-canary").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_rollout_says_where_and_touches_nothing() {
    let world = World::new("invalid").await;
    world
        .model("Deployment", json!([{"setWeight": 20}, {"pause": {}}]))
        .await;
    let steps =
        json!([{"setWeight": 20}, {"analysis": {"templates": [{"templateName": "missing"}]}}]);
    world.apply(rollout("fraud", "Deployment", steps)).await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.status("/phase", json!("Invalid")).await;
    let target = world.target().await;
    let message = target["message"].as_str().unwrap();
    assert!(
        message.contains("steps[1].analysis") && message.contains("missing"),
        "{message}"
    );
    assert!(world.find("Deployment", "fraud-canary").await.is_none());
    // Corrected, it goes on.
    world
        .apply(rollout(
            "fraud",
            "Deployment",
            json!([{"setWeight": 20}, {"pause": {}}]),
        ))
        .await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.awaits_approval().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_younger_of_two_rollouts_waits() {
    let world = World::new("younger").await;
    world
        .model("Deployment", json!([{"setWeight": 20}, {"pause": {}}]))
        .await;
    // Times of creation have whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world
        .apply(rollout("other", "Deployment", json!([{"setWeight": 50}])))
        .await;
    world
        .hand_over("other", "v9", &workload("Deployment", "v9", 2))
        .await;
    let other = async || -> Value {
        let found = world.get("ModelRollout", "other").await;
        found
            .pointer("/status/targets/0")
            .cloned()
            .unwrap_or_default()
    };
    world
        .until("it is blocked", async || {
            other().await["waitingFor"] == "Blocked"
        })
        .await;
    let message = other().await["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("the ModelRollout fraud is older"),
        "{message}"
    );
    assert!(world.find("Deployment", "fraud-canary").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_nothing_is_touched() {
    let world = World::new("room").await;
    world
        .model("Deployment", json!([{"setWeight": 50}, {"pause": {}}]))
        .await;
    world
        .apply(
            json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"},
        "spec": {"hard": {"requests.cpu": "2"}}}),
        )
        .await;
    world
        .until("the quota is counted", async || {
            world
                .get("ResourceQuota", "q")
                .await
                .pointer("/status/used/requests.cpu")
                == Some(&json!("2"))
        })
        .await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.status("/waitingFor", json!("CapacityHold")).await;
    let target = world.target().await;
    let fit = target["fit"].as_str().unwrap();
    assert!(fit.contains("quota"), "{fit}");
    assert!(world.find("Deployment", "fraud-canary").await.is_none());
}
