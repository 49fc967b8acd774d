//! Faults of the surroundings: repositories and clusters that go away and come back.

use std::sync::Arc;
use std::time::Duration;

use driftless_testkit::expect::{
    absent, condition, exists, no_condition, resource, settled, still_exists, succeeded, synced,
    value,
};
use driftless_testkit::git::{Fault, write};
use driftless_testkit::manifest::config_map;
use driftless_testkit::{Driftless, Expectation, GitRepo, HttpGit, Kind, Verdict, World};
use serde_json::{Value, json};

use crate::git::repository_secret;
use crate::{breakable_cluster, given};

fn two_maps() -> Arc<GitRepo> {
    let repo = Arc::new(GitRepo::create());
    repo.commit(&[
        write("app/a.yaml", config_map("a", "1")),
        write("app/b.yaml", config_map("b", "1")),
    ]);
    repo
}

/// Expects one object to be out of sync although its repository cannot be read: what Git said last still counts.
fn kept() -> [Expectation; 2] {
    [
        still_exists(Kind::CONFIG_MAP, "a"),
        still_exists(Kind::CONFIG_MAP, "b"),
    ]
}

#[tokio::test]
async fn an_unreachable_repository_is_named_and_deletes_nothing() {
    let repo = two_maps();
    let server = HttpGit::serve(&repo);
    let world = given("fault-down")
        .repo(repo)
        .source_url(server.url())
        .automated(json!({"prune": true, "selfHeal": true}))
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    server.inject(Fault::Down);
    let [a, b] = kept();
    let world = world
        .when()
        .hard_refresh()
        .then()
        .expect(condition("ComparisonError", "503"))
        .expect(settled())
        .expect(a)
        .expect(b)
        .await;
    server.inject(Fault::None);
    world
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .expect(no_condition("ComparisonError"))
        .await;
}

#[tokio::test]
async fn drift_is_healed_while_the_repository_is_away() {
    let repo = two_maps();
    let server = HttpGit::serve(&repo);
    let world = given("fault-heal")
        .repo(repo)
        .source_url(server.url())
        .automated(json!({"selfHeal": true}))
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    server.inject(Fault::Down);
    world
        .when()
        .change_live(Kind::CONFIG_MAP, "a", json!({"data": {"value": "by hand"}}))
        .then()
        .expect(value("a", "1"))
        .await;
}

#[tokio::test]
async fn wrong_credentials_are_named_without_the_password() {
    let repo = two_maps();
    let server = HttpGit::serve(&repo);
    server.require("ann", "right");
    let world = given("fault-auth")
        .repo(repo)
        .source_url(server.url())
        .own_instance()
        .without_app()
        .await;
    repository_secret(
        &world,
        &server.url(),
        json!({"username": "ann", "password": "wr0ng-secret"}),
    )
    .await;
    world.create_app().await;
    let world = world.then().expect(condition("ComparisonError", "")).await;
    let conditions = world.app().await["status"]["conditions"]
        .to_string()
        .to_lowercase();
    assert!(
        ["auth", "credential", "401"]
            .iter()
            .any(|word| conditions.contains(word)),
        "{conditions}"
    );
    assert!(
        !conditions.contains("wr0ng-secret") && !world.driftless.log().contains("wr0ng-secret")
    );
    let secrets = Kind::SECRET.list(&world.client, world.control()).await;
    let is_ours = |secret: &&Value| {
        secret["metadata"]["labels"]["argocd.argoproj.io/secret-type"] == "repository"
    };
    let name = secrets
        .iter()
        .find(is_ours)
        .and_then(|secret| secret["metadata"]["name"].as_str())
        .unwrap();
    Kind::SECRET
        .merge(
            &world.client,
            world.control(),
            name,
            json!({"stringData": {"password": "right"}}),
        )
        .await;
    // A sync that overtakes the news of the Secret would fail as the one before it.
    let world = world.then().expect(no_condition("ComparisonError")).await;
    world
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn a_wrong_key_is_named() {
    let repo = two_maps();
    let server = driftless_testkit::SshGit::serve(&repo);
    let world = given("fault-key")
        .repo(repo)
        .source_url(server.url())
        .own_instance()
        .without_app()
        .await;
    let key = json!({"sshPrivateKey": server.wrong_private_key(), "insecure": "true"});
    repository_secret(&world, &server.url(), key).await;
    world.create_app().await;
    let world = world.then().expect(condition("ComparisonError", "")).await;
    assert!(!world.app().await.to_string().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_slow_repository_holds_up_nobody_else() {
    let repo = two_maps();
    let server = HttpGit::serve(&repo);
    server.inject(Fault::Slow(Duration::from_secs(8)));
    let slow = given("fault-slow")
        .repo(repo)
        .source_url(server.url())
        .own_instance()
        .when()
        .sync()
        .await;
    given("fault-quick")
        .file("a.yaml", config_map("a", "1"))
        .instance(&slow.driftless)
        .when()
        .sync()
        .then()
        .expect(synced().within(Duration::from_secs(20)))
        .await;
    assert_ne!(
        slow.app().await.pointer("/status/sync/status"),
        Some(&json!("Synced")),
        "the slow one was not slow"
    );
    slow.then().expect(synced()).await;
}

/// A synced story on the cluster that may be broken.
async fn story_on(cluster: &'static driftless_testkit::Devcluster, name: &str) -> World {
    given(name)
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .cluster(cluster)
        .automated(json!({"prune": true, "selfHeal": true}))
        .then()
        .expect(synced())
        .expect(settled())
        .await
}

#[tokio::test]
async fn an_api_server_that_is_down_for_a_minute_is_survived() {
    let (cluster, _turn) = breakable_cluster().await;
    let world = story_on(cluster, "fault-api").await;
    let newest = world
        .repo
        .commit(&[write("app/a.yaml", config_map("a", "2"))]);
    let down = cluster;
    tokio::task::spawn_blocking(|| down.stop_api())
        .await
        .unwrap();
    // The minute is what is tested.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(
        world.driftless.is_running(),
        "{}",
        world.driftless.log_tail(30)
    );
    tokio::task::spawn_blocking(|| down.start_api())
        .await
        .unwrap();
    let world = world
        .when()
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .expect(still_exists(Kind::CONFIG_MAP, "b"))
        .await;
    assert_eq!(world.repo.id("main"), Some(newest));
}

#[tokio::test]
async fn an_expired_watch_misses_nothing() {
    let (cluster, _turn) = breakable_cluster().await;
    let world = story_on(cluster, "fault-watch").await;
    let world = world
        .when()
        .patch_app(json!({"spec": {"syncPolicy": {"automated": null}}}))
        .then()
        .expect(settled())
        .await;
    // While the process stands still, an object is deleted, another changed and the API server replaced by one
    // that knows nothing of the revision at which the watches stopped.
    world.driftless.pause();
    Kind::CONFIG_MAP
        .delete(&world.client, &world.namespace, "a")
        .await;
    Kind::CONFIG_MAP
        .merge(
            &world.client,
            &world.namespace,
            "b",
            json!({"data": {"value": "by hand"}}),
        )
        .await;
    tokio::task::spawn_blocking(|| {
        cluster.stop_api();
        cluster.start_api();
    })
    .await
    .unwrap();
    let filler = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "filler"}});
    Kind::CONFIG_MAP
        .create(&cluster.client().await, &world.namespace, filler)
        .await;
    world.driftless.resume();
    world
        .then()
        .expect(resource(Kind::CONFIG_MAP, "a", "OutOfSync"))
        .expect(resource(Kind::CONFIG_MAP, "b", "OutOfSync"))
        .await;
}

