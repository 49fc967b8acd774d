//! What happens to objects when their Application is deleted.

use driftless_testkit::expect::{absent, app_gone, exists, synced};
use driftless_testkit::manifest::{annotated_config_map, config_map, deployment};
use driftless_testkit::{Kind, World};
use serde_json::json;

use crate::given;

const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

#[tokio::test]
async fn with_the_finalizer_everything_goes() {
    given("del-cascade")
        .file("a.yaml", config_map("a", "1"))
        .file("web.yaml", deployment("web", 2, &[]))
        .metadata(json!({"finalizers": [FINALIZER]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .delete_app()
        .then()
        .expect(app_gone())
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .expect(absent(Kind::DEPLOYMENT, "web"))
        .await;
}

#[tokio::test]
async fn without_the_finalizer_everything_stays() {
    given("del-orphan")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .delete_app()
        .then()
        .expect(app_gone())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn the_background_finalizer_deletes_too() {
    given("del-background")
        .file("web.yaml", deployment("web", 1, &[]))
        .metadata(json!({"finalizers": [format!("{FINALIZER}/background")]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .delete_app()
        .then()
        .expect(app_gone())
        .expect(absent(Kind::DEPLOYMENT, "web"))
        .await;
}

#[tokio::test]
async fn an_object_that_forbids_it_stays() {
    given("del-keep")
        .file("a.yaml", config_map("a", "1"))
        .file(
            "b.yaml",
            annotated_config_map("b", &[("argocd.argoproj.io/sync-options", "Delete=false")]),
        )
        .metadata(json!({"finalizers": [FINALIZER]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .delete_app()
        .then()
        .expect(app_gone())
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn later_waves_go_first() {
    let wave = |name: &str, wave: &str| {
        let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name,
            "finalizers": ["example.com/hold"], "annotations": {"argocd.argoproj.io/sync-wave": wave}}});
        held.to_string()
    };
    let release = |name: &'static str| {
        move |world: World| async move {
            Kind::CONFIG_MAP
                .merge(
                    &world.client,
                    &world.namespace,
                    name,
                    json!({"metadata": {"finalizers": null}}),
                )
                .await;
        }
    };
    given("del-waves")
        .file("a.yaml", wave("first", "0"))
        .file("b.yaml", wave("second", "1"))
        .metadata(json!({"finalizers": [FINALIZER]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .delete_app()
        .then()
        .expect(being_deleted("second"))
        .expect(exists(Kind::CONFIG_MAP, "first"))
        .when()
        .act(release("second"))
        .then()
        .expect(absent(Kind::CONFIG_MAP, "second"))
        .expect(being_deleted("first"))
        .when()
        .act(release("first"))
        .then()
        .expect(app_gone())
        .await;
}

fn being_deleted(name: &'static str) -> driftless_testkit::Expectation {
    driftless_testkit::Expectation::new(format!("{name} to be deleted"), move |world| async move {
        let object = world.live(Kind::CONFIG_MAP, name).await.unwrap_or_default();
        let marked = object.pointer("/metadata/deletionTimestamp").is_some();
        driftless_testkit::Verdict::when(marked, || "it is not marked".into())
    })
}

#[tokio::test]
async fn the_rest_api_deletes_with_cascade() {
    given("del-rest")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .rest(http::Method::DELETE, "?cascade=true", None)
        .then()
        .expect(app_gone())
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn an_application_whose_repository_is_gone_can_still_be_deleted() {
    let repo = std::sync::Arc::new(driftless_testkit::GitRepo::create());
    repo.commit(&[driftless_testkit::git::write(
        "app/a.yaml",
        config_map("a", "1"),
    )]);
    let server = driftless_testkit::HttpGit::serve(&repo);
    let world = given("del-norepo")
        .repo(repo)
        .source_url(server.url())
        .metadata(json!({"finalizers": [FINALIZER]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    drop(server);
    world
        .when()
        .delete_app()
        .then()
        .expect(app_gone())
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
}
