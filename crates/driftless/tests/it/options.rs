//! Sync options and ways to write, where a real API server matters.

use driftless_testkit::expect::{
    absent, app_gone, condition, exists, failed, health, live_field, no_condition, result, running,
    settled, still_exists, succeeded, synced, value,
};
use driftless_testkit::manifest::{annotated_config_map, config_map, crd, deployment, text};
use driftless_testkit::{DefaultingWebhook, Expectation, Kind, Kserve, Verdict, World};
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
        .expect(Expectation::of_app(
            "b alone to want confirmation",
            |_, app| {
                let resources = app["status"]["resources"].clone();
                let wanting = resources.as_array().into_iter().flatten();
                let names: Vec<&Value> = wanting
                    .filter(|one| one["requiresDeletionConfirmation"] == true)
                    .map(|one| &one["name"])
                    .collect();
                Verdict::when(names == ["b"], || resources.to_string())
            },
        ))
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

/// Creates a ConfigMap as client-side apply of a manager does, with an entry that is not in Git.
async fn applied_by(world: &World, manager: &str) {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": {}},
        "data": {"value": "1", "old": "x"}});
    let applied = object.to_string();
    object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
        json!(applied);
    let parameters = kube::api::PostParams {
        field_manager: Some(manager.to_owned()),
        ..kube::api::PostParams::default()
    };
    let api = Kind::CONFIG_MAP.api(&world.client, &world.namespace);
    let object = serde_json::from_value(object).unwrap();
    api.create(&parameters, &object).await.unwrap();
}

/// Renders and compares anew, and finds nothing to sync.
async fn stays_synced(world: World) -> World {
    let before = started(&world).await;
    let world = world
        .when()
        .hard_refresh()
        .then()
        .expect(settled())
        .expect(synced())
        .await;
    assert_eq!(started(&world).await, before, "it was synced again");
    world
}

/// Returns when the latest operation started.
async fn started(world: &World) -> Value {
    world.app().await["status"]["operationState"]["startedAt"].clone()
}

async fn managers(world: &World) -> String {
    let object = world.live(Kind::CONFIG_MAP, "a").await.unwrap_or_default();
    object["metadata"]["managedFields"].to_string()
}

#[tokio::test]
async fn fields_of_client_side_apply_are_taken_over() {
    const KUBECTL: &str = "kubectl-client-side-apply";
    const MANAGER: &str = "argocd.argoproj.io/client-side-apply-migration-manager";
    let story = |name: &str, options: &[&str]| {
        let story = given(name).file("a.yaml", map("a", json!({}), json!({"value": "2"})));
        story.sync_options(options)
    };
    let world = story("opt-migrate", &["ServerSideApply=true"]).await;
    applied_by(&world, KUBECTL).await;
    let world = world
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .expect(without("a", "old"))
        .await;
    assert!(!managers(&world).await.contains(KUBECTL));

    // Another tool's fields, where the Application names it.
    let world = story("opt-migrate-other", &["ServerSideApply=true"])
        .metadata(json!({"annotations": {MANAGER: "our-tool"}}))
        .await;
    applied_by(&world, "our-tool").await;
    let world = world
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(without("a", "old"))
        .await;
    assert!(!managers(&world).await.contains("our-tool"));

    let world = story(
        "opt-migrate-not",
        &["ServerSideApply=true", "ClientSideApplyMigration=false"],
    )
    .await;
    applied_by(&world, KUBECTL).await;
    let world = world
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(value("a", "2"))
        .expect(live_field(Kind::CONFIG_MAP, "a", "/data/old", json!("x")))
        .await;
    assert!(managers(&world).await.contains(KUBECTL));
}

