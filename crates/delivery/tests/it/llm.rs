//! LLMInferenceServices take their steps under KServe's own controller. No gateway runs: a stand-in accepts the HTTPRoutes,
//! as a gateway does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driftless_core::ResourceKey;
use driftless_kube::write::{PatchType, Target};
use driftless_kube::{Cluster, Fence, WriteCtx};
use driftless_testkit::Kserve;
use serde_json::{Value, json};

use crate::dev::{ONE, THREE, TWO, World, gvk, rollout_of};

const PUBLISHER: &str = "/publishers/";

fn service(model: &str) -> Value {
    json!({
        "apiVersion": "serving.kserve.io/v1alpha2", "kind": "LLMInferenceService",
        "metadata": {"name": "fraud"},
        "spec": {
            "model": {"uri": format!("hf://models/{model}"), "name": "fraud"},
            "replicas": 2,
            "router": {"gateway": {}, "route": {"http": {}, "group": "fraud", "weight": 100}},
            "template": {"containers": [{"name": "main", "image": "registry.example/vllm:1",
                "resources": {"requests": {"cpu": "100m"}}}]},
        },
    })
}

/// Accepts the routes of a namespace until the test ends.
fn gateway(cluster: Arc<Cluster>, namespace: String) {
    tokio::spawn(async move {
        let kind = gvk("HTTPRoute");
        let write = WriteCtx::internal(Fence::unfenced());
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            for member in ["fraud", "fraud-canary"] {
                let name = format!("{member}-kserve-route");
                let Ok(route) = cluster.get(&kind, &namespace, &name).await else {
                    continue;
                };
                let route = route.into_value();
                if route.pointer("/status/parents/0/conditions/0").is_some() {
                    continue;
                }
                let condition = |kind: &str| {
                    json!({"type": kind, "status": "True", "reason": kind,
                    "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
                };
                let status = json!({"status": {"parents": [{
                    "parentRef": route.pointer("/spec/parentRefs/0"),
                    "controllerName": "example.com/gateway",
                    "conditions": [condition("Accepted"), condition("ResolvedRefs")],
                }]}});
                let key = ResourceKey::new(&kind.group, &kind.kind, &namespace, &name);
                let part = Target::Subresource("status".into());
                let body = Bytes::from(status.to_string());
                let writer = cluster.writer();
                // One that lost against another write is seen again.
                let _ = writer
                    .patch(&write, &kind, &key, &part, PatchType::Merge, body)
                    .await;
            }
        }
    });
}

async fn model(world: &World, steps: Value) {
    Kserve::llm().await.check();
    gateway(Arc::clone(&world.cluster), world.namespace.clone());
    world.apply(service("one")).await;
    world
        .apply(rollout_of(
            "serving.kserve.io/v1alpha2",
            "LLMInferenceService",
            steps,
        ))
        .await;
    world.hand_over("fraud", ONE, &service("one")).await;
    world
        .until("KServe serves the first version", async || {
            let live = world.get("LLMInferenceService", "fraud").await;
            live.pointer("/status/workloads/primary/readyReplicas") == Some(&json!(2))
                && weights(world).await.len() == 1
        })
        .await;
    world.start();
    world.status("/stableVersion", json!(ONE)).await;
    world.status("/phase", json!("Healthy")).await;
}

/// Returns the weights of the group in the target's route, by backend; all rules of the group agree.
async fn weights(world: &World) -> BTreeMap<String, i64> {
    let route = world.find("HTTPRoute", "fraud-kserve-route").await;
    let rules = route.and_then(|route| route.pointer("/spec/rules").cloned());
    let mut found: Option<BTreeMap<String, i64>> = None;
    for rule in rules
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let path = rule
            .pointer("/matches/0/path/value")
            .and_then(Value::as_str);
        if !path.is_some_and(|path| path.starts_with(PUBLISHER)) {
            continue;
        }
        let backends = rule["backendRefs"].as_array().unwrap();
        let shares: BTreeMap<String, i64> = backends
            .iter()
            .map(|one| {
                (
                    one["name"].as_str().unwrap().to_owned(),
                    one["weight"].as_i64().unwrap(),
                )
            })
            .collect();
        if let Some(known) = &found {
            assert_eq!(known, &shares);
        }
        found = Some(shares);
    }
    found.unwrap_or_default()
}

fn split(stable: i64, canary: i64) -> BTreeMap<String, i64> {
    let name = |member: &str| format!("{member}-kserve-workload-svc");
    BTreeMap::from([(name("fraud"), stable), (name("fraud-canary"), canary)])
}

fn alone() -> BTreeMap<String, i64> {
    let mut split = split(100, 0);
    split.retain(|_, weight| *weight > 0);
    split
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_member_takes_traffic_until_the_target_is_replaced() {
    let world = World::new("llm").await;
    model(&world, json!([{"setWeight": 50}, {"pause": {}}])).await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;
    assert_eq!(weights(&world).await, split(50, 50));
    let canary = world.get("LLMInferenceService", "fraud-canary").await;
    assert_eq!(
        canary.pointer("/spec/model/uri"),
        Some(&json!("hf://models/two"))
    );
    assert_eq!(canary.pointer("/spec/replicas"), Some(&json!(1)));

    world.command("promote").await;
    world.status("/stableVersion", json!(TWO)).await;
    world.status("/phase", json!("Healthy")).await;
    world
        .until("the canary is gone", async || {
            world
                .find("LLMInferenceService", "fraud-canary")
                .await
                .is_none()
        })
        .await;
    let live = world.get("LLMInferenceService", "fraud").await;
    assert_eq!(
        live.pointer("/spec/model/uri"),
        Some(&json!("hf://models/two"))
    );
    assert_eq!(live.pointer("/spec/replicas"), Some(&json!(2)));
    assert_eq!(live.pointer("/spec/router/route/weight"), Some(&json!(100)));
    assert_eq!(weights(&world).await, alone());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_gives_the_target_all_traffic_back() {
    let world = World::new("llm-abort").await;
    model(&world, json!([{"setWeight": 20}, {"pause": {}}])).await;
    let before = world.get("LLMInferenceService", "fraud").await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;
    assert_eq!(weights(&world).await, split(80, 20));
    // A newer commit takes it back first.
    world.hand_over("fraud", THREE, &service("three")).await;
    world.decided("Superseded").await;
    world
        .until("the newest version has its share", async || {
            let canary = world.find("LLMInferenceService", "fraud-canary").await;
            let uri = canary.and_then(|canary| canary.pointer("/spec/model/uri").cloned());
            uri == Some(json!("hf://models/three")) && weights(&world).await == split(80, 20)
        })
        .await;

    world.command("abort").await;
    world.status("/phase", json!("Degraded")).await;
    assert_eq!(weights(&world).await, alone());
    assert!(
        world
            .find("LLMInferenceService", "fraud-canary")
            .await
            .is_none()
    );
    assert_eq!(
        world.get("LLMInferenceService", "fraud").await["spec"],
        before["spec"]
    );
}
