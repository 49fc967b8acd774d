//! The cluster simulates what system tests rely on.

use std::time::{Duration, Instant};

use driftless_testkit::{Devcluster, Kind, unique};
use serde_json::{Value, json};

async fn until(
    what: &str,
    client: &kube::Client,
    kind: Kind,
    ns: &str,
    name: &str,
    pointer: &str,
    wanted: Value,
) {
    let started = Instant::now();
    loop {
        let object = kind.read(client, ns, name).await.unwrap_or_default();
        let found = object.pointer(pointer).cloned().unwrap_or_default();
        if found == wanted {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{what}: {pointer} is {found}, not {wanted}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn namespace(client: &kube::Client) -> String {
    let name = unique("kit");
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    Kind::NAMESPACE.create(client, "", object).await;
    name
}

#[tokio::test]
async fn pods_of_a_deployment_become_ready() {
    let client = Devcluster::shared().client().await;
    let ns = namespace(&client).await;
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "x", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}});
    Kind::DEPLOYMENT.create(&client, &ns, object).await;
    until(
        "deployment",
        &client,
        Kind::DEPLOYMENT,
        &ns,
        "web",
        "/status/readyReplicas",
        json!(2),
    )
    .await;
}

#[tokio::test]
async fn a_job_completes_and_a_failing_one_fails() {
    let client = Devcluster::shared().client().await;
    let ns = namespace(&client).await;
    let job = |name: &str, annotations: Value| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"backoffLimit": 0,
            "template": {"metadata": {"annotations": annotations}, "spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "x"}]}}}})
    };
    Kind::JOB.create(&client, &ns, job("good", json!({}))).await;
    Kind::JOB
        .create(
            &client,
            &ns,
            job("bad", json!({"devcluster.driftless.dev/outcome": "fail"})),
        )
        .await;
    until(
        "job",
        &client,
        Kind::JOB,
        &ns,
        "good",
        "/status/succeeded",
        json!(1),
    )
    .await;
    until(
        "job",
        &client,
        Kind::JOB,
        &ns,
        "bad",
        "/status/failed",
        json!(1),
    )
    .await;
}

#[tokio::test]
async fn a_claim_is_bound() {
    let client = Devcluster::shared().client().await;
    let ns = namespace(&client).await;
    let object = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    Kind::CLAIM.create(&client, &ns, object).await;
    until(
        "claim",
        &client,
        Kind::CLAIM,
        &ns,
        "data",
        "/status/phase",
        json!("Bound"),
    )
    .await;
}

#[tokio::test]
async fn the_api_server_can_be_away_and_come_back() {
    let cluster = Devcluster::start("away", &[]);
    let client = cluster.client().await;
    let ns = namespace(&client).await;
    cluster.stop_api();
    let api = Kind::NAMESPACE.api(&client, "");
    assert!(api.get(&ns).await.is_err(), "the API server still answers");
    cluster.start_api();
    assert!(
        Kind::NAMESPACE.read(&client, "", &ns).await.is_some(),
        "the namespace was lost"
    );
    cluster.down();
}
