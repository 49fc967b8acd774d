//! Live state and what counts as a difference.

use driftless_testkit::expect::{
    absent, condition, exists, live_field, no_condition, resource, settled, succeeded, sync_status,
    synced, value,
};
use driftless_testkit::manifest::{annotated_config_map, config_map, crd, deployment};
use driftless_testkit::{Kind, unique};
use serde_json::json;

use crate::given;

#[tokio::test]
async fn a_field_changed_by_hand_is_drift() {
    given("diff-hand")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"value": "by hand"}}))
        .then()
        .expect(sync_status("OutOfSync"))
        .expect(resource(Kind::CONFIG_MAP, "a", "OutOfSync"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "1"))
        .await;
}

#[tokio::test]
async fn an_object_deleted_by_hand_is_drift() {
    given("diff-gone")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .delete_live(Kind::CONFIG_MAP, "a")
        .then()
        .expect(resource(Kind::CONFIG_MAP, "a", "OutOfSync"))
        .expect(resource(Kind::CONFIG_MAP, "b", "Synced"))
        .await;
}

#[tokio::test]
async fn a_field_that_somebody_else_added_is_no_drift() {
    given("diff-foreign")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"more": "added"}}))
        .refresh()
        .then()
        .expect(settled())
        .expect(sync_status("Synced"))
        .expect(live_field(
            Kind::CONFIG_MAP,
            "a",
            "/data/more",
            json!("added"),
        ))
        .await;
}

#[tokio::test]
async fn a_field_removed_from_git_is_removed_from_the_cluster() {
    let two = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"value": "1", "old": "x"}}"#;
    given("diff-removed")
        .file("a.yaml", two)
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(live_field(Kind::CONFIG_MAP, "a", "/data/old", json!("x")))
        .when()
        .commit_file("a.yaml", config_map("a", "1"))
        .sync()
        .then()
        .expect(synced())
        .expect(live_field(Kind::CONFIG_MAP, "a", "/data/old", json!(null)))
        .await;
}

#[tokio::test]
async fn defaults_and_quantities_written_another_way_are_no_drift() {
    // The API server writes 0.5 as 500m and 1024Mi as 1Gi, and fills in two dozen defaults.
    given("diff-quantity")
        .file("web.yaml", deployment("web", 1, &[]))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .when()
        .hard_refresh()
        .then()
        .expect(settled())
        .expect(sync_status("Synced"))
        .expect(live_field(
            Kind::DEPLOYMENT,
            "web",
            "/spec/template/spec/containers/0/resources/requests/cpu",
            json!("500m"),
        ))
        .await;
}

#[tokio::test]
async fn an_ignored_field_is_no_drift() {
    let ignored =
        json!({"ignoreDifferences": [{"kind": "ConfigMap", "jsonPointers": ["/data/value"]}]});
    given("diff-ignored")
        .file("a.yaml", config_map("a", "1"))
        .spec(ignored)
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"value": "by hand"}}))
        .refresh()
        .then()
        .expect(settled())
        .expect(sync_status("Synced"))
        .expect(value("a", "by hand"))
        .await;
}

#[tokio::test]
async fn a_rule_that_cannot_be_used_is_told_until_it_is_corrected() {
    let rule = |path: &str| json!([{"kind": "ConfigMap", "jqPathExpressions": [path]}]);
    given("diff-rule")
        .file("a.yaml", config_map("a", "1"))
        .spec(json!({"ignoreDifferences": rule(".data[")}))
        .then()
        .expect(condition(
            "IgnoreDifferencesWarning",
            "spec.ignoreDifferences[0]",
        ))
        .when()
        .patch_app(json!({"spec": {"ignoreDifferences": rule(".data.value")}}))
        .then()
        .expect(no_condition("IgnoreDifferencesWarning"))
        .await;
}

#[tokio::test]
async fn an_object_applied_on_the_client_side_is_compared_with_what_was_applied() {
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": {}},
        "data": {"value": "1", "old": "x"}});
    let mut live = applied.clone();
    live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
        json!(applied.to_string());
    given("diff-client")
        .file("a.yaml", config_map("a", "1"))
        .own_instance()
        .when()
        .create_live(Kind::CONFIG_MAP, live)
        // `old` was applied and is not in Git any more.
        .refresh()
        .then()
        .expect(settled())
        .expect(resource(Kind::CONFIG_MAP, "a", "OutOfSync"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "1"))
        .await;
}

