//! Repositories on this machine.

use std::time::{Duration, Instant};

use driftless_core::tree::{self, EntryKind};
use driftless_core::{AppKey, Classify as _};
use driftless_source::git::{Cause, Commit, Freshness};
use driftless_source::{RefEvent, Repository, Target};

use crate::fixture::{Origin, Service, git, path, read, target};

#[tokio::test]
async fn every_spelling_of_a_revision_is_resolved() {
    let origin = Origin::with(&[("a.yaml", "one")]);
    let first = origin.git(&["rev-parse", "HEAD"]);
    origin.git(&["tag", "v1.0.0"]);
    let second = origin.commit(&[("a.yaml", "two")]);
    origin.git(&["tag", "-a", "-m", "annotated", "v1.2.0"]);
    origin.git(&["branch", "feature/x"]);
    let third = origin.commit(&[("a.yaml", "three")]);
    origin.git(&["update-ref", "refs/pull/7/head", &second]);
    origin.git(&["tag", "v2.0.0-rc.1"]);
    origin.git(&["pack-refs", "--all"]);
    let service = Service::new();
    let repository = origin.repository();
    for (revision, wanted) in [
        ("", &third),
        ("HEAD", &third),
        ("main", &third),
        ("feature/x", &second),
        ("v1.0.0", &first),
        ("v1.2.0", &second),
        ("refs/tags/v1.2.0", &second),
        ("refs/pull/7/head", &second),
        ("1.x", &second),
        ("~1.0", &first),
        ("*", &second),
        (">=2.0.0-0", &third),
        (first.as_str(), &first),
        (&first[..7], &first),
    ] {
        let commit = service.resolve(&repository, revision).await.unwrap();
        assert_eq!(&commit.to_string(), wanted, "{revision:?}");
    }
    let error = service.resolve(&repository, "nothing").await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("unable to resolve 'nothing' to a commit SHA"),
        "{error}"
    );
    assert_eq!(error.reason(), "RevisionNotFound");
    let error = service
        .resolve(&repository, &"1".repeat(40))
        .await
        .unwrap_err();
    assert!(
        matches!(error.cause, Cause::CommitNotFound { .. }),
        "{error}"
    );
    let prefixed = Target::parse("^1", "v").unwrap();
    let commit = service
        .git
        .resolve(&repository, &prefixed, Freshness::Now)
        .await
        .unwrap();
    assert_eq!(commit.to_string(), second);
}

