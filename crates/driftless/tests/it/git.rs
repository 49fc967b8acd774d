//! Where revisions come from: transports and the ways to name a revision.

use std::sync::Arc;

use driftless_testkit::expect::{
    condition, revision, settled, sync_status, synced, synced_at, value,
};
use driftless_testkit::git::write;
use driftless_testkit::manifest::config_map;
use driftless_testkit::{GitRepo, HttpGit, Kind, SshGit, World, unique};
use serde_json::{Value, json};

use crate::given;

fn repo_with(content: &str) -> Arc<GitRepo> {
    let repo = Arc::new(GitRepo::create());
    repo.commit(&[write("app/a.yaml", config_map("a", content))]);
    repo
}

/// Creates the Secret by which an instance knows the credentials of a repository.
pub(crate) async fn repository_secret(world: &World, url: &str, fields: Value) {
    let mut data = json!({"type": "git", "url": url});
    data.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": data, "metadata": {
        "name": unique("repo"), "labels": {"argocd.argoproj.io/secret-type": "repository"}}});
    Kind::SECRET
        .create(&world.client, world.control(), secret)
        .await;
}

#[tokio::test]
async fn a_repository_is_read_by_path() {
    given("git-file")
        .file("a.yaml", config_map("a", "1"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "1"))
        .await;
}

#[tokio::test]
async fn a_repository_is_read_by_http() {
    let repo = repo_with("1");
    let server = HttpGit::serve(&repo);
    given("git-http")
        .repo(repo)
        .source_url(server.url())
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "1"))
        .await;
}

#[tokio::test]
async fn a_private_repository_is_read_with_the_credentials_of_its_secret() {
    let repo = repo_with("1");
    let server = HttpGit::serve(&repo);
    server.require("ann", "pass word");
    let world = given("git-auth")
        .repo(repo)
        .source_url(server.url())
        .without_app()
        .await;
    repository_secret(
        &world,
        &server.url(),
        json!({"username": "ann", "password": "pass word"}),
    )
    .await;
    world.create_app().await;
    // The Secret is noticed a moment after it was created: a sync before that would be refused.
    world
        .then()
        .expect(sync_status("OutOfSync"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "1"))
        .await;
}

#[tokio::test]
async fn a_repository_is_read_by_ssh() {
    let repo = repo_with("1");
    let server = SshGit::serve(&repo);
    let world = given("git-ssh")
        .repo(repo)
        .source_url(server.url())
        .without_app()
        .await;
    let key = json!({"sshPrivateKey": server.private_key(), "insecure": "true"});
    repository_secret(&world, &server.url(), key).await;
    world.create_app().await;
    world
        .then()
        .expect(sync_status("OutOfSync"))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "1"))
        .await;
}

#[tokio::test]
async fn a_branch_is_followed() {
    let repo = repo_with("main");
    let tip = repo.commit_to(
        "release",
        &[write("app/a.yaml", config_map("a", "release"))],
    );
    given("git-branch")
        .repo(repo)
        .spec(json!({"source": {"targetRevision": "release"}}))
        .when()
        .sync()
        .then()
        .expect(synced_at(tip))
        .expect(value("a", "release"))
        .await;
}

#[tokio::test]
async fn a_tag_stands_for_its_commit() {
    let repo = repo_with("tagged");
    let tagged = repo.tag("first");
    repo.commit(&[write("app/a.yaml", config_map("a", "newer"))]);
    given("git-tag")
        .repo(repo)
        .spec(json!({"source": {"targetRevision": "first"}}))
        .when()
        .sync()
        .then()
        .expect(synced_at(tagged))
        .expect(value("a", "tagged"))
        .await;
}

#[tokio::test]
async fn a_commit_is_pinned_by_its_full_id() {
    let repo = repo_with("old");
    let old = repo.id("main").unwrap();
    repo.commit(&[write("app/a.yaml", config_map("a", "newer"))]);
    given("git-sha")
        .repo(repo)
        .spec(json!({"source": {"targetRevision": old}}))
        .when()
        .sync()
        .then()
        .expect(synced_at(old))
        .expect(value("a", "old"))
        .await;
}

#[tokio::test]
async fn a_commit_is_pinned_by_its_short_id() {
    let repo = repo_with("old");
    let old = repo.id("main").unwrap();
    repo.commit(&[write("app/a.yaml", config_map("a", "newer"))]);
    given("git-short")
        .repo(repo)
        .spec(json!({"source": {"targetRevision": old[..7]}}))
        .when()
        .sync()
        .then()
        .expect(synced_at(old))
        .expect(value("a", "old"))
        .await;
}

#[tokio::test]
async fn a_version_range_takes_the_highest_tag_inside_it() {
    let repo = repo_with("1.2.0");
    repo.tag("v1.2.0");
    repo.commit(&[write("app/a.yaml", config_map("a", "1.10.0"))]);
    let wanted = repo.tag("v1.10.0");
    repo.commit(&[write("app/a.yaml", config_map("a", "2.0.0"))]);
    repo.tag("v2.0.0");
    given("git-semver")
        .repo(repo)
        .spec(json!({"source": {"targetRevision": "1.x"}}))
        .when()
        .sync()
        .then()
        .expect(synced_at(wanted))
        .expect(value("a", "1.10.0"))
        .await;
}

#[tokio::test]
async fn a_new_tag_moves_a_version_range() {
    let repo = repo_with("1.0.0");
    repo.tag("1.0.0");
    let spec = json!({"source": {"targetRevision": "^1"}});
    let world = given("git-range")
        .repo(Arc::clone(&repo))
        .spec(spec)
        .automated(json!({}))
        .then()
        .expect(value("a", "1.0.0"))
        .await;
    repo.commit(&[write("app/a.yaml", config_map("a", "1.1.0"))]);
    let newer = repo.tag("1.1.0");
    world
        .when()
        .refresh()
        .then()
        .expect(synced_at(newer))
        .expect(value("a", "1.1.0"))
        .await;
}

#[tokio::test]
async fn a_revision_that_does_not_exist_is_named_in_a_condition() {
    given("git-missing")
        .repo(repo_with("1"))
        .spec(json!({"source": {"targetRevision": "no-such-branch"}}))
        .then()
        .expect(condition("ComparisonError", "no-such-branch"))
        .await;
}

#[tokio::test]
async fn many_applications_of_one_repository_ask_git_once_per_poll() {
    let repo = repo_with("1");
    let server = HttpGit::serve(&repo);
    let first = given("git-once")
        .repo(Arc::clone(&repo))
        .source_url(server.url())
        .setting("timeout.reconciliation", "2s")
        .then()
        .expect(settled())
        .await;
    let mut worlds = Vec::new();
    for _ in 0..9 {
        let world = given("git-once")
            .repo(Arc::clone(&repo))
            .source_url(server.url())
            .instance(&first.driftless);
        worlds.push(world.then().expect(settled()).await);
    }
    // Ten applications, one repository: a poll is one conversation, which takes two requests at most.
    let (before, commit) = (
        server.requests(),
        repo.commit(&[write("app/a.yaml", config_map("a", "2"))]),
    );
    for world in worlds {
        world.then().expect(revision(commit.clone())).await;
    }
    let asked = server.requests() - before;
    assert!(
        asked < 20,
        "{asked} requests for one poll of ten applications"
    );
}
