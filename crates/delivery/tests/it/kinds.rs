//! Other kinds and ways of traffic.

use serde_json::json;

use crate::dev::{World, rollout, workload};

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_stateful_set_are_replaced_behind_the_canary() {
    let world = World::new("stateful").await;
    world
        .model("StatefulSet", json!([{"setWeight": 50}, {"pause": {}}]))
        .await;
    world
        .hand_over("fraud", "v2", &workload("StatefulSet", "v2", 2))
        .await;
    world.awaits_approval().await;
    world.command("promote").await;
    world.status("/stableVersion", json!("v2")).await;
    world
        .until("only two new pods are there", async || {
            let pods = world.pods().await;
            pods.len() == 2
                && pods
                    .iter()
                    .all(|(name, (_, image))| image.ends_with(":v2") && !name.contains("canary"))
        })
        .await;
    world
        .until("the canary is gone", async || {
            world.find("StatefulSet", "fraud-canary").await.is_none()
        })
        .await;
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(route["spec"], crate::dev::route()["spec"]);
    let service = world.get("Service", "fraud").await;
    assert_eq!(
        service.pointer("/spec/selector"),
        Some(&json!({"app": "fraud"}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_needs_no_route() {
    let world = World::new("bluegreen").await;
    world.model("Deployment", json!([{"setWeight": 20}])).await;
    let mut spec = rollout("fraud", "Deployment", json!([]));
    spec["spec"]["strategy"] = json!({"blueGreen": {"activeService": "fraud", "previewService": "preview",
        "autoPromotionEnabled": false, "scaleDownDelaySeconds": 0}});
    let mut preview = crate::dev::service();
    preview["metadata"]["name"] = "preview".into();
    world.apply(preview).await;
    world.apply(spec).await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.awaits_approval().await;
    world.status("/canaryPods/ready", json!(2)).await;
    let before = world
        .get("Service", "fraud")
        .await
        .pointer("/spec/selector/pod-template-hash")
        .cloned();
    assert!(before.is_some(), "users reach the old pods only");
    let mut warm = world.pods().await;
    warm.retain(|_, (_, image)| image.ends_with(":v2"));
    world.command("promote").await;
    world.status("/stableVersion", json!("v2")).await;
    world
        .until("only the warm pods are there", async || {
            world.pods().await == warm
        })
        .await;
    for name in ["fraud", "preview"] {
        let service = world.get("Service", name).await;
        assert_eq!(
            service.pointer("/spec/selector"),
            Some(&json!({"app": "fraud"})),
            "{name}"
        );
    }
}
