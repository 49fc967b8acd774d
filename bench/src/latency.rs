//! From a commit and a requested refresh to the change in the cluster and to `Synced` in the status.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::process::Cluster;
use crate::report::{Report, median};
use crate::repository::Repository;
use crate::scale::{
    application, applications, changes, config_maps, create_namespace, synced_revision,
};

/// Longest wait for one change.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) async fn measure(
    cluster: &Cluster,
    folder: &Path,
    commits: usize,
    report: &mut Report,
) -> Result<()> {
    let namespace = "bench-latency";
    create_namespace(&cluster.client, namespace).await?;
    let repository = Repository::create(folder.join("latency.git")).await?;
    repository.write_config_maps("latency", 3, "0")?;
    let first = repository.commit("First").await?;
    let apps = applications(&cluster.client);
    let maps = config_maps(&cluster.client, namespace);
    let app = application("latency", &repository.url(), "latency", namespace)?;
    apps.create(&PostParams::default(), &app)
        .await
        .context("creating the application")?;
    until(&apps, |app| synced_revision(app) == Some(first.as_str())).await?;

    let mut applied = Vec::new();
    let mut synced = Vec::new();
    for run in 1..=commits {
        repository.write_config_maps("latency", 3, &run.to_string())?;
        let commit = repository.commit(&format!("Run {run}")).await?;
        let value = run.to_string();
        let maps_changed = until(&maps, |map| {
            map.metadata.name.as_deref() == Some("latency-2")
                && map.data["data"]["value"] == value.as_str()
        });
        let status_changed = until(&apps, |app| synced_revision(app) == Some(commit.as_str()));
        let refresh = async {
            // Both watches are established before the clock starts.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let began = Instant::now();
            let patch =
                json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
            apps.patch("latency", &PatchParams::default(), &Patch::Merge(patch))
                .await?;
            anyhow::Ok(began)
        };
        let (began, at_applied, at_synced) =
            tokio::try_join!(refresh, maps_changed, status_changed)?;
        applied.push((at_applied - began).as_secs_f64());
        synced.push((at_synced - began).as_secs_f64());
    }
    report.add(
        "commit_to_applied_seconds",
        median(&mut applied),
        "s, 3 ConfigMaps, refresh requested",
    );
    report.add("commit_to_synced_seconds", median(&mut synced), "s");
    Ok(())
}

async fn until(
    api: &Api<DynamicObject>,
    holds: impl Fn(&DynamicObject) -> bool,
) -> Result<Instant> {
    let wait = async {
        let mut objects = changes(api).await?;
        while let Some(object) = objects.try_next().await? {
            if holds(&object) {
                return Ok(Instant::now());
            }
        }
        anyhow::bail!("the watch ended")
    };
    tokio::time::timeout(LIMIT, wait)
        .await
        .context("no change in time")?
}
