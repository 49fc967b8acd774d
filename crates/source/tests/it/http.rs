//! Repositories behind HTTP and HTTPS.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;

use driftless_core::{Classify as _, Secret};
use driftless_source::git::{Cause, Freshness};
use driftless_source::{Credentials, Repository};

use crate::fixture::{Origin, Service, path, read, target};
use crate::host::{Behaviour, Host};

/// Serves the folder above an origin's work tree, so that the repository is `/.git` below it.
async fn host(origin: &Origin) -> (Host, Repository) {
    let host = Host::start(origin.path()).await;
    let repository = Repository::new(format!("{}/.git", host.url));
    (host, repository)
}

fn spellings(origin: &Origin) -> Vec<(String, String)> {
    let first = origin.git(&["rev-parse", "HEAD"]);
    origin.git(&["tag", "v1.0.0"]);
    let second = origin.commit(&[("a", "two")]);
    origin.git(&["tag", "-a", "-m", "annotated", "v1.2.0"]);
    let middle = origin.commit(&[("a", "two and a half")]);
    let third = origin.commit(&[("a", "three"), ("dir/b", "new")]);
    origin.git(&["update-ref", "refs/pull/7/head", &second]);
    [
        ("", &third),
        ("main", &third),
        ("v1.0.0", &first),
        ("v1.2.0", &second),
        ("refs/pull/7/head", &second),
        ("1.x", &second),
        (&middle, &middle),
        (&middle[..8], &middle),
    ]
    .into_iter()
    .map(|(revision, commit)| (revision.to_owned(), commit.clone()))
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spelling_is_resolved_by_old_and_new_hosts() {
    for (old, filter) in [(false, false), (false, true), (true, false)] {
        let origin = Origin::with(&[("a", "one")]);
        let spellings = spellings(&origin);
        origin.git(&[
            "config",
            "uploadpack.allowFilter",
            if filter { "true" } else { "false" },
        ]);
        let (host, repository) = host(&origin).await;
        host.behaviour.lock().old = old;
        let service = Service::new();
        for (revision, wanted) in &spellings {
            let commit = service.resolve(&repository, revision).await.unwrap();
            assert_eq!(
                commit.to_string(),
                *wanted,
                "{revision:?}, old: {old}, filter: {filter}"
            );
            service
                .git
                .tree(&repository, commit)
                .await
                .unwrap()
                .entry(&path("a"))
                .unwrap()
                .unwrap();
        }
        let tree = service.tree(&repository, "main").await;
        assert_eq!(read(&*tree, "dir/b"), "new");
        let error = service.resolve(&repository, "nothing").await.unwrap_err();
        assert_eq!(error.reason(), "RevisionNotFound");
        let error = service
            .resolve(&repository, &"1".repeat(40))
            .await
            .unwrap_err();
        assert!(
            matches!(error.cause, Cause::CommitNotFound { .. }),
            "{error:?}"
        );
        let error = service.resolve(&repository, "abcdef12").await.unwrap_err();
        assert_eq!(error.reason(), "RevisionNotFound");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_changed_is_fetched_and_forced_branches_are_followed() {
    let noise: String = (0..60_000u64)
        .map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let origin = Origin::with(&[("big", &noise), ("a", "1")]);
    let (host, repository) = host(&origin).await;
    let service = Service::with(|options| options.max_pack_bytes = 1 << 20);
    let first = service.resolve(&repository, "main").await.unwrap();
    let limited = Service::with(|options| options.max_pack_bytes = 10 << 10);
    let error = limited.resolve(&repository, "main").await.unwrap_err();
    assert_eq!(error.reason(), "RepositoryTooLarge");
    for number in 2..5 {
        origin.commit(&[("a", &number.to_string())]);
        let before = host.count();
        let tree = service.tree(&repository, "main").await;
        assert_eq!(read(&*tree, "a"), number.to_string());
        assert_eq!(
            host.count() - before,
            2,
            "one request for refs, one for objects"
        );
    }
    let size: u64 = walk(service.dir.path())
        .iter()
        .map(|file| std::fs::metadata(file).unwrap().len())
        .sum();
    assert!(size < 1200 << 10, "the big file came once: {size}");
    origin.write("a", "forced");
    origin.git(&["commit", "-q", "-a", "--amend", "-m", "x"]);
    assert_eq!(
        read(&*service.tree(&repository, "main").await, "a"),
        "forced"
    );
    assert_eq!(
        read(&*service.git.tree(&repository, first).await.unwrap(), "a"),
        "1"
    );
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path)
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_sent_and_never_shown() {
    let origin = Origin::with(&[("a", "1")]);
    let (host, repository) = host(&origin).await;
    let service = Service::new();
    let with = |credentials| Repository {
        credentials,
        ..repository.clone()
    };
    let basic = |password: &str| {
        with(Credentials::Basic {
            username: "bob".into(),
            password: Secret::new(password.into()),
        })
    };
    // bob:hunter2
    host.behaviour.lock().authorization = Some("Basic Ym9iOmh1bnRlcjI=".into());
    service.resolve(&basic("hunter2"), "main").await.unwrap();
    let in_url = Repository::new(format!(
        "{}/.git",
        host.url.replace("://", "://bob:hunter2@")
    ));
    Service::new().resolve(&in_url, "main").await.unwrap();
    host.behaviour.lock().authorization = Some("Bearer hunter2".into());
    service
        .resolve(
            &with(Credentials::Bearer(Secret::new("hunter2".into()))),
            "main",
        )
        .await
        .unwrap();
    let planted = "pl4nted-s3cret";
    let in_url = Repository::new(format!(
        "{}/.git?token={planted}",
        host.url.replace("://", &format!("://bob:{planted}@"))
    ));
    for wrong in [
        basic(planted),
        with(Credentials::Bearer(Secret::new(planted.into()))),
        with(Credentials::None),
        in_url.clone(),
    ] {
        let error = Service::new().resolve(&wrong, "main").await.unwrap_err();
        assert_eq!(error.reason(), "AuthenticationFailed", "{error}");
        let shown = format!(
            "{error} {error:?} {wrong:?} {}",
            driftless_core::class::render_chain(&error)
        );
        assert!(!shown.contains(planted), "{shown}");
        assert!(shown.contains("authentication required"), "{shown}");
    }
    // A host that is gone does not make us tell either.
    drop(host);
    let error = Service::new().resolve(&in_url, "main").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(planted), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_down_leaves_what_is_known() {
    let origin = Origin::with(&[("a", "1")]);
    let (host, repository) = host(&origin).await;
    let service = Service::new();
    let commit = service.resolve(&repository, "main").await.unwrap();
    drop(host);
    let error = service.resolve(&repository, "main").await.unwrap_err();
    assert_eq!(
        (error.class(), error.reason()),
        (driftless_core::Class::Transient, "RepositoryUnreachable")
    );
    assert_eq!(error.last_known.unwrap().commit, commit);
    assert_eq!(
        read(&*service.git.tree(&repository, commit).await.unwrap(), "a"),
        "1"
    );
    let cached = service
        .git
        .resolve(&repository, &target("main"), Freshness::Cached)
        .await;
    assert_eq!(cached.unwrap(), commit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_misbehave_give_clear_errors() {
    let origin = Origin::with(&[("a", "1")]);
    let (host, repository) = host(&origin).await;
    let empty = Origin::new();
    let (_empty_host, empty) = self::host(&empty).await;
    for (change, reason) in [
        (
            Behaviour {
                refuse: Some((404, String::new())),
                ..Behaviour::default()
            },
            "RepositoryNotFound",
        ),
        (
            Behaviour {
                refuse: Some((403, String::new())),
                ..Behaviour::default()
            },
            "AuthenticationFailed",
        ),
        (
            Behaviour {
                refuse: Some((500, String::new())),
                ..Behaviour::default()
            },
            "RepositoryUnreachable",
        ),
        (
            Behaviour {
                page: true,
                ..Behaviour::default()
            },
            "RepositoryUnreachable",
        ),
        (
            Behaviour {
                delay: Duration::from_secs(20),
                ..Behaviour::default()
            },
            "RepositoryUnreachable",
        ),
    ] {
        *host.behaviour.lock() = change;
        let service = Service::with(|options| options.request_timeout = Duration::from_millis(400));
        let error = service.resolve(&repository, "main").await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
    }
    assert_eq!(
        Service::new()
            .resolve(&empty, "main")
            .await
            .unwrap_err()
            .reason(),
        "RepositoryEmpty"
    );
    *host.behaviour.lock() = Behaviour::default();
    for number in 0..20 {
        origin.git(&["tag", &format!("v0.{number}.0")]);
    }
    let few = Service::with(|options| options.max_refs = 5);
    assert_eq!(
        few.resolve(&repository, "0.x").await.unwrap_err().reason(),
        "RepositoryTooLarge"
    );
    few.resolve(&repository, "main").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_asks_to_slow_down_is_obeyed() {
    let origin = Origin::with(&[("a", "1")]);
    let (host, repository) = host(&origin).await;
    let service = Service::new();
    let commit = service.resolve(&repository, "main").await.unwrap();
    host.behaviour.lock().refuse = Some((429, "Retry-After: 1".into()));
    let error = service.resolve(&repository, "main").await.unwrap_err();
    assert_eq!(error.reason(), "RateLimited");
    assert_eq!(error.last_known.unwrap().commit, commit);
    host.behaviour.lock().refuse = None;
    let before = host.count();
    let error = service.resolve(&repository, "main").await.unwrap_err();
    assert_eq!(
        (error.reason(), host.count()),
        ("RateLimited", before),
        "the host is left in peace"
    );
    tokio::time::sleep(Duration::from_millis(1100)).await;
    service.resolve(&repository, "main").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_cost_one_request_and_late_ones_get_a_new_answer() {
    let origin = Origin::with(&[("a", "1")]);
    let (host, repository) = host(&origin).await;
    let service = Arc::new(Service::new());
    service.resolve(&repository, "main").await.unwrap();
    origin.commit(&[("a", "2")]);
    host.behaviour.lock().held = true;
    let before = host.count();
    let answered = host.answered.load(Ordering::Relaxed);
    let ask = || {
        let (service, repository) = (service.clone(), repository.clone());
        tokio::spawn(async move {
            let commit = service.resolve(&repository, "main").await.unwrap();
            commit.to_string()
        })
    };
    let early = ask();
    while host.answered.load(Ordering::Relaxed) == answered {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // The first question has its answer, which is on its way: these wait for the next one.
    let third = origin.commit(&[("a", "3")]);
    let late: Vec<_> = (0..50).map(|_| ask()).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    host.behaviour.lock().held = false;
    assert_ne!(early.await.unwrap(), third);
    for late in late {
        assert_eq!(
            late.await.unwrap(),
            third,
            "an answer older than the question"
        );
    }
    let requests = host.requests.lock()[before..].to_vec();
    assert!(requests.len() <= 8, "a few questions for all: {requests:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_followed_without_taking_credentials_elsewhere() {
    let origin = Origin::with(&[("a", "1")]);
    let (target, _) = host(&origin).await;
    let (host, repository) = host(&origin).await;
    host.behaviour.lock().redirect = Some(target.url.clone());
    target.behaviour.lock().authorization = Some(String::new());
    let repository = Repository {
        credentials: Credentials::Basic {
            username: "bob".into(),
            password: Secret::new("pw".into()),
        },
        ..repository
    };
    let service = Service::new();
    assert_eq!(read(&*service.tree(&repository, "main").await, "a"), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_to_services_that_hand_out_credentials_are_refused() {
    let origin = Origin::with(&[("a", "1")]);
    let (host, repository) = host(&origin).await;
    let service = Service::new();
    for to in ["http://169.254.169.254", "http://metadata.google.internal"] {
        host.behaviour.lock().redirect = Some(to.to_owned());
        let error = service.resolve(&repository, "main").await.unwrap_err();
        let text = driftless_core::class::render_chain(&error);
        assert!(text.contains("serves credentials"), "{to}: {text}");
    }
}

/// Makes an authority and a certificate for 127.0.0.1 with the `openssl` program; `None` without it.
fn certificates(dir: &std::path::Path) -> Option<(rustls::ServerConfig, String)> {
    let openssl = |args: &[&str]| {
        Command::new("openssl")
            .args(args)
            .current_dir(dir)
            .output()
            .ok()
            .filter(|output| output.status.success())
    };
    std::fs::write(dir.join("ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    openssl(
        &[
            &[
                "req", "-x509", "-subj", "/CN=ca", "-days", "2", "-keyout", "ca.key", "-out",
                "ca.pem",
            ][..],
            &key,
        ]
        .concat(),
    )?;
    openssl(
        &[
            &[
                "req",
                "-subj",
                "/CN=127.0.0.1",
                "-keyout",
                "key.pem",
                "-out",
                "csr",
            ][..],
            &key,
        ]
        .concat(),
    )?;
    openssl(&[
        "x509",
        "-req",
        "-in",
        "csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "ext",
        "-out",
        "cert.pem",
    ])?;
    let certificate =
        rustls::pki_types::CertificateDer::from_pem_file(dir.join("cert.pem")).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Some((config, std::fs::read_to_string(dir.join("ca.pem")).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_peers_are_verified() {
    let dir = tempfile::tempdir().unwrap();
    let Some((config, authority)) = certificates(dir.path()) else {
        println!("skipped: no openssl program");
        return;
    };
    let origin = Origin::new();
    for number in 0..1000 {
        origin.write(
            &format!("apps/app-{number}/config.yaml"),
            &format!("value: {number}"),
        );
    }
    origin.commit(&[]);
    let host = Host::start_tls(origin.path(), config).await;
    let mut repository = Repository::new(format!("{}/.git", host.url));
    let error = Service::new()
        .resolve(&repository, "main")
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "RepositoryUnreachable");
    assert!(error.to_string().contains("certificate"), "{error}");
    repository.tls.insecure = true;
    Service::new().resolve(&repository, "main").await.unwrap();
    repository.tls.insecure = false;
    repository.tls.ca_bundle = Some(authority.into());
    let service = Service::new();
    service.resolve(&repository, "main").await.unwrap();
    let mut times = Vec::new();
    for round in 0..11 {
        let name = |n: usize| format!("apps/app-{}/config.yaml", round * 3 + n);
        let names = [name(0), name(1), name(2)];
        let content = format!("new: {round}");
        let files: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (name.as_str(), content.as_str()))
            .collect();
        origin.commit(&files);
        let started = Instant::now();
        let tree = service.tree(&repository, "main").await;
        tree.entry(&path(&names[0])).unwrap();
        times.push(started.elapsed());
    }
    times.sort();
    println!(
        "https: refresh median {:?}, worst {:?}",
        times[5], times[10]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_of_fifty_thousand_files_and_one_of_five_megabytes() {
    let origin = Origin::new();
    let mut stream = String::from(
        "commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 1\nx\n",
    );
    for number in 0..50_000 {
        let content = format!("value: {number}\n");
        stream.push_str(&format!(
            "M 644 inline d{}/e{}/f{number}.yaml\ndata {}\n{content}\n",
            number / 1000,
            number / 100,
            content.len()
        ));
    }
    let big = "0123456789abcdef".repeat(5 << 16);
    stream.push_str(&format!(
        "M 644 inline big.yaml\ndata {}\n{big}\n",
        big.len()
    ));
    std::fs::write(origin.path().join("stream"), stream).unwrap();
    let input = std::fs::File::open(origin.path().join("stream")).unwrap();
    let import = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(origin.path())
        .stdin(input)
        .status();
    assert!(import.unwrap().success());
    let (_host, over_http) = host(&origin).await;
    for (name, repository) in [("file", origin.repository()), ("http", over_http)] {
        let service = Service::new();
        let started = Instant::now();
        let tree = service.tree(&repository, "main").await;
        println!("{name}: 50,000 files fetched in {:?}", started.elapsed());
        assert_eq!(read(&*tree, "d49/e499/f49999.yaml"), "value: 49999\n");
        assert_eq!(
            tree.read(&path("big.yaml"), 6 << 20).unwrap().len(),
            5 << 20
        );
        assert!(tree.read(&path("big.yaml"), 1 << 20).is_err());
    }
}
