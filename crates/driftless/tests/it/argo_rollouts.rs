//! Applications whose Rollouts are moved by the real controller of Argo Rollouts.

use driftless_testkit::expect::{
    condition, health, live_field, no_condition, settled, sync_status, synced,
};
use driftless_testkit::manifest::text;
use driftless_testkit::{Controller, Expectation, Kind, Verdict, World};
use serde_json::{Value, json};

use crate::given;
use crate::rollout::run_action;

const ROLLOUT: Kind = Kind::custom("argoproj.io", "v1alpha1", "Rollout", "rollouts");
const IMAGE: &str = "/spec/template/spec/containers/0/image";

fn web(image: &str) -> String {
    text(&json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": format!("example.com/web:{image}")}]},
            },
        },
    }))
}

fn runs(image: &str) -> Expectation {
    live_field(
        ROLLOUT,
        "web",
        IMAGE,
        json!(format!("example.com/web:{image}")),
    )
}

/// A story in which version 1 runs, and version 2 waits at its first pause.
async fn paused(name: &str, automated: Value) -> World {
    Controller::argo_rollouts().await.check();
    given(name)
        .file("web.yaml", web("1"))
        .automated(automated)
        .when()
        .then()
        .expect(synced())
        .expect(health("Healthy"))
        .when()
        .commit_file("web.yaml", web("2"))
        .refresh()
        .then()
        .expect(synced())
        .expect(runs("2"))
        .expect(health("Suspended"))
        .await
}

/// Expects these facts about the Rollout in the tree.
fn shows(wanted: &'static [&'static str]) -> Expectation {
    Expectation::new(
        format!("the tree shows {wanted:?}"),
        move |world| async move {
            let path = format!("/api/v1/applications/{}/resource-tree", world.name);
            let (_, tree) = world.driftless.rest(http::Method::GET, &path, None).await;
            let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
            let info = nodes
                .iter()
                .find(|node| node["kind"] == "Rollout")
                .and_then(|node| node["info"].as_array())
                .cloned()
                .unwrap_or_default();
            let is_shown = |text: &&str| info.iter().any(|item| item["value"] == **text);
            Verdict::when(wanted.iter().all(is_shown), || format!("{info:?}"))
        },
    )
}

#[tokio::test]
async fn an_aborted_revision_is_quarantined_and_the_next_commit_goes_through() {
    let world = paused("argo-abort", json!({"selfHeal": true})).await;
    let bad = world.repo.id("main").unwrap();
    let world = world
        .then()
        .expect(shows(&["Step: 1/2", "Weight: 50/50"]))
        .await;
    run_action(&world, ROLLOUT, "web", "abort").await;
    let world = world
        .then()
        .expect(condition("QuarantinedRevisionWarning", bad))
        .expect(condition(
            "QuarantinedRevisionWarning",
            "Rollout web was aborted: ",
        ))
        // What ran before is brought back, and stays.
        .expect(runs("1"))
        .expect(health("Healthy"))
        .expect(settled())
        .when()
        .refresh()
        .then()
        .expect(settled())
        .expect(runs("1"))
        .expect(sync_status("OutOfSync"))
        .when()
        .commit_file("web.yaml", web("3"))
        .refresh()
        .then()
        .expect(runs("3"))
        .expect(no_condition("QuarantinedRevisionWarning"))
        .expect(health("Suspended"))
        .await;
    run_action(&world, ROLLOUT, "web", "promote").await;
    world
        .then()
        .expect(health("Healthy"))
        .expect(synced())
        .expect(shows(&["Step: 2/2", "Weight: 100/100"]))
        .await;
}

#[tokio::test]
async fn a_retry_that_gets_through_ends_the_quarantine() {
    let world = paused("argo-retry", json!({})).await;
    run_action(&world, ROLLOUT, "web", "abort").await;
    let world = world
        .then()
        .expect(condition(
            "QuarantinedRevisionWarning",
            "Rollout web was aborted: ",
        ))
        .expect(health("Degraded"))
        .expect(runs("2"))
        .await;
    run_action(&world, ROLLOUT, "web", "retry").await;
    let world = world.then().expect(health("Suspended")).await;
    run_action(&world, ROLLOUT, "web", "promote-full").await;
    world
        .then()
        .expect(health("Healthy"))
        .expect(no_condition("QuarantinedRevisionWarning"))
        .expect(synced())
        .await;
}

#[tokio::test]
async fn an_abort_does_not_count_for_a_later_revision() {
    let world = paused("argo-later", json!({})).await;
    run_action(&world, ROLLOUT, "web", "abort").await;
    let world = world
        .then()
        .expect(condition(
            "QuarantinedRevisionWarning",
            "Rollout web was aborted: ",
        ))
        .when()
        .commit_file(
            "other.yaml",
            driftless_testkit::manifest::config_map("other", "1"),
        )
        .refresh()
        .then()
        .expect(synced())
        .expect(no_condition("QuarantinedRevisionWarning"))
        .when()
        .refresh()
        .then()
        .expect(settled())
        .expect(health("Degraded"))
        .expect(no_condition("QuarantinedRevisionWarning"))
        .await;
    drop(world);
}