#[tokio::test]
async fn a_commit_is_read_as_a_tree() {
    let origin = Origin::new();
    origin.write("apps/one/deploy.yaml", "kind: Deployment");
    origin.write("apps-old/x", "x");
    origin.write("apps.txt", "y");
    std::os::unix::fs::symlink("../apps/one/deploy.yaml", origin.path().join("apps/link")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", origin.path().join("outside")).unwrap();
    origin.commit(&[]);
    let service = Service::new();
    let tree = service.tree(&origin.repository(), "main").await;
    assert_eq!(read(&*tree, "apps/one/deploy.yaml"), "kind: Deployment");
    let names: Vec<String> = tree
        .list(&path(""))
        .unwrap()
        .iter()
        .map(|entry| entry.name.to_string())
        .collect();
    assert_eq!(
        names,
        ["apps", "apps-old", "apps.txt", "outside"],
        "sorted by name"
    );
    assert_eq!(
        tree.entry(&path("apps")).unwrap().unwrap().kind,
        EntryKind::Folder
    );
    assert!(
        tree.entry(&path("apps/one/deploy.yaml/deeper"))
            .unwrap()
            .is_none()
    );
    assert!(tree.entry(&path("nothing")).unwrap().is_none());
    assert_eq!(
        tree.entry(&path("apps/link")).unwrap().unwrap().kind,
        EntryKind::Link
    );
    assert!(matches!(
        tree::read_file(&*tree, &path("outside"), 100),
        Err(tree::Error::Escapes { .. })
    ));
    assert!(matches!(
        tree.read(&path("apps/one/deploy.yaml"), 3),
        Err(tree::Error::TooLarge { size: 16, .. })
    ));
}

#[tokio::test]
async fn metadata_names_author_message_and_tags() {
    let origin = Origin::with(&[("a", "1")]);
    origin.git(&["tag", "v1"]);
    origin.git(&["tag", "-a", "-m", "x", "release"]);
    let service = Service::new();
    let commit = service.resolve(&origin.repository(), "main").await.unwrap();
    let metadata = service
        .git
        .metadata(&origin.repository(), commit)
        .await
        .unwrap();
    assert_eq!(metadata.author, "Ada <ada@example.com>");
    assert_eq!(metadata.message, "A change\n\nWith a body.");
    assert!(metadata.date.is_some());
    assert_eq!(metadata.tags.unwrap().to_vec(), ["release", "v1"]);
    let names = service.git.ref_names(&origin.repository()).await.unwrap();
    assert_eq!(
        (names.branches, names.tags),
        (vec!["main".into()], vec!["release".into(), "v1".into()])
    );
}

#[tokio::test]
async fn a_forced_branch_is_followed_and_the_old_commit_stays_readable() {
    let origin = Origin::with(&[("a", "1")]);
    let service = Service::new();
    let repository = origin.repository();
    let old = service.resolve(&repository, "main").await.unwrap();
    origin.write("a", "2");
    origin.git(&["commit", "-q", "-a", "--amend", "-m", "other"]);
    let new = service.resolve(&repository, "main").await.unwrap();
    assert_ne!(old, new);
    origin.git(&["reflog", "expire", "--expire=now", "--all"]);
    origin.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(
        read(&*service.git.tree(&repository, old).await.unwrap(), "a"),
        "1"
    );
    assert_eq!(
        read(&*service.git.tree(&repository, new).await.unwrap(), "a"),
        "2"
    );
}

#[tokio::test]
async fn unreadable_is_never_empty() {
    let origin = Origin::with(&[("a", "1")]);
    let service = Service::new();
    let repository = origin.repository();
    let commit = service.resolve(&repository, "main").await.unwrap();
    // The branch goes.
    origin.git(&["checkout", "-q", "--detach"]);
    origin.git(&["branch", "-D", "main"]);
    let error = service.resolve(&repository, "main").await.unwrap_err();
    assert_eq!(error.reason(), "RevisionNotFound");
    assert_eq!(error.last_known.unwrap().commit, commit);
    // The repository is emptied.
    std::fs::remove_dir_all(origin.path().join(".git")).unwrap();
    origin.git(&["init", "-q", "."]);
    let error = service.resolve(&repository, "main").await.unwrap_err();
    assert_eq!(error.reason(), "RepositoryEmpty");
    // The repository goes.
    std::fs::remove_dir_all(origin.path().join(".git")).unwrap();
    let error = service.resolve(&repository, "main").await.unwrap_err();
    assert_eq!(error.reason(), "RepositoryNotFound");
    // What was fetched is still there.
    assert_eq!(error.last_known.unwrap().commit, commit);
    assert_eq!(
        read(&*service.git.tree(&repository, commit).await.unwrap(), "a"),
        "1"
    );
    // And the last answer serves those who do not insist, in the next process too.
    let dir = service.dir.clone();
    drop(service);
    let service = Service::reopen(dir, |_| {});
    let cached = service
        .git
        .resolve(&repository, &target("main"), Freshness::Cached)
        .await
        .unwrap();
    assert_eq!(cached, commit);
    assert_eq!(
        read(&*service.git.tree(&repository, commit).await.unwrap(), "a"),
        "1"
    );
}

#[tokio::test]
async fn linked_worktrees_and_bare_repositories_are_read() {
    let origin = Origin::with(&[("a", "1")]);
    let place = tempfile::tempdir().unwrap();
    let bare = place.path().join("bare.git");
    git(
        place.path(),
        &[
            "clone",
            "-q",
            "--bare",
            origin.path().to_str().unwrap(),
            "bare.git",
        ],
    );
    let linked = place.path().join("linked");
    origin.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        linked.to_str().unwrap(),
    ]);
    let service = Service::new();
    for path in [bare, linked] {
        let repository = Repository::new(path.to_str().unwrap());
        assert_eq!(read(&*service.tree(&repository, "HEAD").await, "a"), "1");
    }
}

#[tokio::test]
async fn local_repositories_can_be_switched_off() {
    let origin = Origin::with(&[("a", "1")]);
    let service = Service::with(|options| options.allow_file_urls = false);
    let error = service
        .resolve(&origin.repository(), "main")
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "LocalRepositoriesDisabled");
}

