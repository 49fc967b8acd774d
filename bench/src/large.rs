//! One application of many objects: its first sync, and the passes of the controller when one of them changes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::TryStreamExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::process::{Cluster, Driftless};
use crate::report::{Report, median};
use crate::repository::Repository;
use crate::scale::{
    application, applications, changes, config_maps, create_namespace, synced_revision,
};

const ROUNDS: usize = 9;
const LIMIT: Duration = Duration::from_secs(600);

/// What the process says of its passes.
#[derive(Clone, Copy, Debug)]
struct Passes {
    seconds: f64,
    count: f64,
    compared: f64,
}

async fn passes(driftless: &Driftless) -> Result<Passes> {
    let text = driftless.metrics().await?;
    let sum = |name: &str| -> f64 {
        text.lines()
            .filter(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    };
    Ok(Passes {
        seconds: sum("argocd_app_reconcile_sum"),
        count: sum("argocd_app_reconcile_count"),
        compared: sum("driftless_object_comparisons_total"),
    })
}

/// Measures with `count` ConfigMaps.
pub(crate) async fn measure(
    cluster: &Cluster,
    driftless: &Driftless,
    folder: &Path,
    count: usize,
    report: &mut Report,
) -> Result<()> {
    let namespace = "bench-large";
    create_namespace(&cluster.client, namespace).await?;
    let repository = Repository::create(folder.join("large.git")).await?;
    repository.write_config_maps("large", count, "0")?;
    let revision = repository.commit("First").await?;
    let apps = applications(&cluster.client);
    let began = Instant::now();
    let app = application("large", &repository.url(), "large", namespace)?;
    apps.create(&PostParams::default(), &app)
        .await
        .context("creating the application")?;
    let synced = async {
        let mut objects = changes(&apps).await?;
        while let Some(app) = objects.try_next().await? {
            if app.metadata.name.as_deref() == Some("large")
                && synced_revision(&app) == Some(&revision)
            {
                return anyhow::Ok(());
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(LIMIT, synced)
        .await
        .context("the application was not synced in time")??;
    let elapsed = began.elapsed().as_secs_f64();
    report.add(
        "large_first_sync_seconds",
        elapsed,
        &format!("s, {count} objects"),
    );
    // The end of the sync brings passes of its own.
    tokio::time::sleep(Duration::from_secs(15)).await;

    let maps = config_maps(&cluster.client, namespace);
    let (mut one, mut compared) = (Vec::new(), 0.0);
    for round in 0..ROUNDS {
        let before = passes(driftless).await?;
        // Not a field of ours: the object is compared again, and nothing is to be done.
        let patch = json!({"metadata": {"labels": {"round": round.to_string()}}});
        maps.patch("large-0", &PatchParams::default(), &Patch::Merge(patch))
            .await
            .context("changing one object")?;
        let limit = Instant::now() + Duration::from_secs(30);
        while passes(driftless).await?.compared <= before.compared {
            if Instant::now() > limit {
                bail!("the changed object was not compared again");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let after = passes(driftless).await?;
        one.push((after.seconds - before.seconds) / (after.count - before.count).max(1.0));
        compared += after.compared - before.compared;
    }
    report.add(
        "large_pass_one_changed_seconds",
        median(&mut one),
        "s, a whole pass after one object changed",
    );
    report.add(
        "large_comparisons_per_change",
        compared / ROUNDS as f64,
        "objects compared per changed object",
    );
    report.add("large_peak_mib", driftless.peak_mib()?, "MiB");
    Ok(())
}
