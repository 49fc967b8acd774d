//! Calls to the API server that fail, any of them and in any way: each has its reason, a sync ends, and what cannot
//! be read is never deleted.

use std::collections::BTreeMap;

use driftless_testkit::expect::{
    absent, app_gone, condition, exists, finished, health, settled, succeeded, sync_status, synced,
    value,
};
use driftless_testkit::git::{remove, write};
use driftless_testkit::manifest::{annotated_config_map, config_map, hook_job};
use driftless_testkit::proxy::{Call, Fault};
use driftless_testkit::{ApiProxy, Devcluster, Expectation, Kind, Verdict, World};
use serde_json::{Value, json};

use crate::given;

const HOOK: &str = "argocd.argoproj.io/hook";
const POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
const OPTIONS: &str = "argocd.argoproj.io/sync-options";
const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// Says whether a call is part of what an operation does: it concerns the destination, or the Application itself.
fn is_part(call: &Call, namespace: &str, app: &str) -> bool {
    let concerns = call.path.contains(&format!("/namespaces/{namespace}/"))
        || call.path.contains(&format!("/applications/{app}"));
    concerns && !call.is_watch() && !call.path.contains("/events")
}

/// Fails the k-th call of what follows.
fn fail_call(proxy: &ApiProxy, world: &World, number: usize, code: u16) {
    let (namespace, app, mut seen) = (world.namespace.clone(), world.name.clone(), 0);
    proxy.rule(move |call| {
        if !is_part(call, &namespace, &app) {
            return None;
        }
        seen += 1;
        (seen == number).then_some(Fault::Code(code))
    });
}

/// Returns the names of what was deleted in the destination.
fn deleted(proxy: &ApiProxy, world: &World) -> Vec<String> {
    let inside = format!("/namespaces/{}/", world.namespace);
    let calls = proxy.calls().into_iter();
    calls
        .filter(|(call, fault)| {
            call.is_deletion() && fault.is_none() && call.path.contains(&inside)
        })
        .filter_map(|(call, _)| call.path.rsplit('/').next().map(str::to_owned))
        .collect()
}

/// Lets the k-th call of a sync fail, for every k.
async fn any_call_may_fail(code: u16) {
    let proxy = ApiProxy::start(Devcluster::shared());
    let mut world = given(&format!("calls-{code}"))
        .through(&proxy)
        .file("a.yaml", config_map("a", "0"))
        .file("b.yaml", config_map("b", "0"))
        .file("c.yaml", config_map("c", "0"))
        .file(
            "hook.yaml",
            annotated_config_map("hook", &[(HOOK, "PreSync")]),
        )
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .expect(settled())
        .await;
    let mut calls = 0;
    let mut hit = true;
    while hit {
        calls += 1;
        assert!(
            calls < 40,
            "a sync of four objects takes more than 40 calls"
        );
        (world, hit) = sync_with_fault(world, &proxy, calls, code).await;
    }
    // There are fewer calls than this.
    assert!(calls > 5, "only {calls} calls were seen");
}

/// Commits a change and syncs it while the k-th call fails; says whether there was such a call.
async fn sync_with_fault(
    mut world: World,
    proxy: &ApiProxy,
    number: usize,
    code: u16,
) -> (World, bool) {
    let text = number.to_string();
    // Every other round prunes an object, the others create it anew.
    let prunes = number % 2 == 1;
    let extra = if prunes {
        remove("app/c.yaml")
    } else {
        write("app/c.yaml", config_map("c", &text))
    };
    let change = write("app/a.yaml", config_map("a", &text));
    world.repo.commit(&[change, extra]);
    fail_call(proxy, &world, number, code);
    world = world
        .when()
        .sync_with(json!({"prune": true}))
        .then()
        .expect(finished())
        .expect(settled())
        .await;
    let hit = proxy.calls().into_iter().find(|(_, fault)| fault.is_some());
    let state = world.app().await["status"]["operationState"].clone();
    if state["phase"] != "Succeeded" {
        assert!(
            state
                .to_string()
                .contains(&format!("injected fault {code}")),
            "call {number}, {hit:?}, is not named: {state:#}"
        );
        proxy.heal();
        world = world
            .when()
            .sync_with(json!({"prune": true}))
            .then()
            .expect(succeeded())
            .await;
    }
    world = world
        .then()
        .expect(synced())
        .expect(value("a", &text))
        .await;
    world = if prunes {
        world.then().expect(absent(Kind::CONFIG_MAP, "c")).await
    } else {
        world.then().expect(value("c", &text)).await
    };
    let strange = |name: &&String| *name != "hook" && (*name != "c" || !prunes);
    let gone = deleted(proxy, &world);
    assert_eq!(gone.iter().find(strange), None, "call {number}");
    (world, hit.is_some())
}

