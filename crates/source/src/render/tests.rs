//! Directory sources, detection, and the cache over trees in memory.

#![allow(
    clippy::semicolon_if_nothing_returned,
    clippy::format_collect,
    reason = "short closures read better"
)]

use std::sync::Arc;

use driftless_core::tree::{self, Entry, FolderEntry};
use driftless_core::{AppKey, Classify as _, MemoryTree, Tree, TreePath};

use super::*;
use crate::Metrics;

fn object(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

fn request(listing: &str, change: impl FnOnce(&mut Request)) -> Request {
    let mut request = Request {
        repository: crate::Repository::new("https://git.example/x").id(),
        revision: "1111111111111111111111111111111111111111".into(),
        tree: Arc::new(MemoryTree::from_listing(listing).unwrap()),
        source: Source {
            path: "app".to_owned(),
            ..Source::default()
        },
        app: AppKey::new("argocd", "demo"),
        instance: "demo".to_owned(),
        project: "default".into(),
        destination_namespace: "prod".into(),
        kube_version: "1.37.2".into(),
        api_versions: Arc::new([]),
        enabled: Enabled::default(),
        kustomize_options: "".into(),
        remotes: None,
        cache: CacheUse::Use,
    };
    change(&mut request);
    request
}

struct Bench {
    renderer: Renderer,
    dir: Arc<tempfile::TempDir>,
}

fn bench() -> Bench {
    reopen(Arc::new(tempfile::tempdir().unwrap()), |_| {})
}

fn reopen(dir: Arc<tempfile::TempDir>, change: impl FnOnce(&mut Options)) -> Bench {
    let mut options = Options::new(dir.path());
    change(&mut options);
    Bench {
        renderer: Renderer::open(options, Metrics::default()).unwrap(),
        dir,
    }
}

async fn names(listing: &str, change: impl FnOnce(&mut Request)) -> Vec<String> {
    let rendered = bench()
        .renderer
        .render(request(listing, change))
        .await
        .unwrap();
    rendered
        .objects()
        .unwrap()
        .iter()
        .map(|object| object.name().to_owned())
        .collect()
}

async fn error(listing: &str, change: impl FnOnce(&mut Request)) -> Error {
    bench()
        .renderer
        .render(request(listing, change))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn files_are_chosen_by_extension_depth_and_globs() {
    let listing: String = [
        "app/b.yml",
        "app/a.yaml",
        "app/x.txt",
        "app/sub/c.yaml",
        "app/.hidden/d.yaml",
        "other/e.yaml",
    ]
    .iter()
    .map(|path| format!("//- /{path}\n{}", object(&path.replace(['/', '.'], "-"))))
    .collect();
    assert_eq!(names(&listing, |_| {}).await, ["app-a-yaml", "app-b-yml"]);
    let recurse = |request: &mut Request| request.source.directory.recurse = true;
    assert_eq!(
        names(&listing, recurse).await,
        [
            "app--hidden-d-yaml",
            "app-a-yaml",
            "app-b-yml",
            "app-sub-c-yaml"
        ]
    );
    let include = |request: &mut Request| {
        recurse(request);
        request.source.directory.include = "{a.yaml,sub/*}".to_owned();
    };
    assert_eq!(
        names(&listing, include).await,
        ["app-a-yaml", "app-sub-c-yaml"]
    );
    let exclude = |request: &mut Request| {
        include(request);
        request.source.directory.exclude = "sub/*".to_owned();
    };
    assert_eq!(names(&listing, exclude).await, ["app-a-yaml"]);
    let any = |request: &mut Request| request.source.directory.disable_extension_filter = true;
    assert_eq!(
        names(&listing, any).await,
        ["app-a-yaml", "app-b-yml", "app-x-txt"]
    );
    let root = |request: &mut Request| {
        recurse(request);
        request.source.path = ".".to_owned();
    };
    assert_eq!(names(&listing, root).await.len(), 5);
}

#[tokio::test]
async fn documents_lists_and_json_become_objects() {
    let listing = format!(
        "//- /app/a.yaml\n---\n{}---\n# nothing\n---\n{}//- /app/b.json\n{}\n//- /app/c.yaml\n{}//- /app/d.yaml\n{}",
        object("one"),
        object("two"),
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"three"}}"#,
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: four}}\n- {apiVersion: v1, kind: Secret, metadata: {name: five}}\n",
        format_args!("# +argocd:skip-file-rendering\n{}", object("skipped")),
    );
    assert_eq!(
        names(&listing, |_| {}).await,
        ["one", "two", "three", "four", "five"]
    );
}