#[tokio::test]
async fn a_damaged_copy_is_fetched_again() {
    let origin = Origin::with(&[("a", "1"), ("b/c", "2")]);
    let repository = origin.repository();
    let service = Service::new();
    let commit = service.resolve(&repository, "main").await.unwrap();
    let dir = service.dir.clone();
    drop(service);
    for damage in ["truncate", "scribble", "remove"] {
        let packs = files_below(dir.path(), "pack");
        assert!(!packs.is_empty());
        for pack in packs {
            let bytes = std::fs::read(&pack).unwrap();
            std::fs::set_permissions(&pack, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
            match damage {
                "truncate" => std::fs::write(&pack, &bytes[..bytes.len() / 2]).unwrap(),
                "scribble" => {
                    let mut bytes = bytes;
                    let end = bytes.len() - 20;
                    bytes[13..end].fill(0xa5);
                    std::fs::write(&pack, bytes).unwrap();
                }
                _ => std::fs::remove_file(&pack).unwrap(),
            }
        }
        let service = Service::reopen(dir.clone(), |_| {});
        // The first read may find the damage; the next one must be whole.
        let mut found = None;
        for _ in 0..3 {
            if let Ok(tree) = service.git.tree(&repository, commit).await
                && let Ok(bytes) = tree::read_file(&*tree, &path("b/c"), 100)
            {
                found = Some(bytes);
                break;
            }
        }
        assert_eq!(found.as_deref(), Some(&b"2"[..]), "{damage}");
        drop(service);
    }
}

#[tokio::test]
async fn a_damaged_copy_serves_what_it_can_while_the_repository_is_gone() {
    let origin = Origin::with(&[("a", "1")]);
    let repository = origin.repository();
    let service = Service::new();
    let first = service.resolve(&repository, "main").await.unwrap();
    let second = origin.commit(&[("a", "2")]);
    let second_commit = service.resolve(&repository, "main").await.unwrap();
    assert_eq!(second_commit.to_string(), second);
    service
        .git
        .keep(&repository, &AppKey::new("argocd", "app"), &[first])
        .await
        .unwrap();
    let dir = service.dir.clone();
    drop(service);
    // The second commit's pack goes.
    let mut packs = files_below(dir.path(), "pack");
    packs.sort_by_key(|pack| std::fs::metadata(pack).unwrap().modified().unwrap());
    assert_eq!(packs.len(), 2);
    std::fs::remove_file(&packs[1]).unwrap();
    std::fs::rename(origin.path().join(".git"), origin.path().join("gone")).unwrap();
    let service = Service::reopen(dir.clone(), |_| {});
    assert_eq!(
        read(&*service.git.tree(&repository, first).await.unwrap(), "a"),
        "1"
    );
    let error = service
        .git
        .tree(&repository, second_commit)
        .await
        .err()
        .unwrap();
    assert_eq!(error.reason(), "RepositoryNotFound");
    // Back again, the copy is replaced, and what was whole is carried over.
    std::fs::rename(origin.path().join("gone"), origin.path().join(".git")).unwrap();
    assert_eq!(
        read(
            &*service.git.tree(&repository, second_commit).await.unwrap(),
            "a"
        ),
        "2"
    );
    std::fs::remove_dir_all(origin.path().join(".git")).unwrap();
    assert_eq!(
        read(&*service.git.tree(&repository, first).await.unwrap(), "a"),
        "1"
    );
}

fn files_below(dir: &std::path::Path, extension: &str) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commits_stay_readable_in_few_packs() {
    let origin = Origin::with(&[("a", "0"), ("same", "x")]);
    let service = Service::new();
    let repository = origin.repository();
    let mut commits = Vec::new();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut reader = None;
    for number in 1..=60 {
        origin.commit(&[("a", &number.to_string())]);
        let commit = service.resolve(&repository, "main").await.unwrap();
        commits.push((commit, number.to_string()));
        if reader.is_none() {
            // Somebody reads the first commit all the time, while packs are merged.
            let tree = service.git.tree(&repository, commit).await.unwrap();
            let stop = stop.clone();
            reader = Some(std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    assert_eq!(read(&*tree, "a"), "1");
                    assert_eq!(read(&*tree, "same"), "x");
                }
            }));
        }
    }
    // Tidying goes on after the answer.
    for _ in 0..100 {
        if files_below(service.dir.path(), "pack").len() <= 25 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(files_below(service.dir.path(), "pack").len() <= 25);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    reader.unwrap().join().unwrap();
    for (commit, content) in commits {
        assert_eq!(
            read(&*service.git.tree(&repository, commit).await.unwrap(), "a"),
            content
        );
    }
}

#[tokio::test]
async fn a_quota_drops_what_nobody_keeps() {
    let origin = Origin::with(&[("a", "0")]);
    let service = Service::with(|options| options.mirror_quota_bytes = 64 << 10);
    let repository = origin.repository();
    let app = AppKey::new("argocd", "app");
    let mut kept: Option<Commit> = None;
    let big = |number: usize| {
        // Does not compress.
        (0..4096u64)
            .map(|n| {
                format!(
                    "{:x}",
                    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number as u64
                )
            })
            .collect::<String>()
    };
    for number in 0..20 {
        origin.commit(&[("a", &big(number))]);
        let commit = service.resolve(&repository, "main").await.unwrap();
        if kept.is_none() {
            service
                .git
                .keep(&repository, &app, &[commit])
                .await
                .unwrap();
            kept = Some(commit);
        }
    }
    let size = |dir: &std::path::Path| -> u64 {
        files_below(dir, "pack")
            .iter()
            .map(|file| std::fs::metadata(file).map_or(0, |data| data.len()))
            .sum()
    };
    for _ in 0..100 {
        if size(service.dir.path()) < 500 << 10 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        size(service.dir.path()) < 500 << 10,
        "{}",
        size(service.dir.path())
    );
    std::fs::rename(origin.path().join(".git"), origin.path().join("gone")).unwrap();
    let tree = service.git.tree(&repository, kept.unwrap()).await.unwrap();
    assert_eq!(read(&*tree, "a"), big(0));
}

