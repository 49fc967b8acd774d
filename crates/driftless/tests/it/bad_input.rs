//! Bad input: a clear condition or error, nothing deleted, nothing else affected.

use std::time::Duration;

use driftless_testkit::expect::{
    absent, condition, exists, failed, health, no_condition, result, settled, still_exists,
    succeeded, sync_status, synced, value,
};
use driftless_testkit::git::{Change, link, remove, write};
use driftless_testkit::manifest::{config_map, documents};
use driftless_testkit::{DenyingWebhook, Kind, World};
use serde_json::json;

use crate::given;

/// A story that is synced and prunes by itself: the worst place for bad input.
async fn synced_story(name: &str) -> World {
    given(name)
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .automated(json!({"prune": true, "selfHeal": true}))
        .then()
        .expect(synced())
        .expect(settled())
        .await
}

/// Expects that nothing was deleted, and that another Application of the same process works.
async fn nothing_else_happened(world: World) -> World {
    let world = world
        .then()
        .expect(settled())
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .expect(still_exists(Kind::CONFIG_MAP, "b"))
        .await;
    given("bad-neighbour")
        .file("a.yaml", config_map("a", "1"))
        .instance(&world.driftless)
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    world
}

#[tokio::test]
async fn broken_yaml_is_named_with_file_and_line() {
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n data: [\n";
    let world = synced_story("bad-yaml")
        .await
        .when()
        .commit_file("broken.yaml", broken)
        .refresh()
        .then()
        .expect(condition("ComparisonError", "broken.yaml"))
        .expect(condition("ComparisonError", "broken.yaml:5"))
        .expect(sync_status("Unknown"))
        .await;
    nothing_else_happened(world)
        .await
        .when()
        .commit_removal("broken.yaml")
        .refresh()
        .then()
        .expect(synced())
        .expect(no_condition("ComparisonError"))
        .await;
}

#[tokio::test]
async fn a_document_that_is_no_object_is_named() {
    let world = synced_story("bad-object")
        .await
        .when()
        .commit_file("list.yaml", "- one\n- two\n")
        .refresh()
        .then()
        .expect(condition("ExcludedResourceWarning", "list.yaml"))
        .await;
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn duplicate_objects_are_a_warning_and_the_last_one_counts() {
    let both = documents(&[config_map("twice", "first"), config_map("twice", "second")]);
    let world = synced_story("bad-twice")
        .await
        .when()
        .commit_file("twice.yaml", both)
        .refresh()
        .then()
        .expect(condition("RepeatedResourceWarning", "twice"))
        .expect(synced())
        .expect(value("twice", "second"))
        .await;
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn an_unknown_kind_is_named() {
    let widget = json!({"apiVersion": "nowhere.example.com/v1", "kind": "Gadget", "metadata": {"name": "one"}});
    let world = given("bad-kind")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_file("gadget.yaml", widget.to_string())
        .sync_with(json!({"prune": true}))
        .then()
        .expect(failed(""))
        .await;
    let state = world.app().await["status"]["operationState"].to_string();
    assert!(state.contains("Gadget"), "{state}");
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn a_missing_path_is_named() {
    let world = synced_story("bad-path")
        .await
        .when()
        .patch_app(json!({"spec": {"source": {"path": "no/such/folder"}}}))
        .then()
        .expect(condition("ComparisonError", "no/such/folder"))
        .expect(sync_status("Unknown"))
        .await;
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn a_symbolic_link_that_leaves_the_tree_is_refused() {
    let world = synced_story("bad-link")
        .await
        .when()
        .commit(vec![link("app/leak.yaml", "../../../../../../etc/passwd")])
        .refresh()
        .then()
        .expect(condition("ComparisonError", "leak.yaml"))
        .await;
    let conditions = world.app().await["status"]["conditions"].to_string();
    assert!(!conditions.contains("root:"), "{conditions}");
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn a_symbolic_link_inside_the_tree_is_followed() {
    given("link-inside")
        .changes([
            write("shared/c.yaml", config_map("c", "1")),
            link("app/c.yaml", "../shared/c.yaml"),
        ])
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "c"))
        .await;
}

#[tokio::test]
async fn an_object_that_the_api_server_rejects_is_named_with_its_reason() {
    let bad = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 70000}]}});
    let world = given("bad-service")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_file("web.yaml", bad.to_string())
        .sync_with(json!({"prune": true}))
        .then()
        .expect(failed(""))
        .expect(result(Kind::SERVICE, "web", "SyncFailed", "70000"))
        .await;
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn a_webhook_that_denies_is_quoted() {
    let world = given("bad-webhook")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    let webhook =
        DenyingWebhook::register(&world.client, &world.namespace, "not on a Friday").await;
    // The API server learns of the webhook a moment later: the change is new until it was denied.
    let api = Kind::CONFIG_MAP.api(&world.client, &world.namespace);
    loop {
        let probe = kube::core::DynamicObject::new(
            &driftless_testkit::unique("probe"),
            &Kind::CONFIG_MAP.resource(),
        );
        if api
            .create(&kube::api::PostParams::default(), &probe)
            .await
            .is_err()
        {
            break;
        }
    }
    let world = world
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .sync_with(json!({"prune": true}))
        .then()
        .expect(failed(""))
        .expect(result(
            Kind::CONFIG_MAP,
            "a",
            "SyncFailed",
            "not on a Friday",
        ))
        .expect(value("a", "1"))
        .await;
    webhook.remove().await;
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn a_namespace_that_is_terminating_is_named() {
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    let world = given("bad-ending")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .create_live(Kind::CONFIG_MAP, held)
        .act(|world| async move {
            Kind::NAMESPACE
                .delete(&world.client, "", &world.namespace)
                .await;
        })
        .sync()
        .then()
        .expect(failed("dry run"))
        .await;
    let state = world.app().await["status"]["operationState"].to_string();
    assert!(state.contains("terminat"), "{state}");
    Kind::CONFIG_MAP
        .merge(
            &world.client,
            &world.namespace,
            "held",
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
}

#[tokio::test]
async fn a_repository_of_fifty_thousand_files_is_read() {
    let many =
        (0..50_000).map(|n| write(&format!("data/{}/{n}.txt", n % 100), format!("file {n}")));
    given("big-repo")
        .changes(many)
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced().within(Duration::from_secs(120)))
        .expect(value("a", "1"))
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .await;
}

#[tokio::test]
async fn a_manifest_file_of_five_megabytes_is_applied() {
    let filling = "x".repeat(100_000);
    let objects: Vec<String> = (0..50)
        .map(|n| config_map(&format!("big-{n}"), &filling))
        .collect();
    given("big-file")
        .file("big.yaml", documents(&objects))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "big-49"))
        .await;
}

