//! Hooks: when they run, what their failure means, when they are deleted.

use driftless_testkit::Kind;
use driftless_testkit::expect::{
    absent, exists, failed, result, running, settled, succeeded, sync_status, synced,
};
use driftless_testkit::manifest::{config_map, deployment, hook_job};

use crate::given;

const POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
const SLOW: [(&str, &str); 1] = [("devcluster.driftless.dev/run-for", "3s")];
const FAILING: [(&str, &str); 1] = [("devcluster.driftless.dev/outcome", "fail")];

#[tokio::test]
async fn a_hook_before_the_sync_ends_before_anything_is_applied() {
    given("hook-pre")
        .file("hook.yaml", hook_job("before", "PreSync", &[], &SLOW))
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(running("before"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .expect(succeeded())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn a_failing_hook_before_the_sync_prevents_it() {
    given("hook-pre-fail")
        .file("hook.yaml", hook_job("before", "PreSync", &[], &FAILING))
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(failed(""))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn a_hook_after_the_sync_waits_for_health() {
    let slow = [("devcluster.driftless.dev/start-delay", "3s")];
    given("hook-post")
        .file("hook.yaml", hook_job("after", "PostSync", &[], &[]))
        .file("web.yaml", deployment("web", 1, &slow))
        .when()
        .sync()
        .then()
        .expect(running("web"))
        .expect(absent(Kind::JOB, "after"))
        .expect(succeeded())
        .expect(exists(Kind::JOB, "after"))
        .await;
}

#[tokio::test]
async fn a_hook_for_failure_runs_when_the_sync_fails() {
    given("hook-fail")
        .file("sync.yaml", hook_job("breaks", "Sync", &[], &FAILING))
        .file("hook.yaml", hook_job("cleanup", "SyncFail", &[], &[]))
        .when()
        .sync()
        .then()
        .expect(failed(""))
        .expect(exists(Kind::JOB, "cleanup"))
        .await;
}

#[tokio::test]
async fn a_hook_for_failure_does_not_run_when_all_is_well() {
    given("hook-nofail")
        .file("a.yaml", config_map("a", "1"))
        .file("hook.yaml", hook_job("cleanup", "SyncFail", &[], &[]))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(absent(Kind::JOB, "cleanup"))
        .await;
}

#[tokio::test]
async fn a_hook_that_failed_stays_unless_its_policy_says_otherwise() {
    given("hook-stays")
        .file(
            "hook.yaml",
            hook_job("before", "PreSync", &[(POLICY, "HookSucceeded")], &FAILING),
        )
        .when()
        .sync()
        .then()
        .expect(failed(""))
        .expect(exists(Kind::JOB, "before"))
        .await;
}

#[tokio::test]
async fn a_hook_is_created_anew_with_each_sync() {
    let world = given("hook-anew")
        .file("a.yaml", config_map("a", "1"))
        .file("hook.yaml", hook_job("before", "PreSync", &[], &[]))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .await;
    let uid = |object: Option<serde_json::Value>| {
        object.unwrap().pointer("/metadata/uid").cloned().unwrap()
    };
    let first = uid(world.live(Kind::JOB, "before").await);
    let world = world.when().sync().then().expect(succeeded()).await;
    assert_ne!(first, uid(world.live(Kind::JOB, "before").await));
}

#[tokio::test]
async fn a_hook_is_no_part_of_the_sync_status() {
    given("hook-status")
        .file("a.yaml", config_map("a", "1"))
        .file("hook.yaml", hook_job("before", "PreSync", &[], &[]))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .when()
        .delete_live(Kind::JOB, "before")
        .refresh()
        .then()
        .expect(settled())
        .expect(sync_status("Synced"))
        .await;
}

#[tokio::test]
async fn a_skipped_object_is_never_applied() {
    given("hook-skip")
        .file("a.yaml", config_map("a", "1"))
        .file("skip.yaml", hook_job("never", "Skip", &[], &[]))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(absent(Kind::JOB, "never"))
        .await;
}

#[tokio::test]
async fn a_hook_is_deleted_when_it_succeeded() {
    given("hook-done")
        .file("a.yaml", config_map("a", "1"))
        .file(
            "hook.yaml",
            hook_job("before", "PreSync", &[(POLICY, "HookSucceeded")], &[]),
        )
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(result(Kind::JOB, "before", "Synced", ""))
        .expect(absent(Kind::JOB, "before"))
        .await;
}

#[tokio::test]
async fn a_hook_is_deleted_when_it_failed() {
    given("hook-failed")
        .file(
            "hook.yaml",
            hook_job("before", "PreSync", &[(POLICY, "HookFailed")], &FAILING),
        )
        .when()
        .sync()
        .then()
        .expect(failed(""))
        .expect(absent(Kind::JOB, "before"))
        .await;
}
