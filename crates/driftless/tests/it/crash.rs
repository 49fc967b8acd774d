//! `kill -9` at the worst moments: what was begun is finished, nothing is lost, nothing is done twice.

use std::time::Instant;

use driftless_testkit::expect::{
    absent, exists, failed, running, settled, still_exists, succeeded, synced, value,
};
use driftless_testkit::git::{Change, write};
use driftless_testkit::manifest::{annotated_config_map, hook_job};
use driftless_testkit::{DEADLINE, Kind, World};
use serde_json::{Value, json};

use crate::given;

const KILLS: usize = 50;
const OBJECTS: usize = 20;

/// All objects with a new value: a first wave and, after it, a second one.
fn everything(generation: usize) -> Vec<Change> {
    let object = |n: usize| {
        let wave = if n < OBJECTS / 2 { "0" } else { "1" };
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"value": generation.to_string()},
            "metadata": {"name": format!("cm-{n}"), "annotations": {"argocd.argoproj.io/sync-wave": wave}}})
    };
    (0..OBJECTS)
        .map(|n| write(&format!("app/cm-{n}.yaml"), object(n).to_string()))
        .collect()
}

async fn value_of(world: &World, name: &str) -> String {
    let object = world.live(Kind::CONFIG_MAP, name).await.unwrap_or_default();
    object
        .pointer("/data/value")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Waits until the first wave has arrived.
async fn first_wave(world: &World, generation: usize) {
    let started = Instant::now();
    while value_of(world, "cm-0").await != generation.to_string() {
        assert!(
            started.elapsed() < DEADLINE,
            "generation {generation} does not begin\n{}",
            world.driftless.log_tail(40)
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn fifty_kills_in_the_middle_of_a_sync_lose_nothing() {
    let world = given("crash-fifty")
        .changes(everything(0))
        .automated(json!({"prune": true}))
        .own_instance()
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    let mut in_the_middle = 0;
    for generation in 1..=KILLS {
        world.repo.commit(&everything(generation));
        if generation > 1 {
            world.driftless.launch();
        }
        world
            .patch_app(
                json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}),
            )
            .await;
        first_wave(&world, generation).await;
        world.driftless.kill();
        if value_of(&world, &format!("cm-{}", OBJECTS - 1)).await != generation.to_string() {
            in_the_middle += 1;
        }
        for n in 0..OBJECTS {
            let name = format!("cm-{n}");
            assert!(
                world.live(Kind::CONFIG_MAP, &name).await.is_some(),
                "{name} was lost in generation {generation}"
            );
        }
    }
    assert!(
        in_the_middle > KILLS / 2,
        "only {in_the_middle} of {KILLS} kills hit the middle of a sync"
    );
    let last = KILLS.to_string();
    let world = world
        .when()
        .restart()
        .then()
        .expect(synced())
        .expect(settled())
        .expect(value("cm-0", &last))
        .expect(value("cm-19", &last))
        .await;
    let history = world.app().await["status"]["history"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let ids: Vec<i64> = history
        .iter()
        .filter_map(|entry| entry["id"].as_i64())
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    let newest = world.repo.id("main").unwrap();
    let deployed = history
        .iter()
        .filter(|entry| entry["revision"] == json!(newest))
        .count();
    assert_eq!(deployed, 1, "the last commit was deployed {deployed} times");
}

#[tokio::test]
async fn a_hook_that_runs_during_a_crash_is_not_started_again() {
    let slow = [("devcluster.driftless.dev/run-for", "6s")];
    let world = given("crash-hook")
        .file("hook.yaml", hook_job("before", "PreSync", &[], &slow))
        .own_instance()
        .file("a.yaml", driftless_testkit::manifest::config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(running("before"))
        .expect(exists(Kind::JOB, "before"))
        .await;
    let uid = |job: Option<Value>| job.unwrap().pointer("/metadata/uid").cloned();
    let first = uid(world.live(Kind::JOB, "before").await);
    let world = world
        .when()
        .kill()
        .restart()
        .then()
        .expect(succeeded())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .await;
    assert_eq!(uid(world.live(Kind::JOB, "before").await), first);
}

#[tokio::test]
async fn a_process_that_takes_a_sync_over_prunes_nothing_earlier() {
    const WAVE: &str = "argocd.argoproj.io/sync-wave";
    let bad = [
        ("devcluster.driftless.dev/run-for", "8s"),
        ("devcluster.driftless.dev/outcome", "fail"),
    ];
    let map = |name, wave| annotated_config_map(name, &[(WAVE, wave)]);
    let world = given("crash-waves")
        .own_instance()
        .file("kept.yaml", map("kept", "0"))
        .file("one.yaml", map("one", "1"))
        .file("two.yaml", map("two", "2"))
        .file("three.yaml", map("three", "3"))
        .metadata(json!({"annotations": {"driftless.dev/prune-budget": "off"}}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .commit_removal("one.yaml")
        .commit_removal("two.yaml")
        .commit_removal("three.yaml")
        .commit_file("bad.yaml", hook_job("bad", "Sync", &[(WAVE, "2")], &bad))
        .sync_with(json!({"prune": true}))
        .then()
        .expect(running("bad"))
        .expect(absent(Kind::CONFIG_MAP, "three"))
        .await;
    let note = "/metadata/annotations/driftless.dev~1prune-waves";
    let kept = world.app().await.pointer(note).cloned().unwrap_or_default();
    assert!(
        kept.as_str().is_some_and(|text| text.ends_with(" 1,2,3")),
        "{kept}"
    );
    let world = world
        .when()
        .kill()
        .restart()
        .then()
        .expect(failed("backoff limit"))
        .expect(settled())
        // Its turn is mirrored to the third wave, which was not reached.
        .expect(still_exists(Kind::CONFIG_MAP, "one"))
        .await;
    assert_eq!(world.app().await.pointer(note), None);
}

#[tokio::test]
async fn a_deletion_is_finished_after_a_crash() {
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    let world = given("crash-delete")
        .file("a.yaml", held.to_string())
        .own_instance()
        .metadata(json!({"finalizers": ["resources-finalizer.argocd.argoproj.io"]}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .when()
        .delete_app()
        .kill()
        .restart()
        .await;
    Kind::CONFIG_MAP
        .merge(
            &world.client,
            &world.namespace,
            "held",
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
    world
        .then()
        .expect(driftless_testkit::expect::app_gone())
        .expect(driftless_testkit::expect::absent(Kind::CONFIG_MAP, "held"))
        .await;
}

#[tokio::test]
async fn lost_local_data_changes_nothing() {
    let world = given("crash-data")
        .changes(everything(0))
        .automated(json!({}))
        .own_instance()
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    world.driftless.kill();
    world.driftless.forget();
    world.repo.commit(&everything(1));
    world
        .when()
        .restart()
        .refresh()
        .then()
        .expect(synced())
        .expect(value("cm-0", "1"))
        .await;
}
