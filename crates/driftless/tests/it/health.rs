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

#[tokio::test]
async fn users_own_lua_judges_health_and_cannot_run_for_ever() {
    let world = given("health-lua")
        .setting(
            "resource.customizations.health.ConfigMap",
            "local hs = {} hs.status = 'Healthy' hs.message = ''
             if obj.data.value == 'broken' then hs.status = 'Degraded' hs.message = 'it is broken' end
             if obj.data.value == 'endless' then while true do end end
             if obj.data.value == 'greedy' then local t = {} while true do t[#t + 1] = {t, t, t, t} end end
             return hs",
        )
        .file("a.yaml", config_map("a", "broken"))
        .file("web.yaml", deployment("web", 1, &[]))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(health("Degraded"))
        .when()
        .commit_file("a.yaml", config_map("a", "fine"))
        .sync()
        .then()
        .expect(synced())
        .expect(health("Healthy"))
        .when()
        .commit_file("a.yaml", config_map("a", "endless"))
        .sync()
        .then()
        .expect(synced())
        .expect(health("Unknown"))
        .when()
        .commit_file("a.yaml", config_map("a", "greedy"))
        .sync()
        .then()
        .expect(synced())
        .expect(health("Unknown"))
        .await;
    let path = format!("/api/v1/applications/{}/resource-tree", world.name);
    let (_, tree) = world.driftless.rest(http::Method::GET, &path, None).await;
    let of = |kind: &str| {
        let nodes = tree["nodes"].as_array().into_iter().flatten();
        let mut nodes = nodes.filter(|node| node["kind"] == kind);
        nodes
            .next()
            .map(|node| node["health"].clone())
            .unwrap_or_default()
    };
    assert_eq!(of("Deployment")["status"], "Healthy", "{tree:#}");
    assert_eq!(
        of("ConfigMap")["message"],
        "argocd-cm resource.customizations.health.ConfigMap: the Lua script takes more than 32 MiB of memory"
    );
}

/// What the incumbent's documentation tells people to write for an app of apps.
const OF_APPS: &str = "hs = {}
hs.status = \"Progressing\"
hs.message = \"\"
if obj.status ~= nil then
  if obj.status.health ~= nil then
    hs.status = obj.status.health.status
    if obj.status.health.message ~= nil then
      hs.message = obj.status.health.message
    end
  end
end
return hs
";

fn child(name: &str) -> Value {
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name},
        "spec": {"project": "default", "source": {"repoURL": "https://127.0.0.1:1/none.git", "path": "."},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": name}}})
}

/// The child is in a namespace that no controller looks at: its status is what this test writes.
fn of_child(status: &str) -> Value {
    json!({"status": {"health": {"status": status}}})
}

#[tokio::test]
async fn an_application_of_applications_is_judged_by_the_documented_script() {
    // Without a rule a child has no health: the parent stays as it is.
    given("health-of-apps-none")
        .file("one.yaml", text(&child("one")))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(health("Healthy"))
        .when()
        .change_live(Kind::APPLICATION, "one", of_child("Degraded"))
        .refresh()
        .then()
        .expect(synced())
        .expect(health("Healthy"))
        .await;
    given("health-of-apps")
        .setting(
            "resource.customizations.health.argoproj.io_Application",
            OF_APPS,
        )
        .file("one.yaml", text(&child("one")))
        .file("two.yaml", config_map("two", "2"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(health("Progressing"))
        .when()
        .change_live(Kind::APPLICATION, "one", of_child("Degraded"))
        .then()
        .expect(health("Degraded"))
        .when()
        .change_live(Kind::APPLICATION, "one", of_child("Suspended"))
        .then()
        .expect(health("Suspended"))
        // A child that knows nothing of itself says nothing about its parent.
        .when()
        .change_live(Kind::APPLICATION, "one", of_child("Missing"))
        .then()
        .expect(health("Healthy"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn users_own_actions_change_and_create_objects() {
    let actions = "mergeBuiltinActions: true
discovery.lua: |
  actions = {}
  actions[\"grow\"] = {[\"disabled\"] = obj.spec.replicas > 2, [\"params\"] = {{[\"name\"] = \"by\"}}}
  actions[\"note\"] = {}
  actions[\"loop\"] = {}
  return actions
definitions:
- name: grow
  action.lua: |
    obj.spec.replicas = obj.spec.replicas + tonumber(actionParams[\"by\"])
    return obj
- name: note
  action.lua: |
    local note = {apiVersion = \"v1\", kind = \"ConfigMap\", data = {of = obj.metadata.name}}
    note.metadata = {name = \"note\", namespace = obj.metadata.namespace}
    return {{operation = \"create\", resource = note}}
- name: loop
  action.lua: |
    while true do end
";
    let world = given("health-actions")
        .setting("resource.customizations.actions.apps_Deployment", actions)
        .file("web.yaml", deployment("web", 1, &[]))
        .when()
        .sync()
        .then()
        .expect(health("Healthy"))
        .await;
    let base = format!("/api/v1/applications/{}/resource/actions", world.name);
    let place = format!(
        "group=apps&kind=Deployment&version=v1&resourceName=web&namespace={}",
        world.namespace
    );
    let list = format!("{base}?{place}");
    let (code, listed) = world.driftless.rest(http::Method::GET, &list, None).await;
    assert_eq!(code, 200, "{listed}");
    let names: Vec<&str> = listed["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "grow", "loop", "note", "pause", "restart", "resume", "scale"
        ]
    );
    let run = async |action: &str| {
        let body = json!({"group": "apps", "kind": "Deployment", "version": "v1", "resourceName": "web",
            "namespace": world.namespace, "action": action,
            "resourceActionParameters": [{"name": "by", "value": "2"}]});
        let path = format!("{base}/v2");
        world
            .driftless
            .rest(http::Method::POST, &path, Some(body))
            .await
    };
    let (code, answer) = run("grow").await;
    assert_eq!(code, 200, "{answer}");
    let live = world.live(Kind::DEPLOYMENT, "web").await.unwrap();
    assert_eq!(live["spec"]["replicas"], 3, "{live}");
    let (code, answer) = run("note").await;
    assert_eq!(code, 200, "{answer}");
    let note = world.live(Kind::CONFIG_MAP, "note").await.unwrap();
    assert_eq!(note["data"]["of"], "web");
    let (code, answer) = run("loop").await;
    assert_eq!(code, 400, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains("resource.customizations.actions.apps_Deployment, loop"),
        "{message}"
    );
}
