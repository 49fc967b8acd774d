//! What a project decides about syncs: windows, service accounts, and what may be written at all.

use driftless_testkit::expect::{
    absent, app_gone, condition, equals, exists, failed, no_condition, resource, result, settled,
    still_exists, succeeded, synced,
};
use driftless_testkit::manifest::{config_map, hook_job};
use driftless_testkit::{Given, Kind, World};
use serde_json::{Value, json};

use crate::given;

const MESSAGE: &str = "/status/operationState/message";
const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// Everything is allowed, but for what `fields` say.
fn rules(fields: &Value) -> Value {
    let mut spec = json!({
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    });
    for (key, value) in fields.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

/// Begins a story in a project of its own, named like the Application.
async fn in_project(story: Given, fields: Value) -> World {
    let mut world = story.without_app().await;
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": world.name, "namespace": world.control()}, "spec": rules(&fields),
    });
    Kind::APP_PROJECT
        .create(&world.client, world.control(), project)
        .await;
    world.manifest["spec"]["project"] = json!(world.name);
    world.create_app().await;
    world
}

async fn change(world: &World, spec: Value) {
    let patch = json!({"spec": spec});
    Kind::APP_PROJECT
        .merge(&world.client, world.control(), &world.name, patch)
        .await;
}

fn closed() -> Value {
    json!({"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]})
}

#[tokio::test]
async fn a_window_holds_automation_back_until_it_is_over() {
    let story = given("win-auto")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({}));
    let world = in_project(story, json!({"syncWindows": [closed()]})).await;
    let world = world
        .then()
        .expect(condition("SyncWindowWarning", "deny window \"* * * * *\""))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
    let path = format!("/api/v1/applications/{}", world.name);
    let (code, answer) = world
        .driftless
        .rest(http::Method::GET, &format!("{path}/syncwindows"), None)
        .await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["canSync"], false, "{answer}");
    assert_eq!(answer["activeWindows"][0]["kind"], "deny", "{answer}");
    let (code, answer) = world
        .driftless
        .rest(http::Method::POST, &format!("{path}/sync"), Some(json!({})))
        .await;
    assert_eq!(code, 403, "{answer}");
    let text = answer.to_string();
    assert!(
        text.contains("cannot sync: blocked by sync window"),
        "{text}"
    );
    change(&world, json!({"syncWindows": null})).await;
    world
        .then()
        .expect(synced())
        .expect(no_condition("SyncWindowWarning"))
        .await;
}

#[tokio::test]
async fn an_operation_that_a_window_blocks_waits_and_can_be_terminated() {
    let story = given("win-op").file("a.yaml", config_map("a", "1"));
    let world = in_project(story, json!({"syncWindows": [closed()]})).await;
    world
        .when()
        .sync()
        .then()
        .expect(equals(
            "the message",
            MESSAGE,
            "Sync operation blocked by sync window",
        ))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .when()
        .terminate()
        .then()
        .expect(failed("Operation terminated"))
        .await;
}

#[tokio::test]
async fn people_pass_a_window_that_lets_them() {
    let mut window = closed();
    window["manualSync"] = json!(true);
    let story = given("win-manual").file("a.yaml", config_map("a", "1"));
    let world = in_project(story, json!({"syncWindows": [window]})).await;
    world.when().sync().then().expect(succeeded()).await;
}

/// Lets a service account write ConfigMaps in the destination namespace.
async fn permit(world: &World, account: &str) {
    let (role, binding) = (
        Kind::custom("rbac.authorization.k8s.io", "v1", "Role", "roles"),
        Kind::custom(
            "rbac.authorization.k8s.io",
            "v1",
            "RoleBinding",
            "rolebindings",
        ),
    );
    let group = "rbac.authorization.k8s.io";
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "maps"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}],
    });
    role.create(&world.client, &world.namespace, object).await;
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "maps"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "maps"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": world.namespace}],
    });
    binding
        .create(&world.client, &world.namespace, object)
        .await;
}

