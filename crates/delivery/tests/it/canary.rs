//! A Deployment behind a route takes its steps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::dev::{World, weights, workload};

fn split(stable: i64, canary: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([
        ("fraud".to_owned(), stable),
        ("fraud-canary".to_owned(), canary),
    ])
}

/// Checks that Service, route and Deployment are as Git says, with nothing left over.
async fn as_in_git(world: &World, image: &str) {
    let route = world.get("HTTPRoute", "fraud").await;
    assert_eq!(route["spec"], crate::dev::route()["spec"]);
    assert_eq!(route.pointer("/metadata/annotations"), None);
    let service = world.get("Service", "fraud").await;
    assert_eq!(
        service.pointer("/spec/selector"),
        Some(&json!({"app": "fraud"}))
    );
    assert!(world.find("Service", "fraud-canary").await.is_none());
    let deployment = world.get("Deployment", "fraud").await;
    let wanted = format!("registry.example/fraud:{image}");
    assert_eq!(
        deployment.pointer("/spec/template/spec/containers/0/image"),
        Some(&json!(wanted))
    );
    assert_eq!(deployment.pointer("/spec/paused"), None);
    assert_eq!(
        deployment.pointer("/spec/strategy/rollingUpdate/maxSurge"),
        Some(&json!("25%"))
    );
    let notes = deployment
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    let notes = notes
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with("driftless.dev/"));
    assert_eq!(notes.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_promoted_and_no_warm_pod_restarts() {
    let world = World::new("promote").await;
    let steps = json!([{"setWeight": 50}, {"pause": {}}, {"setWeight": 100}, {"pause": {}}]);
    world.model("Deployment", steps).await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;

    world.awaits_approval().await;
    assert_eq!(
        weights(&world.get("HTTPRoute", "fraud").await),
        split(50, 50)
    );
    let target = world.target().await;
    assert_eq!(target["phase"], "Paused");
    assert_eq!(target["canaryVersion"], "v2");
    assert_eq!(target["weight"], 50);
    assert_eq!(target["currentStepIndex"], 1);
    assert_eq!(target["stepTitles"][0], "Set weight to 50 %");
    assert_eq!(target["canaryPods"], json!({"desired": 1, "ready": 1}));
    assert_eq!(target["fit"], "all new pods fit beside the old ones");
    let stable = world.get("Service", "fraud").await;
    let canary = world.get("Service", "fraud-canary").await;
    let pin = |service: &Value| {
        service
            .pointer("/spec/selector/pod-template-hash")
            .cloned()
            .unwrap()
    };
    assert_ne!(pin(&stable), pin(&canary));

    world.command("promote").await;
    world.status("/currentStepIndex", json!(3)).await;
    world.status("/canaryPods/ready", json!(2)).await;
    assert_eq!(
        weights(&world.get("HTTPRoute", "fraud").await),
        split(0, 100)
    );
    let mut warm = world.pods().await;
    warm.retain(|_, (_, image)| image.ends_with(":v2"));
    assert_eq!(warm.len(), 2);

    world.command("promote").await;
    world.status("/stableVersion", json!("v2")).await;
    world.status("/phase", json!("Healthy")).await;
    world
        .until("only the warm pods are there", async || {
            world.pods().await == warm
        })
        .await;
    assert!(world.find("Deployment", "fraud-canary").await.is_none());
    as_in_git(&world, "v2").await;
    let rollout = world.get("ModelRollout", "fraud").await;
    assert_eq!(
        rollout.pointer("/metadata/annotations/driftless.dev~1rollout-command"),
        None
    );
    world
        .until("nothing holds it", async || {
            world
                .get("ModelRollout", "fraud")
                .await
                .pointer("/metadata/finalizers")
                .is_none()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_gives_the_traffic_back() {
    let world = World::new("abort").await;
    world
        .model("Deployment", json!([{"setWeight": 20}, {"pause": {}}]))
        .await;
    let before = world.pods().await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.awaits_approval().await;
    assert_eq!(
        weights(&world.get("HTTPRoute", "fraud").await),
        split(80, 20)
    );

    world.command("abort").await;
    world.status("/phase", json!("Degraded")).await;
    world
        .until("the new pods are gone", async || {
            world.pods().await == before
        })
        .await;
    as_in_git(&world, "v1").await;
    let target = world.target().await;
    assert_eq!(target["quarantined"][0]["version"], "v2");
    assert_eq!(target["stableVersion"], "v1");
    assert_eq!(target["wantedVersion"], "v2");
    assert_eq!(target["waitingFor"], "Quarantined");

    world.command("retry").await;
    world.awaits_approval().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_measurement_takes_a_version_back() {
    let world = World::new("judge").await;
    let metric = json!({"name": "errors", "interval": "1s", "count": 3, "successCondition": "result < 0.05",
        "provider": {"web": {"url": "http://metrics.example", "jsonPath": "{$}"}}});
    let steps = json!([{"setWeight": 50}, {"analysis": {"metrics": [metric]}}]);
    world
        .fake
        .0
        .lock()
        .insert("errors".to_owned(), Ok(json!(0.01)));
    world.model("Deployment", steps).await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.status("/stableVersion", json!("v2")).await;
    // The last measurement is part of what is told.
    let passed = world.target().await["metrics"][0].clone();
    assert_eq!(passed["phase"], "Successful", "{passed:#}");
    assert_eq!(passed["measurements"].as_array().unwrap().len(), 3);

    world
        .fake
        .0
        .lock()
        .insert("errors".to_owned(), Ok(json!(0.5)));
    world
        .hand_over("fraud", "v3", &workload("Deployment", "v3", 2))
        .await;
    world.decided("AnalysisFailed").await;
    world.status("/phase", json!("Degraded")).await;
    as_in_git(&world, "v2").await;
    let target = world.target().await;
    let measured = &target["metrics"][0];
    assert_eq!(measured["name"], "errors");
    assert_eq!(measured["analysis"], "step 1");
    assert_eq!(measured["phase"], "Failed");
    assert_eq!(measured["threshold"], 0.05);
    assert_eq!(measured["measurements"][0]["value"], 0.5);
    assert_eq!(measured["measurements"][0]["phase"], "Failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_replaces_one_on_its_way() {
    let world = World::new("newer").await;
    world
        .model("Deployment", json!([{"setWeight": 50}, {"pause": {}}]))
        .await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.awaits_approval().await;
    world
        .hand_over("fraud", "v3", &workload("Deployment", "v3", 2))
        .await;
    world.decided("Superseded").await;
    world.status("/canaryVersion", json!("v3")).await;
    world.awaits_approval().await;
    assert_eq!(
        weights(&world.get("HTTPRoute", "fraud").await),
        split(50, 50)
    );
    let images: Vec<String> = world
        .pods()
        .await
        .into_values()
        .map(|(_, image)| image)
        .collect();
    assert!(
        !images.iter().any(|image| image.ends_with(":v2")),
        "{images:?}"
    );
    // Reverting ends it without a grudge.
    world
        .hand_over("fraud", "v1", &workload("Deployment", "v1", 2))
        .await;
    world.status("/phase", json!("Healthy")).await;
    as_in_git(&world, "v1").await;
    assert_eq!(world.target().await.get("quarantined"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_by_header_and_mirrors_come_before_others_and_go() {
    let world = World::new("headers").await;
    let beta = json!({"name": "beta", "match": [{"headerName": "X-Beta", "headerValue": {"exact": "yes"}}]});
    let shadow =
        json!({"name": "shadow", "percentage": 20, "match": [{"path": {"prefix": "/v1"}}]});
    let steps = json!([{"setCanaryScale": {"replicas": 1}}, {"setHeaderRoute": beta},
        {"setMirrorRoute": shadow}, {"pause": {}}, {"setWeight": 100}]);
    world.model("Deployment", steps).await;
    world
        .hand_over("fraud", "v2", &workload("Deployment", "v2", 2))
        .await;
    world.awaits_approval().await;
    let route = world.get("HTTPRoute", "fraud").await;
    let rules = route["spec"]["rules"].as_array().unwrap();
    let git = crate::dev::route();
    let own = git["spec"]["rules"].as_array().unwrap().len();
    assert_eq!(rules.len(), own + 2, "{rules:?}");
    assert_eq!(rules[0]["matches"][0]["headers"][0]["name"], "X-Beta");
    assert_eq!(rules[0]["backendRefs"][0]["name"], "fraud-canary");
    assert_eq!(rules[0]["backendRefs"].as_array().unwrap().len(), 1);
    let copy = &rules[1]["filters"][0]["requestMirror"];
    assert_eq!(copy["backendRef"]["name"], "fraud-canary");
    assert_eq!(copy["percent"], 20);
    assert_eq!(rules[1]["matches"][0]["path"]["value"], "/v1");

    // A hand on them is put back.
    let mut changed = route["spec"]["rules"].clone();
    changed.as_array_mut().unwrap().remove(0);
    world
        .patch("HTTPRoute", "fraud", json!({"spec": {"rules": changed}}))
        .await;
    world.decided("TrafficChangedOutside").await;
    world
        .until("the rule is back", async || {
            world.get("HTTPRoute", "fraud").await["spec"] == route["spec"]
        })
        .await;

    world.command("abort").await;
    world.status("/phase", json!("Degraded")).await;
    as_in_git(&world, "v1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_of_one_rollout_take_their_steps_beside_each_other() {
    let world = World::new("several").await;
    let names = ["fraud-a", "fraud-b", "fraud-c"];
    let model = |name: &str, image: &str| {
        let mut model = workload("Deployment", image, 1);
        model["metadata"]["name"] = name.into();
        model["metadata"]["labels"] = json!({"app": name, "model": "fraud"});
        model["metadata"]["namespace"] = world.namespace.as_str().into();
        model["spec"]["selector"]["matchLabels"]["app"] = name.into();
        model["spec"]["template"]["metadata"]["labels"]["app"] = name.into();
        model
    };
    let hand_over = async |version: &str| {
        let mut wanted = serde_json::Map::new();
        for name in names {
            let stored = format!("{name}-{version}");
            world
                .apply(json!({
                    "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": stored},
                    "revision": 1, "data": {"object": model(name, version)},
                }))
                .await;
            let entry = json!({"version": version, "controllerRevision": stored});
            wanted.insert(name.to_owned(), entry);
        }
        let wanted = Value::Object(wanted).to_string();
        let patch = json!({"metadata": {"annotations": {"driftless.dev/wanted": wanted}}});
        world.patch("ModelRollout", "fraud", patch).await;
    };
    let all = async |pointer: &str, wanted: Value| {
        let what = format!("{pointer} of all targets is {wanted}");
        world
            .until(&what, async || {
                let rollout = world.get("ModelRollout", "fraud").await;
                let targets = rollout.pointer("/status/targets").cloned();
                let targets = targets.unwrap_or_default();
                let targets = targets.as_array().cloned().unwrap_or_default();
                targets.len() == names.len() && { targets.iter() }
                    .all(|target| target.pointer(pointer) == Some(&wanted))
            })
            .await;
    };
    for name in names {
        world.apply(model(name, "v1")).await;
    }
    world
        .apply(json!({
            "apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout", "metadata": {"name": "fraud"},
            "spec": {
                "selector": {"apiVersion": "apps/v1", "kind": "Deployment", "matchLabels": {"model": "fraud"}},
                "strategy": {"canary": {"scaleDownDelaySeconds": 0,
                    "steps": [{"setWeight": 50}, {"pause": {}}]}},
            },
        }))
        .await;
    hand_over("v1").await;
    world.start();
    all("/stableVersion", json!("v1")).await;
    hand_over("v2").await;
    all("/waitingFor", json!("WaitingForApproval")).await;
    world.command("promote").await;
    all("/stableVersion", json!("v2")).await;
    all("/phase", json!("Healthy")).await;
}