#[tokio::test]
async fn what_is_no_manifest_is_passed_over_and_told() {
    let listing = format!(
        "//- /app/a.yaml\n{}//- /app/values.yaml\nreplicas: 3\n",
        object("one")
    );
    let rendered = bench()
        .renderer
        .render(request(&listing, |_| {}))
        .await
        .unwrap();
    assert_eq!(rendered.objects().unwrap().len(), 1);
    let told: Vec<&str> = rendered
        .diagnostics
        .iter()
        .map(|told| told.file.as_str())
        .collect();
    assert_eq!(told, ["values.yaml"]);
}

#[tokio::test]
async fn what_cannot_be_parsed_is_an_error_whatever_it_was_meant_to_be() {
    let listing = format!(
        "//- /app/a.yaml\n{}//- /app/z.yaml\n{{{{ oops\n",
        object("one")
    );
    let found = error(&listing, |_| {}).await;
    assert!(found.to_string().starts_with("app/z.yaml:2:"), "{found}");
}

#[tokio::test]
async fn broken_input_is_an_error_with_its_place() {
    let broken = format!("//- /app/a.yaml\n{}data: [\n", object("one"));
    let found = error(&broken, |_| {}).await;
    assert!(
        matches!(&found, Error::Manifest { file, line: 5 | 6, .. } if file == "app/a.yaml"),
        "{found}"
    );
    let half = format!("//- /app/a.yaml\n{}---\nkind: ConfigMap\n", object("one"));
    let found = error(&half, |_| {}).await;
    assert!(
        found.to_string().starts_with("app/a.yaml: document 2: "),
        "{found}"
    );
    let nameless = "//- /app/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {}\n";
    assert_eq!(error(nameless, |_| {}).await.reason(), "InvalidManifest");
    let json = "//- /app/a.json\n{\"name\": \"x\"}\n";
    assert_eq!(error(json, |_| {}).await.reason(), "InvalidManifest");
    let glob = error(&broken, |request| {
        request.source.directory.include = "{a".to_owned()
    })
    .await;
    assert_eq!(glob.reason(), "InvalidGlob");
}

#[tokio::test]
async fn paths_are_checked() {
    let listing = format!("//- /app/a.yaml\n{}", object("one"));
    for (path, message) in [
        ("nothing", "nothing: app path does not exist"),
        ("app/a.yaml", "app/a.yaml: app path is not a directory"),
        ("/app", "/app: app path is absolute"),
        ("../app", "../app: app path outside root"),
    ] {
        assert_eq!(
            error(&listing, |request| request.source.path = path.to_owned())
                .await
                .to_string(),
            message
        );
    }
}

#[tokio::test]
async fn links_inside_are_followed_and_links_outside_are_refused() {
    let mut tree =
        MemoryTree::from_listing(&format!("//- /base/a.yaml\n{}", object("one"))).unwrap();
    tree.insert_link("app/linked.yaml", "../base/a.yaml")
        .unwrap();
    tree.insert_link("app/folder", "../base").unwrap();
    let with = |tree: MemoryTree| request("", |request| request.tree = Arc::new(tree));
    let rendered = bench().renderer.render(with(tree.clone())).await.unwrap();
    assert_eq!(rendered.objects().unwrap().len(), 1);
    tree.insert_link("app/evil.yaml", "../../etc/passwd")
        .unwrap();
    let refused = bench().renderer.render(with(tree)).await.unwrap_err();
    assert_eq!(refused.reason(), "PathEscapes");
}

