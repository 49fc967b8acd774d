//! Many applications from one repository: first sync, one commit among them, memory, idle cost, and the raw floor.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use kube::api::{
    Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent,
    WatchParams,
};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use crate::process::{Cluster, Driftless};
use crate::report::Report;
use crate::repository::Repository;

/// Requests at once of the raw loop and of the creation of applications.
const CONNECTIONS: usize = 8;
const LIMIT: Duration = Duration::from_secs(900);

#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) apps: usize,
    pub(crate) objects: usize,
}

impl Size {
    fn total(self) -> usize {
        self.apps * self.objects
    }
}

pub(crate) fn applications(client: &kube::Client) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
    Api::namespaced_with(
        client.clone(),
        "argocd",
        &ApiResource::from_gvk_with_plural(&gvk, "applications"),
    )
}

pub(crate) fn config_maps(client: &kube::Client, namespace: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("", "v1", "ConfigMap");
    Api::namespaced_with(
        client.clone(),
        namespace,
        &ApiResource::from_gvk_with_plural(&gvk, "configmaps"),
    )
}

pub(crate) async fn create_namespace(client: &kube::Client, name: &str) -> Result<()> {
    let gvk = GroupVersionKind::gvk("", "v1", "Namespace");
    let api = Api::all_with(
        client.clone(),
        &ApiResource::from_gvk_with_plural(&gvk, "namespaces"),
    );
    let namespace: DynamicObject = serde_json::from_value(
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
    )?;
    api.create(&PostParams::default(), &namespace)
        .await
        .context("creating a namespace")?;
    Ok(())
}

pub(crate) fn application(
    name: &str,
    repository: &str,
    path: &str,
    namespace: &str,
) -> Result<DynamicObject> {
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": repository, "path": path, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
        },
    });
    serde_json::from_value(object).context("building an application")
}

/// Returns the revision an application is Synced at.
pub(crate) fn synced_revision(app: &DynamicObject) -> Option<&str> {
    let sync = app.data.get("status")?.get("sync")?;
    (sync.get("status")?.as_str()? == "Synced")
        .then(|| sync.get("revision").and_then(Value::as_str))?
}

/// Applies the same objects in a bare loop.
pub(crate) async fn raw_floor(cluster: &Cluster, size: Size, report: &mut Report) -> Result<()> {
    let namespace = "bench-floor";
    create_namespace(&cluster.client, namespace).await?;
    let api = config_maps(&cluster.client, namespace);
    let parameters = PatchParams::apply("bench").force();
    let began = Instant::now();
    stream::iter(0..size.total())
        .map(|index| {
            let (api, parameters) = (&api, &parameters);
            async move {
                let name = format!("raw-{index}");
                let object = json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": name, "labels": {"app": "bench"}},
                    "data": {"value": "0", "settings": "batch = 32\ntimeout = 10s\n"},
                });
                api.patch(&name, parameters, &Patch::Apply(object))
                    .await
                    .map(drop)
            }
        })
        .buffer_unordered(CONNECTIONS)
        .try_collect::<()>()
        .await
        .context("applying in a bare loop")?;
    report.add(
        "raw_floor_seconds",
        began.elapsed().as_secs_f64(),
        "s, the same objects in a bare loop",
    );
    Ok(())
}

pub(crate) async fn measure(
    cluster: &Cluster,
    driftless: &Driftless,
    folder: &Path,
    size: Size,
    report: &mut Report,
) -> Result<()> {
    let namespace = "bench-scale";
    create_namespace(&cluster.client, namespace).await?;
    let repository = Repository::create(folder.join("scale.git")).await?;
    for app in 0..size.apps {
        repository.write_config_maps(&format!("apps/app-{app}"), size.objects, "0")?;
    }
    let first = repository.commit("First").await?;
    let apps = applications(&cluster.client);
    let url = repository.url();

    let began = Instant::now();
    let create = stream::iter(0..size.apps)
        .map(|index| {
            let (apps, url) = (&apps, &url);
            async move {
                let name = format!("app-{index}");
                let app = application(&name, url, &format!("apps/{name}"), namespace)?;
                apps.create(&PostParams::default(), &app)
                    .await
                    .context("creating an application")
            }
        })
        .buffer_unordered(CONNECTIONS)
        .try_for_each(|_| async { Ok(()) });
    tokio::try_join!(create, all_synced(&apps, size.apps, &first))?;
    let elapsed = began.elapsed().as_secs_f64();
    report.add(
        "first_sync_seconds",
        elapsed,
        &format!("s, {} apps × {} objects", size.apps, size.objects),
    );
    if let Some(floor) = report.value("raw_floor_seconds") {
        report.add("first_sync_over_floor", elapsed / floor, "× the raw floor");
    }
    report.add("first_sync_peak_mib", driftless.peak_mib()?, "MiB");

    repository.write_config_maps("apps/app-0", size.objects, "1")?;
    let second = repository.commit("Change one").await?;
    let cpu = driftless.cpu()?;
    let began = Instant::now();
    let refresh = async {
        let patch = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
        apps.patch("app-0", &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        anyhow::Ok(())
    };
    tokio::try_join!(refresh, all_synced(&apps, size.apps, &second))?;
    report.add(
        "one_commit_seconds",
        began.elapsed().as_secs_f64(),
        "s, until all are at the new revision",
    );
    report.add(
        "one_commit_cpu_seconds",
        driftless.cpu()?.saturating_sub(cpu).as_secs_f64(),
        "s",
    );
    report.add("peak_mib", driftless.peak_mib()?, "MiB");
    Ok(())
}

pub(crate) async fn idle(driftless: &Driftless, seconds: u64, report: &mut Report) -> Result<()> {
    // Late events of the last measurement are not idleness.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let before = driftless.cpu()?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let used = driftless.cpu()?.saturating_sub(before).as_secs_f64();
    report.add(
        "idle_percent_of_one_core",
        used / seconds as f64 * 100.0,
        "%",
    );
    Ok(())
}

async fn all_synced(apps: &Api<DynamicObject>, count: usize, revision: &str) -> Result<()> {
    let mut done = HashSet::new();
    let wait = async {
        let mut objects = changes(apps).await?;
        while done.len() < count {
            let Some(app) = objects.try_next().await? else {
                anyhow::bail!("the watch ended")
            };
            if synced_revision(&app) == Some(revision) {
                done.insert(app.metadata.name.unwrap_or_default());
            }
        }
        Ok(())
    };
    tokio::time::timeout(LIMIT, wait)
        .await
        .context("not all applications were synced in time")?
}

/// Returns the objects that exist, then every change. A watch that ends (the API server ends all watches of a kind
/// whose CRD is new) is begun again.
pub(crate) async fn changes(
    api: &Api<DynamicObject>,
) -> Result<impl Stream<Item = Result<DynamicObject>> + Send> {
    let first = listed_then_watched(api.clone()).await?;
    let later = stream::repeat(api.clone())
        .then(listed_then_watched)
        .try_flatten();
    Ok(first.chain(later).boxed())
}

async fn listed_then_watched(
    api: Api<DynamicObject>,
) -> Result<impl Stream<Item = Result<DynamicObject>> + Send> {
    let list = api.list(&ListParams::default()).await.context("listing")?;
    let version = list.metadata.resource_version.unwrap_or_default();
    let events = api
        .watch(&WatchParams::default().timeout(290), &version)
        .await
        .context("watching")?;
    let later = events.try_filter_map(|event| async {
        Ok(match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => Some(object),
            _ => None,
        })
    });
    Ok(stream::iter(list.items)
        .map(Ok)
        .chain(later.map_err(anyhow::Error::from))
        .boxed())
}
