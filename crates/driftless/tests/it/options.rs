//! Sync options and ways to write, where a real API server matters.

use driftless_testkit::expect::{
    absent, app_gone, condition, exists, failed, health, live_field, result, running, settled,
    still_exists, succeeded, synced, value,
};
use driftless_testkit::manifest::{annotated_config_map, config_map, crd, deployment, text};
use driftless_testkit::{Expectation, Kind, Verdict, World};
use serde_json::{Value, json};

use crate::given;

const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
const OPTIONS: &str = "argocd.argoproj.io/sync-options";
const APPROVED: &str = "argocd.argoproj.io/deletion-approved";

fn map(name: &str, annotations: Value, data: Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "annotations": annotations}, "data": data,
    })
    .to_string()
}

/// Expects a field of a ConfigMap to be gone.
fn without(name: &'static str, field: &'static str) -> Expectation {
    Expectation::new(
        format!("{name} without {field}"),
        move |world: World| async move {
            let object = world.live(Kind::CONFIG_MAP, name).await.unwrap_or_default();
            Verdict::when(object["data"].get(field).is_none(), || {
                object["data"].to_string()
            })
        },
    )
}

#[tokio::test]
async fn client_side_apply_on_request_works_as_kubectl_does() {
    let option = json!({OPTIONS: "ServerSideApply=false"});
    let world = given("opt-csa")
        .file(
            "a.yaml",
            map("a", option.clone(), json!({"keep": "1", "drop": "1"})),
        )
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    let object = world.live(Kind::CONFIG_MAP, "a").await.unwrap();
    let applied = object
        .pointer("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration")
        .and_then(Value::as_str)
        .unwrap_or_default();
    assert!(applied.contains("\"drop\":\"1\""), "{applied}");
    let managers = object["metadata"]["managedFields"].to_string();
    assert!(!managers.contains("\"Apply\""), "{managers}");
    world
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"other": "x"}}))
        .commit_file("a.yaml", map("a", option, json!({"keep": "2"})))
        .sync()
        .then()
        .expect(synced())
        .expect(without("a", "drop"))
        .expect(live_field(Kind::CONFIG_MAP, "a", "/data/keep", json!("2")))
        .expect(live_field(Kind::CONFIG_MAP, "a", "/data/other", json!("x")))
        .expect(settled())
        .await;
}

