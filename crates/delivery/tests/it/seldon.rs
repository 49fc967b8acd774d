//! SeldonDeployments take their steps beside a stand-in for Seldon's operator: its module cannot be fetched from the Go module
//! proxy. The stand-in makes what the operator is known to make of each predictor (a Deployment, a Service, a share of the
//! VirtualService), by its published types; how it orders these is its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use driftless_core::ResourceKey;
use driftless_kube::{ApplyOptions, Cluster, DeleteOptions, Fence, WriteCtx};
use driftless_manifest::Object;
use serde_json::{Value, json};

use crate::dev::{ONE, THREE, TWO, World, gvk, rollout_of};

fn model(image: &str) -> Value {
    json!({
        "apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment",
        "metadata": {"name": "fraud"},
        "spec": {"predictors": [{
            "name": "default", "replicas": 2,
            "graph": {"name": "model", "type": "MODEL"},
            "componentSpecs": [{"spec": {"containers": [
                {"name": "model", "image": format!("registry.example/fraud:{image}")}]}}],
        }]},
    })
}

pub(crate) fn crd(group: &str, kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    })
}

async fn put(cluster: &Arc<Cluster>, object: Value) {
    let write = WriteCtx::internal(Fence::unfenced());
    let object = Object::from_value(object).unwrap();
    // One that lost against another write is made again.
    let _ = cluster
        .writer()
        .apply(&write, &object, &ApplyOptions::default())
        .await;
}

/// Makes what the operator makes of the predictors.
async fn operate(cluster: &Arc<Cluster>, namespace: &str, known: &mut BTreeSet<String>) {
    let kind = gvk("SeldonDeployment");
    let Ok(live) = cluster.get(&kind, namespace, "fraud").await else {
        return;
    };
    let live = live.into_value();
    let mut there = BTreeSet::new();
    let mut routes = Vec::new();
    for predictor in live["spec"]["predictors"].as_array().unwrap() {
        let service = format!("fraud-{}", predictor["name"].as_str().unwrap());
        let name = format!("{service}-0-model");
        let labels = json!({"seldon-deployment-id": "fraud", "app": name});
        let containers = &predictor["componentSpecs"][0]["spec"]["containers"];
        put(cluster, json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"replicas": predictor.get("replicas"), "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}},
        }))
        .await;
        put(cluster, json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": namespace},
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 8000}]},
        }))
        .await;
        routes.push(
            json!({"destination": {"host": service, "subset": predictor["name"]},
            "weight": predictor.get("traffic").cloned().unwrap_or_else(|| 0.into())}),
        );
        there.insert(name);
    }
    put(
        cluster,
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "fraud-http", "namespace": namespace},
            "spec": {"hosts": ["*"], "http": [{"route": routes}]},
        }),
    )
    .await;
    let write = WriteCtx::internal(Fence::unfenced());
    for name in known.difference(&there) {
        let kind = gvk("Deployment");
        let key = ResourceKey::new(&kind.group, &kind.kind, namespace, name);
        let options = DeleteOptions::default();
        let _ = cluster.writer().delete(&write, &key, &options).await;
    }
    *known = there;
}

async fn start(world: &World, steps: Value) {
    for (group, kind, plural) in [
        (
            "machinelearning.seldon.io",
            "SeldonDeployment",
            "seldondeployments",
        ),
        ("networking.istio.io", "VirtualService", "virtualservices"),
    ] {
        world.apply_plain(crd(group, kind, plural)).await;
        world
            .until(&format!("{kind} is served"), async || {
                world.cluster.resolve(&gvk(kind)).await.is_ok()
            })
            .await;
    }
    let (cluster, namespace) = (Arc::clone(&world.cluster), world.namespace.clone());
    tokio::spawn(async move {
        let mut known = BTreeSet::new();
        loop {
            operate(&cluster, &namespace, &mut known).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    world.apply(model("one")).await;
    world
        .apply(rollout_of(
            "machinelearning.seldon.io/v1",
            "SeldonDeployment",
            steps,
        ))
        .await;
    world.hand_over("fraud", ONE, &model("one")).await;
    world
        .until("the first version runs", async || {
            let deployment = world.find("Deployment", "fraud-default-0-model").await;
            deployment.is_some_and(|one| one.pointer("/status/readyReplicas") == Some(&json!(2)))
        })
        .await;
    world.start();
    world.status("/stableVersion", json!(ONE)).await;
    world.status("/phase", json!("Healthy")).await;
}

async fn weights(world: &World) -> BTreeMap<String, i64> {
    let route = world.get("VirtualService", "fraud-http").await;
    let routes = route
        .pointer("/spec/http/0/route")
        .unwrap()
        .as_array()
        .unwrap();
    routes
        .iter()
        .map(|one| {
            let host = one["destination"]["host"].as_str().unwrap().to_owned();
            (host, one["weight"].as_i64().unwrap())
        })
        .collect()
}

fn split(stable: i64, version: &str, canary: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([
        ("fraud-default".to_owned(), stable),
        (format!("fraud-v{version}"), canary),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_predictor_takes_traffic_until_the_first_is_replaced() {
    let world = World::new("seldon").await;
    start(&world, json!([{"setWeight": 50}, {"pause": {}}])).await;
    world.hand_over("fraud", TWO, &model("two")).await;
    world.awaits_approval().await;
    assert_eq!(weights(&world).await, split(50, TWO, 50));

    world.command("promote").await;
    world.status("/stableVersion", json!(TWO)).await;
    world.status("/phase", json!("Healthy")).await;
    let live = world.get("SeldonDeployment", "fraud").await;
    assert_eq!(live["spec"], model("two")["spec"]);
    world
        .until("only the first predictor's pods are there", async || {
            let other = format!("fraud-v{TWO}-0-model");
            world.find("Deployment", &other).await.is_none()
        })
        .await;
    let deployment = world.get("Deployment", "fraud-default-0-model").await;
    assert_eq!(
        deployment.pointer("/spec/template/spec/containers/0/image"),
        Some(&json!("registry.example/fraud:two"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_leaves_the_first_predictor_as_it_was() {
    let world = World::new("seldon-abort").await;
    start(&world, json!([{"setWeight": 20}, {"pause": {}}])).await;
    world.hand_over("fraud", TWO, &model("two")).await;
    world.awaits_approval().await;
    assert_eq!(weights(&world).await, split(80, TWO, 20));
    world.hand_over("fraud", THREE, &model("three")).await;
    world.decided("Superseded").await;
    world
        .until("the newest version has its share", async || {
            weights(&world).await == split(80, THREE, 20)
        })
        .await;
    world.command("abort").await;
    world.status("/phase", json!("Degraded")).await;
    let live = world.get("SeldonDeployment", "fraud").await;
    assert_eq!(live["spec"], model("one")["spec"]);
}