#[tokio::test]
async fn two_instances_started_by_mistake_do_not_fight() {
    let world = given("fault-two")
        .file("a.yaml", config_map("a", "1"))
        .own_instance()
        .automated(json!({"selfHeal": true}))
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    let serve = world.driftless.serve().clone();
    let second = tokio::task::spawn_blocking(|| Driftless::start(serve))
        .await
        .unwrap();
    let world = world
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .expect(settled())
        .await;
    // One commit is one deployment, whoever made it.
    let history = world.app().await["status"]["history"]
        .as_array()
        .map(Vec::len);
    assert_eq!(
        history,
        Some(2),
        "{:#}",
        world.app().await["status"]["history"]
    );
    assert!(second.is_running() || world.driftless.is_running());
    // Whichever of the two acted: when it is gone, the other one goes on.
    world.driftless.kill();
    let world = world
        .when()
        .commit_file("a.yaml", config_map("a", "3"))
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "3"))
        .expect(settled())
        .await;
    second.kill();
    world
        .when()
        .restart()
        .commit_file("a.yaml", config_map("a", "4"))
        .refresh()
        .then()
        .expect(synced())
        .expect(value("a", "4"))
        .await;
}

#[tokio::test]
async fn a_graceful_stop_ends_well_and_loses_nothing() {
    let world = given("fault-stop")
        .file("a.yaml", config_map("a", "1"))
        .own_instance()
        .automated(json!({}))
        .then()
        .expect(synced())
        .expect(settled())
        .await;
    let driftless = Arc::clone(&world.driftless);
    let code = tokio::task::spawn_blocking(move || driftless.stop())
        .await
        .unwrap();
    assert_eq!(code, Some(0), "{}", world.driftless.log_tail(20));
    world
        .when()
        .commit_file("a.yaml", config_map("a", "2"))
        .restart()
        .then()
        .expect(synced())
        .expect(value("a", "2"))
        .await;
}

#[tokio::test]
async fn objects_of_others_in_the_namespace_are_left_alone() {
    let stranger =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stranger"}});
    given("fault-stranger")
        .file("a.yaml", config_map("a", "1"))
        .automated(json!({"prune": true, "selfHeal": true}))
        .when()
        .create_live(Kind::CONFIG_MAP, stranger)
        .then()
        .expect(synced())
        .when()
        .commit_file("b.yaml", config_map("b", "1"))
        .refresh()
        .then()
        .expect(synced())
        .expect(settled())
        .expect(still_exists(Kind::CONFIG_MAP, "stranger"))
        .await;
}

/// Expects the default project, the settings and the administrator's password to be there.
fn furnished() -> Expectation {
    Expectation::new(
        "the default project and settings to be there",
        |world| async move {
            let project = Kind::APP_PROJECT
                .read(&world.client, world.control(), "default")
                .await
                .is_some();
            let secret = Kind::SECRET
                .read(&world.client, world.control(), "argocd-secret")
                .await;
            let password =
                secret.is_some_and(|secret| secret["data"]["admin.password"].is_string());
            Verdict::when(project && password, || {
                format!("project: {project}, password: {password}")
            })
        },
    )
}

#[tokio::test]
async fn an_empty_namespace_is_furnished() {
    given("fault-fresh")
        .file("a.yaml", config_map("a", "1"))
        .own_instance()
        .then()
        .expect(furnished())
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(absent(Kind::CONFIG_MAP, "nothing-else"))
        .await;
}
