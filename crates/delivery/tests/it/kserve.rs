//! InferenceServices take their steps under KServe's own controller.

use std::collections::{BTreeMap, BTreeSet};

use driftless_testkit::Kserve;
use serde_json::{Value, json};

use crate::dev::{ONE, THREE, TWO, World, gvk, rollout_of, route, weights};

const API: &str = "serving.kserve.io/v1beta1";

fn service(model: &str) -> Value {
    Kserve::inference_service("", "fraud", &format!("s3://models/fraud/{model}"), 2)
}

/// Makes the model at its first version, and waits until the rollout knows it.
async fn model(world: &World, steps: Value) {
    model_of(world, rollout_of(API, "InferenceService", steps)).await;
}

async fn model_of(world: &World, rollout: Value) {
    Kserve::shared().await.check();
    world.apply(service("one")).await;
    world.apply(rollout).await;
    world.hand_over("fraud", ONE, &service("one")).await;
    world
        .until("KServe serves the first version", async || {
            let deployment = world.find("Deployment", "fraud-predictor").await;
            let is_ready = deployment
                .is_some_and(|one| one.pointer("/status/readyReplicas") == Some(&json!(2)));
            is_ready && world.find("HTTPRoute", "fraud").await.is_some()
        })
        .await;
    world.start();
    world.status("/stableVersion", json!(ONE)).await;
    world.status("/phase", json!("Healthy")).await;
}

/// Returns the pods of the model by version of its Deployment.
async fn pods(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let all = world
        .cluster
        .list(&gvk("Pod"), &world.namespace, 1000)
        .await
        .unwrap();
    let mut pods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pod in all {
        let pod = pod.into_value();
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            continue;
        }
        let text = |pointer: &str| {
            pod.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap()
                .to_owned()
        };
        pods.entry(text("/metadata/labels/app"))
            .or_default()
            .insert(text("/metadata/uid"));
    }
    pods
}

fn split(stable: (&str, i64), canary: (&str, i64)) -> BTreeMap<String, i64> {
    BTreeMap::from([
        (stable.0.to_owned(), stable.1),
        (canary.0.to_owned(), canary.1),
    ])
}

