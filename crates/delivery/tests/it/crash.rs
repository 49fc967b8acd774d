//! The process ends after every single write.

use std::time::Duration;

use serde_json::json;

use crate::dev::{World, workload};

/// Lives, at most.
const LIVES: u32 = 120;

/// Lets lives of one write each go on until the status says so.
pub(crate) async fn in_short_lives(world: &World, pointer: &str, wanted: serde_json::Value) -> u32 {
    for life in 1..=LIVES {
        let mortal = world.start_mortal(1);
        // A life also ends when it has nothing to write for a while.
        let _ = tokio::time::timeout(Duration::from_secs(2), mortal.died.notified()).await;
        if world.target().await.pointer(pointer) == Some(&wanted) {
            return life;
        }
    }
    panic!(
        "{pointer} is not {wanted} after {LIVES} lives: {:#}",
        world.target().await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_goes_on_wherever_the_process_ended() {
    let world = World::new("crash").await;
    let steps = json!([{"setWeight": 50}, {"setWeight": 100}, {"pause": {}}]);
    world.model("Deployment", steps).await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    let lives = in_short_lives(&world, "/waitingFor", json!("WaitingForApproval")).await;
    assert!(
        lives > 5,
        "{lives} lives are too few to have written all that"
    );
    world.start();
    world.status("/canaryPods/ready", json!(2)).await;
    let mut warm = world.pods().await;
    warm.retain(|_, (_, image)| image.ends_with(":v2"));

    world.command("promote").await;
    in_short_lives(&world, "/stableVersion", json!("v2")).await;
    world.start();
    world.status("/phase", json!("Healthy")).await;
    world
        .until("only the warm pods are there", async || {
            world.pods().await == warm
        })
        .await;
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(route["spec"], crate::dev::route()["spec"]);
    let service = world.get("Service", "fraud").await;
    assert_eq!(
        service.pointer("/spec/selector"),
        Some(&json!({"app": "fraud"}))
    );
    let deployment = world.get("Deployment", "fraud").await;
    assert_eq!(deployment.pointer("/spec/paused"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_goes_on_wherever_the_process_ended() {
    let world = World::new("crash-abort").await;
    world
        .model("Deployment", json!([{"setWeight": 50}, {"pause": {}}]))
        .await;
    let before = world.pods().await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.awaits_approval().await;
    world.command("abort").await;
    in_short_lives(&world, "/phase", json!("Degraded")).await;
    world.start();
    world
        .until("the new pods are gone", async || {
            world.pods().await == before
        })
        .await;
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(route["spec"], crate::dev::route()["spec"]);
    let decisions = world.target().await["decisions"].clone();
    let aborted = decisions
        .as_array()
        .unwrap()
        .iter()
        .filter(|decision| decision["reason"] == "Aborted");
    assert_eq!(aborted.count(), 1, "a command is carried out once");
}