#[tokio::test]
async fn an_object_of_another_application_fails_the_sync_on_request() {
    let first = given("opt-shared")
        .file("a.yaml", config_map("shared", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    let second = given("opt-sharing")
        .file("a.yaml", config_map("shared", "2"))
        .file("b.yaml", config_map("own", "2"))
        .namespace(&first.namespace)
        .sync_options(&["FailOnSharedResource=true"])
        .await;
    let shared = format!(
        "ConfigMap/shared is part of applications {}/{} and {}",
        second.control(),
        second.name,
        first.name
    );
    let world = second
        .then()
        .expect(condition("SharedResourceWarning", shared.clone()))
        .when()
        .sync()
        .then()
        .expect(failed(&format!("Shared resource found: {shared}")))
        .expect(value("shared", "1"))
        .expect(absent(Kind::CONFIG_MAP, "own"))
        .await;
    // Without the option it is taken over, and the warning is the other's.
    world
        .when()
        .patch_app(json!({"spec": {"syncPolicy": null}}))
        .sync()
        .then()
        .expect(succeeded())
        .expect(value("shared", "2"))
        .expect(no_condition("SharedResourceWarning"))
        .await;
    let back = format!("is part of applications {}/{}", first.control(), first.name);
    first
        .when()
        .refresh()
        .then()
        .expect(condition("SharedResourceWarning", back))
        .await;
}

/// Installs a kind without a schema, unless it is there.
async fn install(world: &World, definition: &str) {
    let object: Value = serde_json::from_str(definition).unwrap();
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    if Kind::CRD.read(&world.client, "", &name).await.is_none() {
        Kind::CRD.create(&world.client, "", object).await;
    }
}

#[tokio::test]
async fn what_keda_writes_is_no_drift() {
    const SCALED: Kind = Kind::custom("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects");
    const SCALER: Kind = Kind::custom(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    );
    let mut web: Value = serde_json::from_str(&deployment("web", 1, &[])).unwrap();
    web["spec"].as_object_mut().unwrap().remove("replicas");
    let scaled = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"name": "web"}, "maxReplicaCount": 5,
            "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *",
                "desiredReplicas": "3"}}]}});
    let world = given("opt-keda")
        .file("web.yaml", text(&web))
        .file("scaled.yaml", text(&scaled))
        .automated(json!({"prune": true, "selfHeal": true}))
        .without_app()
        .await;
    let definition = crd("keda.sh", "ScaledObject", "scaledobjects");
    install(
        &world,
        &definition.replace("\"name\": \"v1\"", "\"name\": \"v1alpha1\""),
    )
    .await;
    world.create_app().await;
    let world = world
        .then()
        .expect(synced())
        .expect(exists(SCALED, "web"))
        .await;
    // What its operator does.
    let uid = world.live(SCALED, "web").await.unwrap_or_default()["metadata"]["uid"].clone();
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "keda-hpa-web", "ownerReferences": [{"apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject", "name": "web", "uid": uid, "controller": true, "blockOwnerDeletion": true}]},
        "spec": {"minReplicas": 1, "maxReplicas": 5, "scaleTargetRef":
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    let marks = json!({
        "metadata": {"finalizers": ["finalizer.keda.sh"], "labels": {"scaledobject.keda.sh/name": "web"}},
        "status": {"hpaName": "keda-hpa-web", "lastActiveTime": "2026-01-01T00:00:00Z", "originalReplicaCount": 1,
            "scaleTargetKind": "apps/v1.Deployment",
            "conditions": [{"type": "Ready", "status": "True", "reason": "ScaledObjectReady",
                "message": "ScaledObject is defined correctly and is ready for scaling"},
                {"type": "Active", "status": "True"}, {"type": "Fallback", "status": "False"},
                {"type": "Paused", "status": "Unknown"}]},
    });
    let before = started(&world).await;
    let world = world
        .when()
        .create_live(SCALER, scaler)
        .change_live(SCALED, "web", marks)
        .change_live(Kind::DEPLOYMENT, "web", json!({"spec": {"replicas": 3}}))
        .refresh()
        .then()
        .expect(settled())
        .expect(synced())
        .when()
        .change_live(Kind::DEPLOYMENT, "web", json!({"spec": {"replicas": 0}}))
        .refresh()
        .then()
        .expect(settled())
        .expect(synced())
        .expect(live_field(
            Kind::DEPLOYMENT,
            "web",
            "/spec/replicas",
            json!(0),
        ))
        .expect(still_exists(SCALER, "keda-hpa-web"))
        .when()
        .change_live(SCALED, "web", json!({"metadata": {"finalizers": null}}))
        .await;
    assert_eq!(started(&world).await, before, "it was synced again");
}