#[tokio::test]
async fn followed_refs_tell_when_they_move_fail_and_recover() {
    let origin = Origin::with(&[("a", "1")]);
    let service = Service::with(|options| options.poll_interval = Duration::from_millis(20));
    let repository = origin.repository();
    let mut news = service.git.watch();
    let tracked = service.git.track(&repository, &target("main"));
    let second_follower = service.git.track(&repository, &target("main"));
    let first = service.resolve(&repository, "main").await.unwrap();
    let second = origin.commit(&[("a", "2")]);
    let next = async |news: &mut tokio::sync::broadcast::Receiver<RefEvent>| {
        tokio::time::timeout(Duration::from_secs(60), news.recv())
            .await
            .unwrap()
            .unwrap()
    };
    let RefEvent::Moved(moved) = next(&mut news).await else {
        panic!("not a move")
    };
    assert_eq!((moved.old, moved.new.to_string()), (Some(first), second));
    drop(second_follower);
    std::fs::rename(origin.path().join(".git"), origin.path().join("gone")).unwrap();
    let RefEvent::Failed { error, .. } = next(&mut news).await else {
        panic!("not a failure")
    };
    assert_eq!(error.reason(), "RepositoryNotFound");
    std::fs::rename(origin.path().join("gone"), origin.path().join(".git")).unwrap();
    assert!(matches!(next(&mut news).await, RefEvent::Recovered { .. }));
    drop(tracked);
    // A look that had begun before may still tell of the first of these commits.
    let mut told = true;
    for attempt in 3..8 {
        origin.commit(&[("a", &attempt.to_string())]);
        tokio::time::sleep(Duration::from_millis(200)).await;
        told = news.try_recv().is_ok();
        if !told {
            break;
        }
    }
    assert!(!told, "nobody follows any more");
}

#[tokio::test]
async fn a_nudge_asks_at_once() {
    let origin = Origin::with(&[("a", "1")]);
    let service = Service::new();
    let repository = origin.repository();
    let mut news = service.git.watch();
    let _tracked = service.git.track(&repository, &target("main"));
    service.resolve(&repository, "main").await.unwrap();
    origin.commit(&[("a", "2")]);
    assert_eq!(service.git.nudge("https://elsewhere.example/x"), 0);
    assert_eq!(service.git.nudge(&origin.url()), 1);
    let event = tokio::time::timeout(Duration::from_secs(60), news.recv())
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(event, RefEvent::Moved(_)));
}

#[tokio::test]
async fn two_processes_do_not_share_a_folder() {
    let service = Service::new();
    let options = driftless_source::git::Options::new(service.dir.path().join("git"));
    let error = driftless_source::Git::open(
        options,
        driftless_source::Metrics::default(),
        std::sync::Arc::new(crate::fixture::SystemClock),
    )
    .err()
    .unwrap();
    assert_eq!(error.reason(), "MirrorUnusable");
}

#[tokio::test]
async fn refreshing_is_fast() {
    let origin = Origin::new();
    for number in 0..1000 {
        origin.write(
            &format!("apps/app-{number}/config.yaml"),
            &format!("value: {number}"),
        );
    }
    origin.commit(&[]);
    let service = Service::new();
    let repository = origin.repository();
    let started = Instant::now();
    service.tree(&repository, "main").await;
    let first = started.elapsed();
    let mut times = Vec::new();
    for round in 0..15 {
        let files: Vec<(String, String)> = (0..3)
            .map(|n| {
                (
                    format!("apps/app-{}/config.yaml", round * 3 + n),
                    format!("new: {round}"),
                )
            })
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        origin.commit(&files);
        let started = Instant::now();
        let tree = service.tree(&repository, "main").await;
        tree.entry(&path("apps/app-1/config.yaml")).unwrap();
        times.push(started.elapsed());
    }
    times.sort();
    println!(
        "file: first copy of 1000 files {first:?}; refresh median {:?}, worst {:?}",
        times[7], times[14]
    );
}
