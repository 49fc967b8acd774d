//! Health of built-in kinds, its aggregation, and the resource tree.

use driftless_testkit::Kind;
use driftless_testkit::expect::{health, succeeded, synced};
use driftless_testkit::manifest::{config_map, deployment, text};
use serde_json::{Value, json};

use crate::given;

#[tokio::test]
async fn an_application_without_health_of_its_own_is_healthy() {
    given("health-plain")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(health("Healthy"))
        .await;
}

#[tokio::test]
async fn a_deployment_progresses_and_becomes_healthy() {
    let slow = [("devcluster.driftless.dev/start-delay", "3s")];
    given("health-deploy")
        .file("web.yaml", deployment("web", 2, &slow))
        .when()
        .sync()
        .then()
        .expect(health("Progressing"))
        .expect(health("Healthy"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn nothing_applied_yet_is_missing() {
    given("health-missing")
        .file("a.yaml", config_map("a", "1"))
        .file("web.yaml", deployment("web", 1, &[]))
        .then()
        .expect(health("Missing"))
        .await;
}

#[tokio::test]
async fn the_worst_health_wins() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "broken",
        "annotations": {"devcluster.driftless.dev/waiting": "ImagePullBackOff"}},
        "spec": {"containers": [{"name": "main", "image": "example.com/missing:1"}]}});
    given("health-worst")
        .file("web.yaml", deployment("web", 1, &[]))
        .file("pod.yaml", text(&pod))
        .when()
        .sync()
        .then()
        .expect(health("Degraded"))
        .await;
}

#[tokio::test]
async fn a_paused_deployment_is_suspended() {
    let mut web: Value = serde_json::from_str(&deployment("web", 1, &[])).unwrap();
    web["spec"]["paused"] = json!(true);
    given("health-paused")
        .file("web.yaml", text(&web))
        .when()
        .sync()
        .then()
        .expect(health("Suspended"))
        .await;
}

#[tokio::test]
async fn a_claim_is_healthy_when_it_is_bound() {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    given("health-claim")
        .file("claim.yaml", text(&claim))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(health("Healthy"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn the_tree_holds_the_children_of_managed_objects() {
    let world = given("health-tree")
        .file("web.yaml", deployment("web", 2, &[]))
        .when()
        .sync()
        .then()
        .expect(health("Healthy"))
        .await;
    let path = format!("/api/v1/applications/{}/resource-tree", world.name);
    let started = std::time::Instant::now();
    loop {
        let (code, tree) = world.driftless.rest(http::Method::GET, &path, None).await;
        assert_eq!(code, 200, "{tree}");
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let count = |kind: &str| nodes.iter().filter(|node| node["kind"] == kind).count();
        let counts = [count("Deployment"), count("ReplicaSet"), count("Pod")];
        let linked = nodes
            .iter()
            .filter(|node| node["kind"] == "Pod")
            .all(|pod| pod["parentRefs"][0]["kind"] == "ReplicaSet");
        if counts == [1, 1, 2] && linked {
            return;
        }
        assert!(
            started.elapsed() < driftless_testkit::DEADLINE,
            "{counts:?}, linked: {linked}\n{tree:#}"
        );
        tokio::time::sleep(driftless_testkit::POLL).await;
    }
}

#[tokio::test]
async fn a_deployment_is_restarted_through_the_api() {
    let world = given("health-restart")
        .file("web.yaml", deployment("web", 1, &[]))
        .when()
        .sync()
        .then()
        .expect(health("Healthy"))
        .await;
    let base = format!(
        "{}/api/v1/applications/{}/resource/actions",
        world.driftless.url(),
        world.name
    );
    let place = format!(
        "group=apps&kind=Deployment&version=v1&resourceName=web&namespace={}",
        world.namespace
    );
    let listed = reqwest::get(format!("{base}?{place}")).await.unwrap();
    let listed: Value = serde_json::from_str(&listed.text().await.unwrap()).unwrap();
    let names: Vec<&str> = listed["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["pause", "restart", "resume", "scale"]);
    let body = json!({"group": "apps", "kind": "Deployment", "version": "v1", "resourceName": "web",
        "namespace": world.namespace, "action": "restart"});
    let answer = reqwest::Client::new()
        .post(format!("{base}/v2"))
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert!(
        answer.status().is_success(),
        "{}",
        answer.text().await.unwrap()
    );
    let live = world.live(Kind::DEPLOYMENT, "web").await.unwrap();
    let at = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    assert!(live.pointer(at).is_some_and(Value::is_string), "{live}");
    // A restart is nobody's drift.
    world.then().expect(synced()).await;
}