fn name_of(version: &str) -> String {
    format!("fraud-v{version}-predictor")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_kserve_is_promoted_and_no_warm_pod_restarts() {
    let world = World::new("kserve").await;
    model(
        &world,
        json!([{"setWeight": 50}, {"pause": {}}, {"setWeight": 100}, {"pause": {}}]),
    )
    .await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;

    let canary = name_of(TWO);
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(
        weights(&route),
        split(("fraud-predictor", 50), (&canary, 50))
    );
    let live = world.get("InferenceService", "fraud").await;
    assert_eq!(
        live.pointer("/spec/canary/0/trafficPercent"),
        Some(&json!(50))
    );
    // KServe would take the canary's pods off the stable version's.
    let stable = world.get("Deployment", "fraud-predictor").await;
    assert_eq!(stable.pointer("/spec/replicas"), Some(&json!(2)));
    assert_eq!(
        world.target().await["canaryPods"],
        json!({"desired": 1, "ready": 1})
    );

    world.command("promote").await;
    world.status("/currentStepIndex", json!(3)).await;
    world.status("/canaryPods/ready", json!(2)).await;
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(
        weights(&route),
        split(("fraud-predictor", 0), (&canary, 100))
    );
    let warm = pods(&world)
        .await
        .remove(&format!("isvc.{canary}"))
        .unwrap();
    assert_eq!(warm.len(), 2);

    world.command("promote").await;
    world.status("/stableVersion", json!(TWO)).await;
    world.status("/phase", json!("Healthy")).await;
    world
        .until("only the warm pods are there", async || {
            pods(&world).await == BTreeMap::from([(format!("isvc.{canary}"), warm.clone())])
        })
        .await;
    let live = world.get("InferenceService", "fraud").await;
    assert_eq!(live.pointer("/spec/canary"), None);
    assert_eq!(live.pointer("/spec/predictor/minReplicas"), Some(&json!(2)));
    assert_eq!(live.pointer("/spec/predictor/maxReplicas"), Some(&json!(2)));
    assert_eq!(
        live.pointer("/spec/predictor/model/storageUri"),
        Some(&json!("s3://models/fraud/two"))
    );
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(weights(&route), BTreeMap::from([(canary.clone(), 1)]));

    // The next version takes its steps beside the one that bears a name now.
    world.hand_over("fraud", THREE, &service("three")).await;
    world.awaits_approval().await;
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(weights(&route), split((&canary, 50), (&name_of(THREE), 50)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_gives_a_model_of_kserve_its_traffic_back() {
    let world = World::new("kserve-abort").await;
    model(&world, json!([{"setWeight": 20}, {"pause": {}}])).await;
    let route = world.get("HTTPRoute", "fraud").await;
    let live = world.get("InferenceService", "fraud").await;
    let before = pods(&world).await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;
    let split_route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(
        weights(&split_route),
        split(("fraud-predictor", 80), (&name_of(TWO), 20))
    );

    world.command("abort").await;
    world.status("/phase", json!("Degraded")).await;
    world
        .until("the new pods are gone", async || {
            pods(&world).await == before
        })
        .await;
    world
        .until("the route is as before", async || {
            let now = world.get("HTTPRoute", "fraud").await;
            now["spec"] == route["spec"]
                && now.pointer("/metadata/annotations") == route.pointer("/metadata/annotations")
        })
        .await;
    assert_eq!(
        world.get("InferenceService", "fraud").await["spec"],
        live["spec"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_route_no_weight_is_claimed() {
    let world = World::new("kserve-route").await;
    model(&world, json!([{"setWeight": 20}, {"pause": {}}])).await;
    world.delete("HTTPRoute", "fraud").await;
    world.hand_over("fraud", TWO, &service("two")).await;
    // KServe makes its route again, and the rollout goes on from there.
    world.awaits_approval().await;
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(
        weights(&route),
        split(("fraud-predictor", 80), (&name_of(TWO), 20))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_model_with_other_settings_replaces_the_pods_under_cover() {
    let world = World::new("kserve-same").await;
    model(&world, json!([{"setWeight": 50}, {"pause": {}}])).await;
    let mut changed = service("one");
    changed["spec"]["predictor"]["model"]["env"] = json!([{"name": "THREADS", "value": "4"}]);
    world.hand_over("fraud", TWO, &changed).await;
    world.awaits_approval().await;
    world.command("promote").await;
    world.status("/stableVersion", json!(TWO)).await;
    world.status("/phase", json!("Healthy")).await;
    let live = world.get("InferenceService", "fraud").await;
    assert_eq!(live.pointer("/spec/canary"), None);
    assert_eq!(
        live.pointer("/spec/predictor/model/env/0/value"),
        Some(&json!("4"))
    );
    assert_eq!(live.pointer("/spec/predictor/minReplicas"), Some(&json!(2)));
    world
        .until("only the stable version's pods are there", async || {
            pods(&world)
                .await
                .keys()
                .map(String::as_str)
                .eq(["isvc.fraud-predictor"])
        })
        .await;
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(
        weights(&route),
        BTreeMap::from([("fraud-predictor".to_owned(), 1)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_a_header_and_copies_go_to_the_new_model_and_kserve_lets_them() {
    let world = World::new("kserve-header").await;
    let beta = json!([{"headerName": "x-beta", "headerValue": {"exact": "yes"}}]);
    model(
        &world,
        json!([
            {"setCanaryScale": {"replicas": 1}},
            {"setHeaderRoute": {"name": "beta", "match": beta}},
            {"setMirrorRoute": {"name": "shadow", "percentage": 100}},
            {"pause": {}},
            {"setWeight": 20},
            {"pause": {}},
        ]),
    )
    .await;
    let before = world.get("HTTPRoute", "fraud").await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;

    let canary = name_of(TWO);
    let is_routed = |route: &Value, weight: Option<i64>| {
        let rules = route["spec"]["rules"].as_array().unwrap();
        // KServe's own rule stays the first one, with the copies as a filter of it.
        let first = &rules[0];
        let mirror = first.pointer("/filters/1/requestMirror/backendRef/name");
        let ours = &route["spec"]["rules"][1];
        let header = &ours["matches"][0]["headers"][0];
        let shares = first["backendRefs"].as_array().unwrap();
        let share = shares.iter().find(|one| one["name"] == json!(canary));
        rules.len() == 2
            && mirror == Some(&json!(canary))
            && header["name"] == "x-beta"
            && ours["backendRefs"][0]["name"] == json!(canary)
            && share.map_or(Some(0), |share| share["weight"].as_i64()) == Some(weight.unwrap_or(0))
    };
    let route = world.get("HTTPRoute", "fraud").await;
    assert!(is_routed(&route, None), "{route}");

    // KServe looks at its route again and leaves what it has not written.
    let touch = json!({"metadata": {"labels": {"touched": "yes"}}});
    world.patch("InferenceService", "fraud", touch).await;
    world
        .until("KServe has handed the label on", async || {
            let route = world.get("HTTPRoute", "fraud").await;
            route.pointer("/metadata/labels/touched") == Some(&json!("yes"))
        })
        .await;
    world
        .until("the routes are there again", async || {
            is_routed(&world.get("HTTPRoute", "fraud").await, None)
        })
        .await;

    // A hand on them is put back.
    let mut rules = world.get("HTTPRoute", "fraud").await["spec"]["rules"].clone();
    rules.as_array_mut().unwrap().pop();
    world
        .patch("HTTPRoute", "fraud", json!({"spec": {"rules": rules}}))
        .await;
    world
        .until("the route by header is there again", async || {
            is_routed(&world.get("HTTPRoute", "fraud").await, None)
        })
        .await;

    world.awaits_approval().await;
    world.command("promote").await;
    world
        .until("a share goes to the new version as well", async || {
            is_routed(&world.get("HTTPRoute", "fraud").await, Some(20))
        })
        .await;
    world.command("abort").await;
    world.status("/phase", json!("Degraded")).await;
    world
        .until("the route is as before", async || {
            let now = world.get("HTTPRoute", "fraud").await;
            now["spec"] == before["spec"]
                && now.pointer("/metadata/annotations") == before.pointer("/metadata/annotations")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_the_users_goes_on_naming_the_predictor() {
    let world = World::new("kserve-own-route").await;
    let beta = json!([{"headerName": "x-beta", "headerValue": {"exact": "yes"}}]);
    let steps = json!([
        {"setWeight": 50},
        {"setHeaderRoute": {"name": "beta", "match": beta}},
        {"pause": {}},
    ]);
    let mut rollout = rollout_of(API, "InferenceService", steps);
    let name = json!({"httpRoute": {"name": "users"}});
    rollout["spec"]["strategy"]["canary"]["trafficRouting"] = name;
    let mut users = route();
    users["metadata"]["name"] = "users".into();
    users["spec"]["rules"][0]["backendRefs"][0]["name"] = "fraud-predictor".into();
    world.apply(users).await;
    let before = world.get("HTTPRoute", "users").await;
    model_of(&world, rollout).await;
    world.hand_over("fraud", TWO, &service("two")).await;
    world.awaits_approval().await;
    let split = world.get("HTTPRoute", "users").await;
    let rules = &split["spec"]["rules"];
    let canary = name_of(TWO);
    assert_eq!(rules[0]["matches"][0]["headers"][0]["name"], "x-beta");
    assert_eq!(rules[0]["backendRefs"][0]["name"], json!(canary));
    assert_eq!(rules[1]["backendRefs"][1]["weight"], 50);

    world.command("promote").await;
    world.status("/stableVersion", json!(TWO)).await;
    world.status("/phase", json!("Healthy")).await;
    // Its Service is called as before: the route that Git has leads to it.
    let live = world.get("InferenceService", "fraud").await;
    assert_eq!(live.pointer("/spec/predictor/name"), None);
    assert_eq!(
        live.pointer("/spec/predictor/model/storageUri"),
        Some(&json!("s3://models/fraud/two"))
    );
    let after = world.get("HTTPRoute", "users").await;
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(
        after.pointer("/metadata/annotations/driftless.dev~1routes"),
        None
    );
}