#[tokio::test]
async fn a_prune_that_asks_for_it_waits_for_confirmation() {
    given("opt-prune-confirm")
        .file("a.yaml", config_map("a", "1"))
        .file(
            "b.yaml",
            annotated_config_map("b", &[(OPTIONS, "Prune=confirm")]),
        )
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_removal("b.yaml")
        .sync_with(json!({"prune": true}))
        .then()
        .expect(running("waiting for pruning confirmation of /ConfigMap/b"))
        .expect(still_exists(Kind::CONFIG_MAP, "b"))
        .when()
        .annotate(APPROVED, "2999-01-01T00:00:00Z")
        .then()
        .expect(succeeded())
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn a_deletion_that_asks_for_it_waits_for_confirmation() {
    given("opt-delete-confirm")
        .file(
            "a.yaml",
            annotated_config_map("a", &[(OPTIONS, "Delete=confirm")]),
        )
        .metadata(json!({"finalizers": [FINALIZER]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .delete_app()
        .then()
        .expect(condition(
            "DeletionError",
            "waiting for deletion confirmation",
        ))
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .when()
        .annotate(APPROVED, "2999-01-01T00:00:00Z")
        .then()
        .expect(app_gone())
        .await;
}

#[tokio::test]
async fn unknown_fields_are_refused_unless_validation_is_off() {
    let file = |options: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "notAField": 1, "data": {"value": "1"},
            "metadata": {"name": "a", "annotations": {OPTIONS: options}},
        })
        .to_string()
    };
    given("opt-validate")
        .file("a.yaml", file("Validate=true"))
        .when()
        .sync()
        .then()
        .expect(failed(""))
        .expect(result(Kind::CONFIG_MAP, "a", "SyncFailed", "notAField"))
        .when()
        .commit_file("a.yaml", file("Validate=false"))
        .sync()
        .then()
        .expect(succeeded())
        .expect(value("a", "1"))
        .await;
}

#[tokio::test]
async fn a_kind_that_comes_later_needs_no_dry_run_on_request() {
    let group = format!("{}.example.com", driftless_testkit::unique("late"));
    let object = json!({
        "apiVersion": format!("{group}/v1"), "kind": "Late",
        "metadata": {"name": "x", "annotations": {OPTIONS: "SkipDryRunOnMissingResource=true"}},
    });
    let story = given("opt-skipdry")
        .file("x.yaml", object.to_string())
        .file("a.yaml", config_map("a", "1"));
    // The kind is not there: the object alone fails, when its turn comes.
    story
        .when()
        .sync()
        .then()
        .expect(failed("Late"))
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .when()
        .commit_file("crd.yaml", crd(&group, "Late", "lates"))
        .sync()
        .then()
        .expect(succeeded())
        .await;
}

#[tokio::test]
async fn only_what_is_out_of_sync_is_applied_on_request() {
    let world = given("opt-outofsync")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .sync_options(&["ApplyOutOfSyncOnly=true"])
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_file("b.yaml", config_map("b", "2"))
        .sync()
        .then()
        .expect(synced())
        .expect(value("b", "2"))
        .await;
    let app = world.app().await;
    let results = app["status"]["operationState"]["syncResult"]["resources"].to_string();
    assert!(
        results.contains("\"b\"") && !results.contains("\"a\""),
        "{results}"
    );
}

#[tokio::test]
async fn local_manifests_are_synced_instead_of_git() {
    let world = given("opt-local")
        .file("a.yaml", config_map("a", "git"))
        .when()
        .sync_with(json!({"manifests": [config_map("a", "local")]}))
        .then()
        .expect(succeeded())
        .expect(value("a", "local"))
        .await;
    let app = world.app().await;
    assert!(
        app["status"]["history"].is_null(),
        "{}",
        app["status"]["history"]
    );
    world
        .when()
        .sync_with(json!({"manifests": ["{"]}))
        .then()
        .expect(failed("manifest 1 of the local sync"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "git"))
        .await;
}

#[tokio::test]
async fn pruned_objects_leave_their_children_on_request() {
    let world = given("opt-orphan")
        .sync_options(&["PrunePropagationPolicy=orphan"])
        .file("web.yaml", deployment("web", 1, &[]))
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(health("Healthy"))
        .when()
        .commit_removal("web.yaml")
        .sync_with(json!({"prune": true, "syncOptions": ["PrunePropagationPolicy=orphan"]}))
        .then()
        .expect(succeeded())
        .expect(absent(Kind::DEPLOYMENT, "web"))
        .await;
    let left = Kind::REPLICA_SET
        .list(&world.client, &world.namespace)
        .await;
    assert_eq!(left.len(), 1, "{left:#?}");
    assert!(
        left[0]["metadata"].get("deletionTimestamp").is_none(),
        "{left:#?}"
    );
}

#[tokio::test]
async fn what_autoscalers_and_the_api_server_write_is_no_drift() {
    let mut web: Value = serde_json::from_str(&deployment("web", 1, &[])).unwrap();
    web["spec"].as_object_mut().unwrap().remove("replicas");
    let scaler = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"}, "spec": {"minReplicas": 1, "maxReplicas": 5, "targetCPUUtilizationPercentage": 80,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    let newer = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web2"}, "spec": {"maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"type": "Resource", "resource": {"name": "memory",
                "target": {"type": "AverageValue", "averageValue": "0.5Gi"}}},
                {"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 50}}}]}});
    // The API server sorts addresses and ports, and fills in the protocol.
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "outside"},
        "subsets": [{"addresses": [{"ip": "10.1.2.9"}, {"ip": "10.1.2.3"}],
            "ports": [{"name": "b", "port": 90}, {"name": "a", "port": 80}]}]});
    given("opt-scaled")
        .own_instance()
        .file("web.yaml", text(&web))
        .file("hpa.yaml", text(&scaler))
        .file("hpa2.yaml", text(&newer))
        .file("endpoints.yaml", text(&endpoints))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .when()
        .change_live(Kind::DEPLOYMENT, "web", json!({"spec": {"replicas": 3}}))
        .refresh()
        .then()
        .expect(settled())
        .expect(synced())
        .await;
}
