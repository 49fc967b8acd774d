//! Which credentials a repository has.

use driftless_core::ProjectName;
use driftless_settings::Settings;
use driftless_source::repository::{Credentials, Repository};
use serde_json::json;

use crate::build::{after, build, config_map, secret, texts};

fn settings() -> Settings {
    build(
        vec![
            config_map(
                "argocd-ssh-known-hosts-cm",
                json!({"ssh_known_hosts": "git.example ssh-ed25519 AAAA\n"}),
            ),
            config_map(
                "argocd-tls-certs-cm",
                json!({"git.example": "-----BEGIN CERTIFICATE-----\nx\n"}),
            ),
        ],
        vec![
            secret(
                "creds-all",
                "repo-creds",
                json!({"url": "https://git.example", "username": "all", "password": "a"}),
            ),
            secret(
                "creds-team",
                "repo-creds",
                json!({"url": "https://git.example/team", "username": "team", "password": "t"}),
            ),
            secret(
                "creds-ssh",
                "repo-creds",
                json!({"url": "git@git.example:team", "sshPrivateKey": "KEY"}),
            ),
            secret(
                "repo-own",
                "repository",
                json!({"url": "https://git.example/team/own.git", "bearerToken": "tok"}),
            ),
            secret(
                "repo-plain",
                "repository",
                json!({"url": "https://git.example/team/plain", "insecure": "true", "proxy": "http://p", "depth": "5"}),
            ),
            secret(
                "repo-p1",
                "repository",
                json!({"url": "https://git.example/x", "project": "p1", "username": "one", "password": "1"}),
            ),
            secret(
                "repo-global",
                "repository",
                json!({"url": "https://git.example/x", "username": "global", "password": "g"}),
            ),
        ],
    )
}

fn find(settings: &Settings, url: &str, project: Option<&str>) -> Repository {
    let project = project.map(ProjectName::from);
    settings
        .repositories
        .repository(url, project.as_ref())
        .unwrap()
}

fn user(repository: &Repository) -> &str {
    match &repository.credentials {
        Credentials::None => "nobody",
        Credentials::Basic { username, .. } => username,
        Credentials::Bearer(_) => "bearer",
        Credentials::SshKey(_) => "ssh",
    }
}

#[test]
fn the_longest_prefix_wins_and_own_credentials_win_over_it() {
    let settings = settings();
    assert_eq!(texts(&settings.diagnostics), Vec::<String>::new());
    let of = |url: &str| user(&find(&settings, url, None)).to_owned();
    assert_eq!(of("https://git.example/other"), "all");
    assert_eq!(of("https://git.example/team/x"), "team");
    assert_eq!(of("https://git.example/team/own"), "bearer");
    assert_eq!(of("https://GIT.example/team/own.git/"), "bearer");
    assert_eq!(of("git@git.example:team/x.git"), "ssh");
    assert_eq!(of("https://elsewhere.example/x"), "nobody");
    assert_eq!(of("https://git.example.evil/x"), "nobody", "another host");
    let plain = find(&settings, "https://git.example/team/plain", None);
    assert_eq!(user(&plain), "team", "no credentials of its own");
    assert!(plain.tls.insecure && plain.ssh.insecure_ignore_host_key);
    assert_eq!(plain.depth.unwrap().get(), 5);
}

#[test]
fn a_project_sees_its_own_repository_first() {
    let settings = settings();
    let of = |project| user(&find(&settings, "https://git.example/x", project)).to_owned();
    assert_eq!(of(Some("p1")), "one");
    assert_eq!(of(Some("p2")), "global");
    assert_eq!(of(None), "global");
    let own = find(&settings, "https://git.example/x", Some("p1"));
    assert_eq!(own.scope, Some(ProjectName::from("p1")));
}

#[test]
fn trust_belongs_to_the_host() {
    let settings = settings();
    let repository = find(&settings, "https://git.example:8443/x", None);
    assert!(repository.tls.ca_bundle.is_some());
    assert!(repository.ssh.known_hosts.unwrap().contains("ssh-ed25519"));
    assert!(
        find(&settings, "https://other/x", None)
            .tls
            .ca_bundle
            .is_none()
    );
}

#[test]
fn a_broken_secret_stays_as_it_was_and_never_becomes_anonymous() {
    let good = secret(
        "r",
        "repository",
        json!({"url": "https://git.example/r", "password": "p"}),
    );
    let bad = secret(
        "r",
        "repository",
        json!({"url": "https://git.example/r", "password": "p2", "insecure": "maybe"}),
    );
    let other = secret(
        "o",
        "repository",
        json!({"url": "https://git.example/o", "username": "o"}),
    );
    let first = build(Vec::new(), vec![good, other.clone()]);
    let second = after(&first, Vec::new(), vec![bad.clone(), other.clone()]);
    assert_eq!(second.repositories, first.repositories);
    assert_eq!(
        texts(&second.diagnostics),
        ["Secret r, key insecure: neither true nor false (the repository stays as it was)"]
    );
    // Without anything from before the repository is refused, and only that one.
    let fresh = build(Vec::new(), vec![bad, other]);
    assert_eq!(
        fresh
            .repositories
            .repository("https://git.example/r", None)
            .unwrap_err()
            .to_string(),
        "repository https://git.example/r: Secret r cannot be read: key insecure: neither true nor false"
    );
    assert_eq!(user(&find(&fresh, "https://git.example/o", None)), "o");
}

#[test]
fn what_is_not_supported_is_said() {
    let app = secret(
        "gh",
        "repo-creds",
        json!({"url": "https://github.com/org", "githubAppID": "1", "githubAppPrivateKey": "K"}),
    );
    let settings = build(Vec::new(), vec![app]);
    assert_eq!(
        settings
            .repositories
            .repository("https://github.com/org/x", None)
            .unwrap_err()
            .to_string(),
        "repository https://github.com/org/x: Secret gh uses githubAppPrivateKey, which is not \
         supported yet"
    );
    assert_eq!(settings.diagnostics.len(), 1);
}

#[test]
fn two_secrets_for_one_repository() {
    let of = |name: &str, user: &str| {
        secret(
            name,
            "repository",
            json!({"url": "https://git.example/x", "username": user}),
        )
    };
    let settings = build(Vec::new(), vec![of("a", "first"), of("b", "second")]);
    assert_eq!(
        user(&find(&settings, "https://git.example/x", None)),
        "first"
    );
    assert!(texts(&settings.diagnostics)[0].contains("is described by Secret a already"));
}

#[test]
fn certificates_that_are_none_keep_the_old_ones() {
    let with = |pem: &str| config_map("argocd-tls-certs-cm", json!({"h": pem}));
    let first = build(vec![with("-----BEGIN CERTIFICATE-----\nx")], Vec::new());
    let second = after(&first, vec![with("oops")], Vec::new());
    assert_eq!(first.trust, second.trust);
    assert!(texts(&second.diagnostics)[0].contains("key h: no PEM certificate"));
}
