//! Hooks around the deletion, suspension, dependencies.

use driftless_testkit::expect::{
    absent, app_gone, condition, exists, no_condition, still_exists, succeeded, synced, value,
};
use driftless_testkit::manifest::{config_map, hook_job};
use driftless_testkit::{Expectation, Kind, Verdict};
use serde_json::json;

use crate::given;

const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
const POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
const FAILING: [(&str, &str); 1] = [("devcluster.driftless.dev/outcome", "fail")];
const SLOW: [(&str, &str); 1] = [("devcluster.driftless.dev/run-for", "2s")];

/// Expects exactly these finalizers.
fn finalizers(wanted: &'static [&'static str]) -> Expectation {
    Expectation::of_app(format!("finalizers {wanted:?}"), move |_, app| {
        let found = app["metadata"]["finalizers"].clone();
        let is_right = found.as_array().map_or(wanted.is_empty(), |found| {
            found.len() == wanted.len() && wanted.iter().all(|one| found.contains(&json!(one)))
        });
        Verdict::when(is_right, || found.to_string())
    })
}

#[tokio::test]
async fn hooks_run_before_and_after_the_deletion() {
    given("del-hooks")
        .file("a.yaml", config_map("a", "1"))
        .file(
            "pre.yaml",
            hook_job("before", "PreDelete", &[(POLICY, "HookSucceeded")], &SLOW),
        )
        .file("post.yaml", hook_job("after", "PostDelete", &[], &SLOW))
        .metadata(json!({"finalizers": [FINALIZER]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(absent(Kind::JOB, "before"))
        .expect(finalizers(&[
            FINALIZER,
            "pre-delete-finalizer.argocd.argoproj.io",
            "pre-delete-finalizer.argocd.argoproj.io/cleanup",
            "post-delete-finalizer.argocd.argoproj.io",
            "post-delete-finalizer.argocd.argoproj.io/cleanup",
        ]))
        .when()
        .delete_app()
        .then()
        .expect(exists(Kind::JOB, "before"))
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .expect(exists(Kind::JOB, "after"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .expect(app_gone())
        .expect(absent(Kind::JOB, "before"))
        .expect(exists(Kind::JOB, "after"))
        .await;
}

#[tokio::test]
async fn finalizers_of_hooks_go_with_the_hooks() {
    given("del-nohooks")
        .file("a.yaml", config_map("a", "1"))
        .file("post.yaml", hook_job("after", "PostDelete", &[], &[]))
        .then()
        .expect(finalizers(&[
            "post-delete-finalizer.argocd.argoproj.io",
            "post-delete-finalizer.argocd.argoproj.io/cleanup",
        ]))
        .when()
        .commit_removal("post.yaml")
        .refresh()
        .then()
        .expect(finalizers(&[]))
        .await;
}

#[tokio::test]
async fn a_hook_that_fails_holds_the_deletion_back() {
    given("del-hookfail")
        .file("a.yaml", config_map("a", "1"))
        .file("pre.yaml", hook_job("before", "PreDelete", &[], &FAILING))
        .metadata(json!({"finalizers": [FINALIZER]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .delete_app()
        .then()
        .expect(condition("DeletionError", "hook batch/Job/before failed"))
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .when()
        .patch_app(json!({"metadata": {"finalizers": [FINALIZER]}}))
        .then()
        .expect(app_gone())
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn a_suspended_application_is_left_alone_by_automation() {
    given("suspend")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({"selfHeal": true}))
        .metadata(json!({"annotations": {"driftless.dev/suspend": "{\"reason\": \"audit\", \"by\": \"kim\"}"}}))
        .then()
        .expect(condition("SuspendedWarning", "suspended by kim: audit"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .patch_app(json!({"metadata": {"annotations": {"driftless.dev/suspend": null}}}))
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .expect(no_condition("SuspendedWarning"))
        .await;
}

#[tokio::test]
async fn an_application_waits_for_what_it_depends_on() {
    let first = given("dep-first")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({}))
        .metadata(json!({"finalizers": [FINALIZER]}))
        .without_app()
        .await;
    let wish = format!(
        "{}, ConfigMap:{}/a when object.data.value == '1'",
        first.name, first.namespace
    );
    let second = given("dep-second")
        .file("b.yaml", config_map("b", "1"))
        .automated(json!({}))
        .metadata(
            json!({"finalizers": [FINALIZER], "annotations": {"driftless.dev/depends-on": wish}}),
        )
        .then()
        .expect(condition("DependencyWarning", "does not exist"))
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .await;
    first.create_app().await;
    let first = first.then().expect(synced()).await;
    let second = second.then().expect(synced()).await;
    // A circle is named on every Application in it.
    let circle = json!({"metadata": {"annotations": {"driftless.dev/depends-on": second.name}}});
    let first = first
        .when()
        .patch_app(circle)
        .commit_file("a.yaml", config_map("a", "2"))
        .refresh()
        .then()
        .expect(condition(
            "DependencyError",
            "applications depend on each other: ",
        ))
        .when()
        .patch_app(json!({"metadata": {"annotations": {"driftless.dev/depends-on": null}}}))
        .then()
        .expect(no_condition("DependencyError"))
        .expect(synced())
        .await;
    // What is depended on goes last.
    second
        .patch_app(json!({"metadata": {"finalizers": [FINALIZER, "example.com/hold"]}}))
        .await;
    let second = second
        .when()
        .delete_app()
        .then()
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .await;
    let first = first
        .when()
        .delete_app()
        .then()
        .expect(condition("DependencyWarning", "deletion waits"))
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .await;
    second
        .patch_app(json!({"metadata": {"finalizers": null}}))
        .await;
    first.then().expect(app_gone()).await;
}