/// Returns what Knative's webhook does to a Service; the lists of the kind have no keys.
fn knative_defaults() -> Value {
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let container = "/spec/template/spec/containers/0";
    json!([
        add(
            "/spec/template/metadata",
            json!({"creationTimestamp": null})
        ),
        add("/spec/template/spec/containerConcurrency", json!(0)),
        add("/spec/template/spec/timeoutSeconds", json!(300)),
        add("/spec/template/spec/enableServiceLinks", json!(false)),
        add(&format!("{container}/name"), json!("user-container")),
        add(&format!("{container}/resources"), json!({})),
        add(
            &format!("{container}/readinessProbe"),
            json!({"successThreshold": 1, "tcpSocket": {"port": 0}})
        ),
        add(&format!("{container}/ports/0/protocol"), json!("TCP")),
        add(&format!("{container}/ports/0/name"), json!("user-port")),
        add(
            "/spec/traffic",
            json!([{"latestRevision": true, "percent": 100}])
        ),
        add(
            "/metadata/annotations/serving.knative.dev~1creator",
            json!("system:admin")
        ),
        add(
            "/metadata/annotations/serving.knative.dev~1lastModifier",
            json!("system:admin")
        ),
    ])
}

#[tokio::test]
async fn what_knatives_webhook_fills_in_is_no_drift() {
    const SERVICE: Kind = Kind::custom("serving.knative.dev", "v1", "Service", "services");
    let service = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "model"},
        "spec": {"template": {"spec": {"containers": [
            {"image": "example.com/model:1", "ports": [{"containerPort": 8080}]}]}}}});
    let world = given("opt-knative")
        .file("service.yaml", text(&service))
        .automated(json!({"prune": true, "selfHeal": true}))
        .without_app()
        .await;
    install(&world, &crd("serving.knative.dev", "Service", "services")).await;
    let webhook = DefaultingWebhook::register(
        &world.client,
        &world.namespace,
        SERVICE,
        &knative_defaults(),
    )
    .await;
    world.create_app().await;
    let world = world
        .then()
        .expect(synced())
        .expect(exists(SERVICE, "model"))
        .await;
    // A new registration is heard of late: from here on it has been.
    let world = world
        .when()
        .change_live(
            SERVICE,
            "model",
            json!({"metadata": {"labels": {"touched": "yes"}}}),
        )
        .then()
        .expect(live_field(
            SERVICE,
            "model",
            "/spec/traffic/0/percent",
            json!(100),
        ))
        .when()
        .refresh()
        .then()
        .expect(settled())
        .expect(synced())
        .await;
    let world = stays_synced(world).await;
    world
        .when()
        // A change of what Git names is drift all the same, and healed.
        .change_live(
            SERVICE,
            "model",
            json!({"spec": {"template": {"spec": {"containers": [
                {"image": "example.com/model:2", "ports": [{"containerPort": 8080}]}]}}}}),
        )
        .then()
        .expect(live_field(
            SERVICE,
            "model",
            "/spec/template/spec/containers/0/image",
            json!("example.com/model:1"),
        ))
        .expect(synced())
        .expect(settled())
        .await;
    webhook.remove().await;
}

#[tokio::test]
async fn what_kserve_writes_into_its_services_is_no_drift() {
    const SERVICE: Kind = Kind::custom(
        "serving.kserve.io",
        "v1beta1",
        "InferenceService",
        "inferenceservices",
    );
    Kserve::shared().await.check();
    let mut service = Kserve::inference_service("", "fraud", "s3://models/fraud/one", 1);
    service["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("namespace");
    let world = given("opt-kserve")
        .file("service.yaml", text(&service))
        .automated(json!({"prune": true, "selfHeal": true}))
        .then()
        .expect(synced())
        .expect(exists(SERVICE, "fraud"))
        .expect(exists(Kind::DEPLOYMENT, "fraud-predictor"))
        .expect(settled())
        .await;
    stays_synced(world).await;
}