#[tokio::test]
async fn an_object_of_five_megabytes_is_refused_by_name() {
    let world = given("big-object")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_file("huge.yaml", config_map("huge", &"x".repeat(5_000_000)))
        .sync_with(json!({"prune": true}))
        .then()
        .expect(failed(""))
        .expect(result(Kind::CONFIG_MAP, "huge", "SyncFailed", ""))
        .expect(absent(Kind::CONFIG_MAP, "huge"))
        .await;
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn an_emptied_repository_deletes_nothing() {
    let world = synced_story("bad-empty").await;
    let emptied: Vec<Change> = vec![remove("app"), write("README.md", "all gone")];
    let world = world
        .when()
        .commit(emptied)
        .refresh()
        .then()
        .expect(condition("ComparisonError", "app"))
        .expect(health("Healthy"))
        .await;
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn a_repository_without_its_branch_deletes_nothing() {
    let world = synced_story("bad-branch")
        .await
        .when()
        .act(|world| async move { world.repo.delete_branch("main") })
        .refresh()
        .then()
        .expect(condition("ComparisonError", ""))
        .await;
    nothing_else_happened(world).await;
}

#[tokio::test]
async fn a_force_pushed_branch_is_followed() {
    let world = synced_story("force-push").await;
    let other = [
        write("app/a.yaml", config_map("a", "rewritten")),
        write("app/b.yaml", config_map("b", "1")),
    ];
    world.repo.force_push("main", &other);
    world
        .when()
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "rewritten"))
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn a_branch_that_was_set_back_is_followed() {
    let world = synced_story("set-back").await;
    let first = world.repo.id("main").unwrap();
    let world = world
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .expect(settled())
        .await;
    world.repo.reset("main", &first);
    world
        .when()
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "1"))
        .await;
}