#[tokio::test]
async fn large_sources_are_refused_as_a_whole() {
    let listing = format!(
        "//- /app/a.yaml\n{}//- /app/b.yaml\n{}",
        object("one"),
        object("two")
    );
    let bench = reopen(Arc::new(tempfile::tempdir().unwrap()), |options| {
        options.max_directory_bytes = 80
    });
    let refused = bench
        .renderer
        .render(request(&listing, |_| {}))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, Error::TooLarge { limit: 80, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn kinds_are_detected_and_unsupported_ones_say_so() {
    for file in ["kustomization.yaml", "kustomization.yml", "Kustomization"] {
        let found = error(&format!("//- /app/{file}\nx: 1\n"), |_| {}).await;
        assert_eq!(found.to_string(), "building the kustomization in app");
        assert_eq!(found.reason(), "InvalidKustomization");
    }
    let plugin = error("//- /app/x\n", |request| {
        request.source.explicit = Some(SourceType::Plugin)
    })
    .await;
    assert_eq!(plugin.reason(), "SourceTypeUnsupported");
    let jsonnet = error("//- /app/x.jsonnet\n{}\n", |_| {}).await;
    assert_eq!(
        jsonnet.to_string(),
        "app/x.jsonnet: Jsonnet is not supported yet"
    );
    let chart = format!(
        "//- /app/Chart.yaml\nname: x\n//- /app/a.yaml\n{}",
        object("one")
    );
    assert_eq!(
        names(&chart, |request| request.enabled.helm = false).await,
        ["one"]
    );
    let explicit = |request: &mut Request| request.source.explicit = Some(SourceType::Directory);
    assert_eq!(names(&chart, explicit).await, ["one"]);
}

#[tokio::test]
async fn results_are_reused_exactly_as_long_as_nothing_read_has_changed() {
    let bench = bench();
    let render = async |listing: &str, change: fn(&mut Request)| {
        bench
            .renderer
            .render(request(listing, change))
            .await
            .unwrap()
    };
    let first = format!("//- /app/a.yaml\n{}//- /other\n1\n", object("one"));
    let elsewhere = first.replace("\n1\n", "\n2\n");
    let changed = first.replace("name: one", "name: two");
    let added = format!("{first}//- /app/b.yaml\n{}", object("three"));
    let original = render(&first, |_| {}).await;
    assert!(!original.cached);
    let again = render(&elsewhere, |request| request.revision = "2222".into()).await;
    assert!(again.cached, "a change elsewhere");
    assert_eq!(
        (again.digest(), again.revision.as_str()),
        (original.digest(), "2222")
    );
    assert!(!render(&changed, |_| {}).await.cached, "a changed file");
    assert!(render(&first, |_| {}).await.cached, "going back");
    assert!(!render(&added, |_| {}).await.cached, "a new file");
    assert!(
        !render(&first, |request| request.cache = CacheUse::Bypass)
            .await
            .cached
    );
    assert!(
        !render(&first, |request| request.source.directory.recurse = true)
            .await
            .cached
    );
    assert!(
        !render(&first, |request| request.app =
            AppKey::new("argocd", "second"))
        .await
        .cached
    );
    assert!(
        render(&first, |request| request.kube_version = "1.38.0".into())
            .await
            .cached
    );
}

#[tokio::test]
async fn results_survive_a_restart_and_damaged_ones_do_not_count() {
    let listing = format!("//- /app/a.yaml\n{}", object("one"));
    let first = bench();
    let original = first
        .renderer
        .render(request(&listing, |_| {}))
        .await
        .unwrap();
    let dir = first.dir.clone();
    drop(first);
    let second = reopen(dir.clone(), |_| {});
    let again = second
        .renderer
        .render(request(&listing, |_| {}))
        .await
        .unwrap();
    assert!(again.cached);
    assert_eq!(again.objects().unwrap(), original.objects().unwrap());
    for folder in ["entries", "sets"] {
        for file in files(&dir.path().join("render-1").join(folder)) {
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            std::fs::write(&file, bytes).unwrap();
        }
        let third = reopen(dir.clone(), |_| {});
        let again = third
            .renderer
            .render(request(&listing, |_| {}))
            .await
            .unwrap();
        assert!(!again.cached, "damaged {folder}");
        assert_eq!(again.objects().unwrap(), original.objects().unwrap());
    }
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found
}

#[tokio::test]
async fn releases_are_retained_up_to_a_number_and_survive_a_restart() {
    let bench = reopen(Arc::new(tempfile::tempdir().unwrap()), |options| {
        options.retained_per_app = 3
    });
    let app = AppKey::new("argocd", "demo");
    for release in 0..5 {
        let listing = format!(
            "//- /app/a.yaml\n{}",
            object(&format!("release-{}", release / 2))
        );
        let rendered = bench
            .renderer
            .render(request(&listing, |_| {}))
            .await
            .unwrap();
        bench
            .renderer
            .retain(&app, &release.to_string(), &[rendered])
            .await
            .unwrap();
    }
    let dir = bench.dir.clone();
    drop(bench);
    std::fs::remove_dir_all(dir.path().join("render-1/sets")).unwrap();
    let bench = reopen(dir.clone(), |_| {});
    assert!(bench.renderer.load(&app, "1").await.unwrap().is_none());
    assert!(
        bench
            .renderer
            .load(&AppKey::new("argocd", "other"), "4")
            .await
            .unwrap()
            .is_none()
    );
    for (release, name) in [("2", "release-1"), ("3", "release-1"), ("4", "release-2")] {
        let sets = bench.renderer.load(&app, release).await.unwrap().unwrap();
        assert_eq!(sets[0].objects().unwrap()[0].name(), name);
        assert_eq!(sets[0].revision.as_str(), "1".repeat(40));
    }
    let retained = files(&dir.path().join("render-1/retained"));
    assert_eq!(retained.len(), 3, "two sets and the list: {retained:?}");
    bench.renderer.forget(&app).await.unwrap();
    assert!(bench.renderer.load(&app, "4").await.unwrap().is_none());
}

/// A tree whose store has failed.
struct Broken;

impl Tree for Broken {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, tree::Error> {
        Err(tree::Error::Unreadable {
            path: path.to_string(),
            source: "gone".into(),
        })
    }

    fn list(&self, path: &TreePath) -> Result<Arc<[FolderEntry]>, tree::Error> {
        Err(tree::Error::Unreadable {
            path: path.to_string(),
            source: "gone".into(),
        })
    }

    fn read(&self, path: &TreePath, _limit: u64) -> Result<bytes::Bytes, tree::Error> {
        Err(tree::Error::Unreadable {
            path: path.to_string(),
            source: "gone".into(),
        })
    }
}

#[tokio::test]
async fn a_tree_that_cannot_be_read_is_an_error_with_and_without_cache() {
    let bench = bench();
    let listing = format!("//- /app/a.yaml\n{}", object("one"));
    bench
        .renderer
        .render(request(&listing, |_| {}))
        .await
        .unwrap();
    for cache in [CacheUse::Use, CacheUse::Bypass] {
        let broken = request(&listing, |request| {
            request.tree = Arc::new(Broken);
            request.cache = cache;
        });
        let found = bench.renderer.render(broken).await.unwrap_err();
        assert_eq!(found.reason(), "TreeUnreadable");
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let bench = reopen(dir, |options| options.memory_bytes = 64 << 10);
    for number in 0..200 {
        let listing = format!("//- /app/a.yaml\n{}", object(&format!("n{number}")));
        let wanted = request(&listing, |request| {
            request.app = AppKey::new("argocd", format!("app-{number}"))
        });
        bench.renderer.render(wanted).await.unwrap();
        assert!(bench.renderer.memory_bytes() <= 64 << 10);
    }
}