#[tokio::test]
async fn objects_are_written_and_deleted_as_the_projects_service_account() {
    let story = given("impersonate")
        .file("a.yaml", config_map("a", "1"))
        .metadata(json!({"finalizers": [FINALIZER]}))
        .own_instance()
        .setting("application.sync.impersonation.enabled", "true");
    let world = in_project(story, json!({})).await;
    let world = world
        .when()
        .sync()
        .then()
        .expect(failed("no matching service account found"))
        .await;
    let accounts = json!([{"server": "*", "namespace": "*", "defaultServiceAccount": "deployer"}]);
    change(&world, json!({"destinationServiceAccounts": accounts})).await;
    let world = world
        .when()
        .refresh()
        .then()
        .expect(settled())
        .when()
        .sync()
        .then()
        .expect(failed(""))
        .expect(result(Kind::CONFIG_MAP, "a", "SyncFailed", "deployer"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
    permit(&world, "deployer").await;
    let world = world.when().sync().then().expect(succeeded()).await;
    // Without the rights the objects stay, and so does the Application.
    let binding = Kind::custom(
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        "rolebindings",
    );
    binding
        .delete(&world.client, &world.namespace, "maps")
        .await;
    world
        .when()
        .delete_app()
        .then()
        .expect(condition("DeletionError", "deployer"))
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn every_way_to_write_asks_the_project() {
    let denied = "resource batch:Job is not permitted in project";
    let story = given("gate")
        .file("a.yaml", config_map("a", "1"))
        .metadata(json!({"finalizers": [FINALIZER]}));
    let jobs = json!([{"group": "batch", "kind": "Job"}]);
    let world = in_project(story, json!({"namespaceResourceBlacklist": jobs})).await;
    // An object, a hook of the sync, a hook of the deletion.
    let world = world
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .when()
        .commit_file("job.yaml", hook_job("plain", "", &[], &[]))
        .sync()
        .then()
        .expect(failed(denied))
        .when()
        .commit_file("job.yaml", hook_job("hook", "PreSync", &[], &[]))
        .sync()
        .then()
        .expect(failed(denied))
        .when()
        .commit_file("job.yaml", hook_job("hook", "PreDelete", &[], &[]))
        .refresh()
        .then()
        .expect(synced())
        .when()
        .delete_app()
        .then()
        .expect(condition("DeletionError", denied))
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .await;
    // A deletion: what the project does not permit any more is left.
    let kinds = json!([{"group": "", "kind": "ConfigMap"}]);
    change(&world, json!({"namespaceResourceBlacklist": kinds})).await;
    world
        .then()
        .expect(app_gone())
        .expect(exists(Kind::JOB, "hook"))
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn the_creation_of_the_namespace_asks_the_project() {
    let story = given("gate-ns")
        .file("a.yaml", config_map("a", "1"))
        .sync_options(&["CreateNamespace=true"])
        .without_namespace();
    let world = in_project(story, json!({"clusterResourceWhitelist": []})).await;
    let world = world
        .when()
        .sync()
        .then()
        .expect(failed("resource :Namespace is not permitted in project"))
        .await;
    let kinds = json!([{"group": "", "kind": "Namespace", "name": world.namespace}]);
    change(&world, json!({"clusterResourceWhitelist": kinds})).await;
    world
        .when()
        .refresh()
        .then()
        .expect(settled())
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .await;
}

#[tokio::test]
async fn only_clusters_of_the_project_where_it_asks_for_that() {
    let story = given("scoped").file("a.yaml", config_map("a", "1"));
    let world = in_project(story, json!({"permitOnlyProjectScopedClusters": true})).await;
    world
        .then()
        .expect(condition(
            "InvalidSpecError",
            "do not match any of the allowed",
        ))
        .await;
}

#[tokio::test]
async fn objects_without_an_application_are_told_where_the_project_asks() {
    let stray = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}});
    let fields =
        json!({"orphanedResources": {"ignore": [{"kind": "ConfigMap", "name": "known-*"}]}});
    let story = given("orphans").file("a.yaml", config_map("a", "1"));
    let world = in_project(story, fields).await;
    let world = world
        .when()
        .create_live(Kind::CONFIG_MAP, stray("known-1"))
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .expect(settled())
        .expect(no_condition("OrphanedResourceWarning"))
        .when()
        .create_live(Kind::CONFIG_MAP, stray("stray"))
        .create_live(Kind::CONFIG_MAP, stray("other"))
        .then()
        .expect(condition(
            "OrphanedResourceWarning",
            "Application has 2 orphaned resources",
        ))
        .expect(synced())
        .when()
        .delete_live(Kind::CONFIG_MAP, "other")
        .then()
        .expect(condition(
            "OrphanedResourceWarning",
            "Application has 1 orphaned resources",
        ))
        .await;
    let path = format!("/api/v1/applications/{}/resource-tree", world.name);
    let (_, tree) = world.driftless.rest(http::Method::GET, &path, None).await;
    assert_eq!(tree["orphanedNodes"][0]["name"], "stray", "{tree:#}");
    // Told in the tree alone, and never deleted.
    change(&world, json!({"orphanedResources": {"warn": false}})).await;
    world
        .when()
        .refresh()
        .then()
        .expect(no_condition("OrphanedResourceWarning"))
        .when()
        .sync_with(json!({"prune": true}))
        .then()
        .expect(succeeded())
        .expect(still_exists(Kind::CONFIG_MAP, "stray"))
        .await;
}

#[tokio::test]
async fn what_the_project_does_not_permit_any_more_is_left_alone() {
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}).to_string();
    let story = given("denied")
        .file("a.yaml", config_map("a", "1"))
        .file("s.yaml", secret.clone());
    let world = in_project(story, json!({})).await;
    let world = world
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .await;
    let kinds = json!([{"group": "", "kind": "Secret"}]);
    change(&world, json!({"namespaceResourceBlacklist": kinds})).await;
    world
        .then()
        .expect(resource(Kind::SECRET, "s", "Unknown"))
        .when()
        .commit_removal("s.yaml")
        .refresh()
        .then()
        .expect(synced())
        .when()
        .sync_with(json!({"prune": true}))
        .then()
        .expect(succeeded())
        .expect(still_exists(Kind::SECRET, "s"))
        .await;
}