#[tokio::test]
async fn any_call_of_a_sync_may_conflict() {
    any_call_may_fail(409).await;
}

#[tokio::test]
async fn any_call_of_a_sync_may_be_gone() {
    any_call_may_fail(410).await;
}

#[tokio::test]
async fn any_call_of_a_sync_may_be_invalid() {
    any_call_may_fail(422).await;
}

#[tokio::test]
async fn any_call_of_a_sync_may_be_one_too_many() {
    any_call_may_fail(429).await;
}

/// Objects by name, each with the identity that a deletion would have changed.
async fn identities(world: &World) -> BTreeMap<String, String> {
    let all = Kind::CONFIG_MAP.list(&world.client, &world.namespace).await;
    let text = |object: &Value, field: &str| {
        object["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    all.iter()
        .map(|object| (text(object, "name"), text(object, "uid")))
        .filter(|(name, _)| name != "hook" && name != "kube-root-ca.crt")
        .collect()
}

/// Fails what reads ConfigMaps of the destination.
fn fail_reads(proxy: &ApiProxy, world: &World, fault: Fault) {
    fail_reads_of(proxy, world, "/api/v1", "configmaps", fault);
}

/// Fails what reads objects of the destination in one collection.
fn fail_reads_of(proxy: &ApiProxy, world: &World, group: &str, plural: &'static str, fault: Fault) {
    let all = format!("{group}/{plural}");
    let inside = format!("/namespaces/{}/{plural}", world.namespace);
    proxy.rule(move |call| {
        let reads = call.path == all || call.path.contains(&inside);
        (call.is_read() && reads).then_some(fault)
    });
}

fn count_faults(proxy: &ApiProxy) -> usize {
    let calls = proxy.calls().into_iter();
    calls.filter(|(_, fault)| fault.is_some()).count()
}

async fn until_faults(proxy: &ApiProxy, count: usize) {
    let started = std::time::Instant::now();
    while count_faults(proxy) < count {
        assert!(
            started.elapsed() < driftless_testkit::DEADLINE,
            "nothing was read"
        );
        tokio::time::sleep(driftless_testkit::POLL).await;
    }
}

const FAULTS: [Fault; 5] = [
    Fault::Code(403),
    Fault::Code(410),
    Fault::Code(429),
    Fault::Code(500),
    Fault::Cut,
];

#[tokio::test]
async fn what_cannot_be_read_is_never_deleted() {
    let proxy = ApiProxy::start(Devcluster::shared());
    let hook = [
        (HOOK, "PreSync"),
        (POLICY, "HookSucceeded,BeforeHookCreation"),
    ];
    let mut world = given("calls-read")
        .through(&proxy)
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .file("hook.yaml", annotated_config_map("hook", &hook))
        .automated(json!({"prune": true, "selfHeal": true, "allowEmpty": true}))
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    let before = identities(&world).await;
    assert_eq!(before.len(), 2, "{before:?}");
    let operations = [
        json!({"prune": true}),
        json!({"prune": true, "resources": [{"kind": "ConfigMap", "name": "a"}]}),
        json!({"prune": true, "revision": world.repo.id("main")}),
    ];
    for (turn, fault) in FAULTS.into_iter().enumerate() {
        let operation = operations[turn % operations.len()].clone();
        // What was read before the fault counts for nothing: the process starts anew.
        fail_reads(&proxy, &world, fault);
        world = world.when().kill().restart().sync_with(operation).await;
        until_faults(&proxy, 1).await;
        let value = (turn + 2).to_string();
        world
            .repo
            .commit(&[write("app/a.yaml", config_map("a", &value))]);
        world = world
            .when()
            .refresh()
            .then()
            .expect(sync_status("Unknown"))
            .await;
        assert_eq!(identities(&world).await, before, "{fault:?}");
        let gone = deleted(&proxy, &world);
        assert!(
            gone.iter().all(|name| name == "hook"),
            "{fault:?}: {gone:?}"
        );
        proxy.heal();
        world = world
            .when()
            .refresh()
            .then()
            // What was forbidden is asked for again after a minute.
            .expect(synced().within(3 * driftless_testkit::DEADLINE))
            .expect(settled())
            .await;
        assert_eq!(identities(&world).await, before, "after {fault:?}");
    }
    // What Git says cannot be read either.
    world = world
        .when()
        .commit_file("b.yaml", "apiVersion: v1\nkind: [\n")
        .refresh()
        .then()
        .expect(condition("ComparisonError", "b.yaml"))
        .when()
        .sync_with(json!({"prune": true}))
        .then()
        .expect(finished())
        .when()
        .rest(
            http::Method::POST,
            "/rollback",
            Some(json!({"id": 0, "prune": true})),
        )
        .then()
        .expect(settled())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .await;
    assert_eq!(identities(&world).await, before);
}

#[tokio::test]
async fn a_deletion_that_cannot_read_waits_and_takes_nothing_along() {
    let kept = [(OPTIONS, "Delete=false")];
    for fault in [Fault::Code(403), Fault::Code(500), Fault::Cut] {
        let proxy = ApiProxy::start(Devcluster::shared());
        let stranger =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stranger"}});
        let world = given("calls-delete")
            .through(&proxy)
            .file("a.yaml", config_map("a", "1"))
            .file("kept.yaml", annotated_config_map("kept", &kept))
            .file(
                "before.yaml",
                annotated_config_map("before", &[(HOOK, "PreDelete")]),
            )
            .metadata(json!({"finalizers": [FINALIZER]}))
            .when()
            .create_live(Kind::CONFIG_MAP, stranger)
            .sync()
            .then()
            .expect(succeeded())
            .expect(health("Healthy"))
            .expect(settled())
            .await;
        let before = identities(&world).await;
        fail_reads(&proxy, &world, fault);
        let world = world.when().kill().restart().delete_app().await;
        until_faults(&proxy, 2).await;
        assert!(
            !world.app().await.is_null(),
            "{fault:?}: it says that all is gone"
        );
        proxy.heal();
        // A list that was refused is asked for again after a minute, or by the next process at once.
        let world = world
            .when()
            .kill()
            .restart()
            .then()
            .expect(app_gone())
            .expect(absent(Kind::CONFIG_MAP, "a"))
            .await;
        let after = identities(&world).await;
        for name in ["kept", "stranger"] {
            assert_eq!(after.get(name), before.get(name), "{fault:?}");
            assert!(after.contains_key(name));
        }
    }
}

#[tokio::test]
async fn a_hook_after_the_deletion_that_cannot_be_read_is_waited_for() {
    for fault in [Fault::Code(403), Fault::Code(500), Fault::Cut] {
        let proxy = ApiProxy::start(Devcluster::shared());
        let stranger =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stranger"}});
        let slow = [("devcluster.driftless.dev/run-for", "6s")];
        let policy = [(POLICY, "HookSucceeded")];
        let world = given("calls-post-delete")
            .through(&proxy)
            .file("a.yaml", config_map("a", "1"))
            .file(
                "after.yaml",
                hook_job("after", "PostDelete", &policy, &slow),
            )
            .metadata(json!({"finalizers": [FINALIZER]}))
            .when()
            .create_live(Kind::CONFIG_MAP, stranger)
            .sync()
            .then()
            .expect(succeeded())
            .expect(settled())
            .when()
            .delete_app()
            .then()
            .expect(exists(Kind::JOB, "after"))
            .await;
        let hook = world.live(Kind::JOB, "after").await.unwrap_or_default();
        let before = identities(&world).await;
        // The process starts anew, so that what it knew of the hook counts for nothing.
        fail_reads_of(&proxy, &world, "/apis/batch/v1", "jobs", fault);
        let world = world.when().kill().restart().await;
        until_faults(&proxy, 1).await;
        assert!(
            !world.app().await.is_null(),
            "{fault:?}: the deletion ended without knowing of its hook"
        );
        let now = world.live(Kind::JOB, "after").await.unwrap_or_default();
        assert_eq!(
            now.pointer("/metadata/uid"),
            hook.pointer("/metadata/uid"),
            "{fault:?}: the hook was deleted or started anew"
        );
        assert_eq!(identities(&world).await, before, "{fault:?}");
        proxy.heal();
        let world = world
            .when()
            .kill()
            .restart()
            .then()
            .expect(app_gone())
            .expect(absent(Kind::JOB, "after"))
            .await;
        assert!(identities(&world).await.contains_key("stranger"));
    }
}

/// Expects the rollback that was asked for to be under way, or over.
fn begun() -> Expectation {
    Expectation::of_app("the rollback to begin", |_, app| {
        let note = &app["metadata"]["annotations"]["driftless.dev/rollback"];
        Verdict::when(note.is_null(), || note.to_string())
    })
}

/// Expects an operation to be over, whoever asked for it.
fn ended() -> Expectation {
    Expectation::of_app("the operation to be over", |_, app| {
        let state = &app["status"]["operationState"];
        let is_over = app["operation"].is_null() && !state["finishedAt"].is_null();
        Verdict::when(is_over, || state.to_string())
    })
}

#[tokio::test]
async fn a_rollback_that_cannot_read_deletes_nothing() {
    let proxy = ApiProxy::start(Devcluster::shared());
    let mut world = given("calls-rollback")
        .through(&proxy)
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(settled())
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .commit_file("b.yaml", config_map("b", "2"))
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .expect(settled())
        .await;
    let before = identities(&world).await;
    let sync =
        json!({"prune": true, "revision": world.app().await["status"]["history"][0]["revision"]});
    for fault in [Fault::Code(403), Fault::Code(500), Fault::Cut] {
        let faults = count_faults(&proxy);
        fail_reads(&proxy, &world, fault);
        // `b` is not in the revision that is gone back to.
        world = world
            .when()
            .kill()
            .restart()
            .rest(
                http::Method::POST,
                "/rollback",
                Some(json!({"id": 0, "prune": true})),
            )
            .await;
        world = world
            .then()
            .expect(begun().within(2 * driftless_testkit::DEADLINE))
            .await;
        until_faults(&proxy, faults + 1).await;
        assert_eq!(identities(&world).await, before, "{fault:?}");
        let gone = deleted(&proxy, &world);
        assert!(gone.is_empty(), "{fault:?}: {gone:?}");
        // Where it does not end by itself it is ended, so that it does not go on as soon as it can read.
        let path = format!("/api/v1/applications/{}/operation", world.name);
        world
            .driftless
            .rest(http::Method::DELETE, &path, None)
            .await;
        world = world
            .then()
            .expect(ended().within(2 * driftless_testkit::DEADLINE))
            .await;
        proxy.heal();
        assert_eq!(identities(&world).await, before, "after {fault:?}");
    }
    // With everything readable the same rollback does prune.
    world
        .when()
        .kill()
        .restart()
        .sync_with(sync)
        .then()
        .expect(succeeded())
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .expect(value("a", "1"))
        .await;
}