#[tokio::test]
async fn an_object_that_left_git_is_extra_until_it_is_pruned() {
    given("diff-extra")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_removal("b.yaml")
        .refresh()
        .then()
        .expect(resource(Kind::CONFIG_MAP, "b", "OutOfSync"))
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .when()
        .sync_with(json!({"prune": true}))
        .then()
        .expect(synced())
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn a_new_kind_is_noticed_and_watched() {
    // A group of its own, because kinds belong to the whole cluster.
    let group: &'static str = Box::leak(format!("{}.example.com", unique("diff")).into_boxed_str());
    let widget = Kind::custom(group, "v1", "Widget", "widgets");
    let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 1}});
    given("diff-crd")
        .file("crd.yaml", crd(group, "Widget", "widgets"))
        .file("one.yaml", object.to_string())
        .sync_options(&["SkipDryRunOnMissingResource=true"])
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .when()
        .change_live(widget, "one", json!({"spec": {"size": 2}}))
        .then()
        .expect(resource(widget, "one", "OutOfSync"))
        .await;
}

#[tokio::test]
async fn an_object_of_another_application_is_a_warning() {
    let first = given("diff-shared")
        .file("a.yaml", config_map("shared", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .await;
    given("diff-second")
        .file("a.yaml", config_map("shared", "1"))
        .namespace(&first.namespace)
        .then()
        .expect(driftless_testkit::expect::condition(
            "SharedResourceWarning",
            "shared",
        ))
        .await;
}

#[tokio::test]
async fn a_key_removed_from_a_secrets_texts_is_removed_from_the_cluster() {
    let secret = |texts: serde_json::Value| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": texts})
            .to_string()
    };
    given("diff-secret")
        .file("s.yaml", secret(json!({"user": "a", "old": "x"})))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(live_field(Kind::SECRET, "s", "/data/old", json!("eA==")))
        .when()
        .commit_file("s.yaml", secret(json!({"user": "a"})))
        .sync()
        .then()
        .expect(synced())
        .expect(live_field(Kind::SECRET, "s", "/data/old", json!(null)))
        .expect(live_field(Kind::SECRET, "s", "/data/user", json!("YQ==")))
        .await;
}

#[tokio::test]
async fn objects_tracked_by_label_are_found_and_pruned() {
    given("diff-label")
        .own_instance()
        .setting("application.resourceTrackingMethod", "label")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .automated(json!({"prune": true}))
        .then()
        .expect(synced())
        .expect(live_field(
            Kind::CONFIG_MAP,
            "a",
            "/metadata/annotations",
            json!(null),
        ))
        .when()
        .commit_removal("b.yaml")
        .refresh()
        .then()
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn a_kind_excluded_in_the_settings_is_left_alone() {
    given("diff-excluded")
        .own_instance()
        .setting(
            "resource.exclusions",
            "- apiGroups: ['']\n  kinds: [ConfigMap]\n  clusters: ['*']\n",
        )
        .file("a.yaml", config_map("a", "1"))
        .file("web.yaml", deployment("web", 1, &[]))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(exists(Kind::DEPLOYMENT, "web"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .expect(condition(
            "ExcludedResourceWarning",
            "ConfigMap a is excluded",
        ))
        .await;
}

#[tokio::test]
async fn the_server_is_asked_where_the_application_wants_it() {
    let asks =
        json!({"annotations": {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}});
    given("diff-server")
        .metadata(asks)
        .file("a.yaml", config_map("a", "1"))
        .file("web.yaml", deployment("web", 1, &[]))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"more": "added"}}))
        .refresh()
        .then()
        .expect(settled())
        .expect(sync_status("Synced"))
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"value": "by hand"}}))
        .then()
        .expect(resource(Kind::CONFIG_MAP, "a", "OutOfSync"))
        .expect(resource(Kind::DEPLOYMENT, "web", "Synced"))
        .await;
}

#[tokio::test]
async fn an_extra_object_that_may_be_one_leaves_the_application_in_sync() {
    let tolerated = [("argocd.argoproj.io/compare-options", "IgnoreExtraneous")];
    let world = given("diff-extra")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", annotated_config_map("b", &tolerated))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_removal("b.yaml")
        .refresh()
        .then()
        .expect(resource(Kind::CONFIG_MAP, "b", "OutOfSync"))
        .expect(synced())
        .await;
    let resources = world.app().await["status"]["resources"].clone();
    let b = resources
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "b");
    assert_eq!(b.unwrap()["requiresPruning"], true);
    world
        .when()
        .sync_with(serde_json::json!({"prune": true}))
        .then()
        .expect(succeeded())
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn an_object_whose_namespace_nobody_names_is_told() {
    given("diff-nowhere")
        .file("a.yaml", config_map("a", "1"))
        .spec(serde_json::json!({"destination": {"namespace": ""}}))
        .then()
        .expect(condition(
            "InvalidSpecError",
            "Namespace for a /v1, Kind=ConfigMap is missing.",
        ))
        .await;
}
