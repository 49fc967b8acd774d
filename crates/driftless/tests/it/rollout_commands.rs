//! `driftless rollout` beside the component that carries commands out: what people see, and exit codes.

use std::path::Path;
use std::process::{Command, Output};

use driftless_testkit::controller::install_crds;
use driftless_testkit::expect::succeeded;
use driftless_testkit::manifest::text;
use driftless_testkit::{Devcluster, World};
use serde_json::{Value, json};

use crate::rollout::{model, serves};

/// Runs `driftless rollout` with the world's cluster and namespace.
async fn rollout(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(crate::BINARY);
    command
        .arg("rollout")
        .args(arguments)
        .arg("--kubeconfig")
        .arg(Devcluster::shared().kubeconfig())
        .args(["--namespace", &world.namespace]);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// Returns what a command says, and expects its exit code.
async fn said(world: &World, arguments: &[&str], code: i32) -> String {
    let output = rollout(world, arguments).await;
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

async fn reaches(world: &World, phase: &str) -> String {
    let watch = ["watch", "fraud", "--until", phase, "--timeout", "90s"];
    said(world, &watch, 0).await
}

/// Half of the traffic goes to the new version, and a person is waited for.
async fn shows_a_pause(world: &World) {
    let watched = reaches(world, "paused").await;
    assert!(watched.contains("WaitingForApproval"), "{watched}");
    let shown = said(world, &["get", "fraud"], 0).await;
    for part in [
        "Phase:      Paused",
        "new, 50 % of the traffic",
        "stable, 50 % of the traffic",
        "Version  1/1 pods ready",
        "✔ 1 Set weight to 50 %",
        "▶ 2 Pause until approved",
        "StepCompleted",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    let wide = said(world, &["get", "fraud", "-o", "wide"], 0).await;
    assert!(wide.contains("Condition:  Valid=True"), "{wide}");
    let object: Value =
        serde_json::from_str(&said(world, &["get", "fraud", "-o", "json"], 0).await).unwrap();
    assert_eq!(object["status"]["targets"][0]["weight"], 50);
    let yaml = said(world, &["get", "fraud", "-o", "yaml"], 0).await;
    assert!(yaml.contains("\nkind: ModelRollout\n"), "{yaml}");
    let list = said(world, &["list"], 0).await;
    assert!(list.contains("Paused  1        2/2   50 %"), "{list}");
}

#[tokio::test]
async fn rollouts_are_shown_watched_and_told_from_the_command_line() {
    let crd = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/crds/modelrollouts.yaml"
    );
    install_crds(&Devcluster::shared().client().await, Path::new(crd)).await;
    let definition = text(&json!({
        "apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout", "metadata": {"name": "fraud"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
            "strategy": {"canary": {"scaleDownDelaySeconds": 0, "steps": [{"setWeight": 50}, {"pause": {}}]}},
        },
    }));
    let world = crate::given("roll-cli")
        .file("model.yaml", model("1"))
        .file("rollout.yaml", definition)
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(serves("1"))
        .await;
    reaches(&world, "healthy").await;
    let late = ["watch", "fraud", "--until", "paused", "--timeout", "1s"];
    said(&world, &late, 2).await;

    let world = world
        .when()
        .commit_file("model.yaml", model("2"))
        .sync()
        .then()
        .expect(succeeded())
        .await;
    shows_a_pause(&world).await;

    let wrong = said(&world, &["promote", "fraud", "--target", "loans"], 20).await;
    assert!(wrong.contains("no target loans; it has: fraud"), "{wrong}");
    let missing = said(&world, &["get", "loans"], 20).await;
    assert!(missing.contains("there is no rollout loans"), "{missing}");
    let told = said(&world, &["promote", "fraud", "--target", "fraud"], 0).await;
    assert!(told.starts_with("rollout fraud: promote; "), "{told}");
    reaches(&world, "healthy").await;
    let world = world.then().expect(serves("2")).await;

    let world = world
        .when()
        .commit_file("model.yaml", model("3"))
        .sync()
        .then()
        .expect(succeeded())
        .await;
    reaches(&world, "paused").await;
    said(&world, &["abort", "fraud"], 0).await;
    let ended = ["watch", "fraud", "--until", "healthy", "--timeout", "90s"];
    let ended = said(&world, &ended, 1).await;
    assert!(ended.contains("the rollout is Degraded"), "{ended}");
    let shown = said(&world, &["get", "fraud"], 0).await;
    assert!(shown.contains("kept out        aborted by"), "{shown}");
    said(&world, &["retry", "fraud"], 0).await;
    reaches(&world, "paused").await;
    said(&world, &["promote-full", "fraud"], 0).await;
    reaches(&world, "healthy").await;
    world.then().expect(serves("3")).await;
}
