//! Many applications in one repository: a commit that touches one renders one.

use std::sync::Arc;
use std::time::Instant;

use driftless_core::{AppKey, Revision, Tree};
use driftless_source::render::{CacheUse, Enabled, Options, Request, Source};
use driftless_source::{Metrics, Renderer, Repository};

use crate::fixture::{Origin, Service};

const APPS: usize = 501;

fn request(
    repository: &Repository,
    tree: &Arc<dyn Tree>,
    revision: &Revision,
    app: usize,
) -> Request {
    Request {
        repository: repository.id(),
        revision: revision.clone(),
        tree: tree.clone(),
        source: Source {
            path: format!("apps/app-{app}"),
            ..Source::default()
        },
        app: AppKey::new("argocd", format!("app-{app}")),
        instance: format!("app-{app}"),
        project: "default".into(),
        destination_namespace: "default".into(),
        kube_version: "1.37.2".into(),
        api_versions: Arc::new([]),
        enabled: Enabled::default(),
        kustomize_options: "".into(),
        remotes: None,
        cache: CacheUse::Use,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_commit_renders_one_of_many_applications() {
    let origin = Origin::new();
    let manifest = |app: usize, number: usize, value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-{app}-{number}\n  labels:\n    app: app-{app}\ndata:\n  key: \"{value}\"\n  other: some text that is a little longer\n"
        )
    };
    for app in 0..APPS {
        for number in 0..10 {
            origin.write(
                &format!("apps/app-{app}/cm-{number}.yaml"),
                &manifest(app, number, "one"),
            );
        }
    }
    origin.commit(&[]);
    let service = Service::new();
    let repository = origin.repository();
    let place = tempfile::tempdir().unwrap();
    let renderer = Renderer::open(Options::new(place.path()), Metrics::default()).unwrap();
    let mut results = Vec::new();
    for (round, expected) in [("first", APPS), ("unchanged", 0), ("one changed", 1)] {
        if round == "one changed" {
            origin.commit(&[("apps/app-7/cm-3.yaml", &manifest(7, 3, "two"))]);
        }
        let commit = service.resolve(&repository, "main").await.unwrap();
        let started = Instant::now();
        let tree = service.git.tree(&repository, commit).await.unwrap();
        results.clear();
        for app in 0..APPS {
            let request = request(&repository, &tree, &commit.to_revision(), app);
            results.push(renderer.render(request).await.unwrap());
        }
        println!(
            "{APPS} apps, {round}: {:?}, {} KiB held",
            started.elapsed(),
            renderer.memory_bytes() >> 10
        );
        let anew = results.iter().filter(|result| !result.cached).count();
        assert_eq!(anew, expected, "{round}");
    }
    assert_eq!(
        results
            .iter()
            .map(|result| result.objects().unwrap().len())
            .sum::<usize>(),
        APPS * 10
    );
    assert!(renderer.memory_bytes() < 15 << 20);
}
