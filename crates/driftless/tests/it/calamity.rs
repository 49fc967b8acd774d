//! Things that go wrong in the cluster while it is synced: each names its reason, and nothing is deleted on its account.

use std::time::Duration;

use driftless_testkit::admission::DenyingWebhook;
use driftless_testkit::expect::{
    absent, app_gone, exists, failed, result, running, settled, still_exists, succeeded, synced,
    value,
};
use driftless_testkit::manifest::{
    annotated_config_map, config_map, crd, deployment, documents, hook_job, text,
};
use driftless_testkit::{Kind, World};
use serde_json::json;

use crate::{breakable_cluster, given};

const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
/// How long five hundred objects may take on a busy machine.
const LONG: Duration = Duration::from_secs(180);
const WAVE: &str = "argocd.argoproj.io/sync-wave";

#[tokio::test]
async fn a_definition_deleted_before_its_objects_is_no_obstacle() {
    let group = format!("{}.example.com", driftless_testkit::unique("gone"));
    let object =
        json!({"apiVersion": format!("{group}/v1"), "kind": "Gone", "metadata": {"name": "x"}});
    let definition = format!("gones.{group}");
    given("cal-crd")
        .file("crd.yaml", crd(&group, "Gone", "gones"))
        .file("x.yaml", object.to_string())
        .file("a.yaml", config_map("a", "1"))
        .metadata(json!({"finalizers": [FINALIZER]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .act(move |world: World| async move {
            Kind::CRD.delete(&world.client, "", &definition).await;
        })
        .commit_removal("x.yaml")
        .commit_removal("crd.yaml")
        .sync_with(json!({"prune": true}))
        .then()
        .expect(succeeded())
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .when()
        .delete_app()
        .then()
        .expect(app_gone())
        .await;
}

#[tokio::test]
async fn an_api_group_that_does_not_answer_holds_nobody_else_up() {
    let (cluster, _turn) = breakable_cluster().await;
    let world = given("cal-group")
        .cluster(cluster)
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .metadata(json!({"finalizers": [FINALIZER]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    let service = Kind::custom("apiregistration.k8s.io", "v1", "APIService", "apiservices");
    let object = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.broken.example.com"},
        "spec": {"group": "broken.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"name": "nobody", "namespace": "default"}},
    });
    service
        .cluster_scoped()
        .create(&world.client, "", object)
        .await;
    let world = world
        .when()
        .commit_removal("b.yaml")
        .sync_with(json!({"prune": true}))
        .then()
        .expect(succeeded())
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .when()
        .delete_app()
        .then()
        .expect(app_gone())
        .await;
    service
        .cluster_scoped()
        .delete(&world.client, "", "v1.broken.example.com")
        .await;
}

#[tokio::test]
async fn objects_that_admission_refuses_are_named_and_the_others_go_on() {
    let world = given("cal-webhook")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    let webhook =
        DenyingWebhook::register(&world.client, &world.namespace, "not on a Monday").await;
    let world = world
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .sync()
        .then()
        .expect(failed(""))
        .expect(result(
            Kind::CONFIG_MAP,
            "a",
            "SyncFailed",
            "not on a Monday",
        ))
        .expect(still_exists(Kind::CONFIG_MAP, "b"))
        .await;
    webhook.remove().await;
    world
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .await;
}

#[tokio::test]
async fn one_refused_object_of_five_hundred_is_named() {
    let many =
        |value: &str| {
            let all = (0..500).map(|number| {
            let labels = if number == 250 { json!({"refused": "yes"}) } else { json!({}) };
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"value": value},
                "metadata": {"name": format!("m{number:03}"), "labels": labels}});
            text(&object)
        });
            documents(&all.collect::<Vec<_>>())
        };
    let world = given("cal-500").file("m.yaml", many("1")).await;
    let labels = json!({"refused": "yes"});
    let webhook =
        DenyingWebhook::register_for(&world.client, &world.namespace, &labels, "not this one")
            .await;
    let world = world
        .when()
        .sync()
        .then()
        .expect(failed("").within(LONG))
        .expect(result(
            Kind::CONFIG_MAP,
            "m250",
            "SyncFailed",
            "not this one",
        ))
        .await;
    let results = world.app().await;
    let results = results.pointer("/status/operationState/syncResult/resources");
    let refused = results.and_then(|all| all.as_array()).unwrap().iter();
    let refused = refused.filter(|one| one["status"] == "SyncFailed");
    assert_eq!(refused.count(), 1);
    webhook.remove().await;
    world
        .when()
        .sync()
        .then()
        .expect(succeeded().within(LONG))
        .expect(synced())
        .expect(still_exists(Kind::CONFIG_MAP, "m499"))
        .await;
}

#[tokio::test]
async fn an_object_replaced_by_hand_during_its_wave_is_waited_for_anew() {
    let slow = [("devcluster.driftless.dev/start-delay", "3s")];
    given("cal-replaced")
        .file("web.yaml", deployment("web", 1, &slow))
        .file("last.yaml", annotated_config_map("last", &[(WAVE, "1")]))
        .when()
        .sync()
        .then()
        .expect(running("web"))
        .when()
        .act(|world: World| async move {
            let live = world.live(Kind::DEPLOYMENT, "web").await.unwrap();
            Kind::DEPLOYMENT
                .delete(&world.client, &world.namespace, "web")
                .await;
            let metadata = &live["metadata"];
            let again = json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "spec": live["spec"],
                "metadata": {"name": "web", "annotations": metadata["annotations"]},
            });
            Kind::DEPLOYMENT
                .create(&world.client, &world.namespace, again)
                .await;
        })
        .then()
        .expect(succeeded())
        .expect(exists(Kind::CONFIG_MAP, "last"))
        .expect(settled())
        .await;
}

#[tokio::test]
async fn a_hook_that_never_ends_is_ended_at_its_deadline() {
    let endless = [("devcluster.driftless.dev/run-for", "1h")];
    let world = given("cal-hook")
        .file("a.yaml", config_map("a", "1"))
        .file("hook.yaml", hook_job("endless", "PreSync", &[], &endless))
        .own_instance()
        .await;
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "argocd-cmd-params-cm", "labels": {"app.kubernetes.io/part-of": "argocd"}},
        "data": {"controller.sync.hook.timeout.seconds": "2"},
    });
    Kind::CONFIG_MAP
        .merge(
            &world.client,
            world.control(),
            "argocd-cmd-params-cm",
            object,
        )
        .await;
    world
        .when()
        .sync()
        .then()
        .expect(failed("did not finish within"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
}
