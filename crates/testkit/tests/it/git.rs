//! The Git servers serve the plain `git` program.

use std::process::{Command, Output};
use std::time::Duration;

use driftless_testkit::git::{Fault, link, remove, write};
use driftless_testkit::{GitRepo, HttpGit, SshGit};
use tempfile::TempDir;

fn list(url: &str, configure: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new("git");
    command.args([
        "-c",
        "credential.helper=",
        "ls-remote",
        url,
        "refs/heads/main",
    ]);
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true");
    configure(&mut command);
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn commits_hold_files_links_and_removals() {
    let repo = GitRepo::create();
    repo.commit(&[
        write("a/one.yaml", "1"),
        write("b/two.yaml", "2"),
        link("a/link", "one.yaml"),
    ]);
    let second = repo.commit(&[remove("b"), write("a/one.yaml", "changed")]);
    let clone = TempDir::new().unwrap();
    let output = Command::new("git")
        .args(["clone", "--quiet", &repo.file_url()])
        .arg(clone.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| std::fs::read_to_string(clone.path().join(name));
    assert_eq!(read("a/link").unwrap(), "changed");
    assert!(read("b/two.yaml").is_err());
    assert_eq!(repo.id("HEAD"), Some(second));
}

#[test]
fn a_force_push_drops_the_history() {
    let repo = GitRepo::create();
    let first = repo.commit(&[write("a", "1")]);
    let other = repo.force_push("main", &[write("a", "2")]);
    assert_ne!(first, other);
    assert_eq!(repo.id("main^"), None);
}

#[test]
fn http_serves_and_asks_for_credentials() {
    let repo = GitRepo::create();
    let commit = repo.commit(&[write("a", "1")]);
    let server = HttpGit::serve(&repo);
    assert!(told(&list(&server.url(), |_| {})).starts_with(&commit));
    server.require("ann", "secret");
    assert!(!list(&server.url(), |_| {}).status.success());
    let with = server.url().replace("http://", "http://ann:secret@");
    assert!(told(&list(&with, |_| {})).starts_with(&commit));
    assert!(server.requests() >= 3);
}

#[test]
fn http_can_be_told_to_fail() {
    let repo = GitRepo::create();
    repo.commit(&[write("a", "1")]);
    let server = HttpGit::serve(&repo);
    for fault in [Fault::Down, Fault::Unauthorized] {
        server.inject(fault);
        assert!(!list(&server.url(), |_| {}).status.success(), "{fault:?}");
    }
    server.inject(Fault::Slow(Duration::from_millis(1)));
    assert!(list(&server.url(), |_| {}).status.success());
}

#[test]
fn ssh_lets_the_right_key_in() {
    let repo = GitRepo::create();
    let commit = repo.commit(&[write("a", "1")]);
    let server = SshGit::serve(&repo);
    let files = TempDir::new().unwrap();
    let ssh = |key: &str| {
        let (path, hosts) = (files.path().join("key"), files.path().join("hosts"));
        std::fs::write(&path, key).unwrap();
        std::fs::write(&hosts, server.known_hosts()).unwrap();
        Command::new("chmod")
            .arg("600")
            .arg(&path)
            .status()
            .unwrap();
        let command = format!(
            "ssh -i {} -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile={}",
            path.display(),
            hosts.display()
        );
        list(&server.url(), |git| {
            git.env("GIT_SSH_COMMAND", command);
        })
    };
    let good = ssh(&server.private_key());
    assert!(told(&good).starts_with(&commit), "{good:?}");
    assert!(!ssh(&server.wrong_private_key()).status.success());
}
