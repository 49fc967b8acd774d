//! Many rollouts on their way at once: how long until all have taken their first step, memory and processor time since.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use crate::process::{Cluster, Driftless};
use crate::report::Report;
use crate::scale::create_namespace;

const NAMESPACE: &str = "bench-rollouts";
/// Requests at once.
const CONNECTIONS: usize = 16;
const LIMIT: Duration = Duration::from_secs(1800);
/// Time between looks at the process.
const SAMPLE: Duration = Duration::from_secs(10);

fn api(cluster: &Cluster, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk(group, version, kind);
    let plural = format!("{}s", kind.to_lowercase());
    let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
    Api::namespaced_with(cluster.client.clone(), NAMESPACE, &resource)
}

fn deployment(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "model", "image": format!("registry.example/model:{image}"),
                    "resources": {"requests": {"cpu": "10m"}}}]},
            },
        },
    })
}

fn rollout(name: &str) -> Value {
    json!({
        "apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout", "metadata": {"name": name},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}, {"setWeight": 100}]}},
        },
    })
}

/// Hands a version over as a sync does.
async fn hand_over(cluster: &Cluster, name: &str, version: &str) -> Result<()> {
    let stored = format!("{name}-{version}");
    let revision = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": stored},
        "revision": 1, "data": {"object": deployment(name, version)},
    }))?;
    api(cluster, "apps", "v1", "ControllerRevision")
        .create(&PostParams::default(), &revision)
        .await
        .context("storing a version")?;
    let wanted = json!({name: {"version": version, "controllerRevision": stored}}).to_string();
    let patch = json!({"metadata": {"annotations": {"driftless.dev/wanted": wanted}}});
    api(cluster, "driftless.dev", "v1alpha1", "ModelRollout")
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .context("naming a version")?;
    Ok(())
}

async fn for_each<F: Future<Output = Result<()>>>(
    count: usize,
    work: impl Fn(String) -> F,
) -> Result<()> {
    stream::iter(0..count)
        .map(|index| work(format!("model-{index}")))
        .buffer_unordered(CONNECTIONS)
        .try_collect()
        .await
}

/// Waits until so many rollouts say so of their target.
async fn until(cluster: &Cluster, count: usize, field: &str, wanted: &str) -> Result<f64> {
    let began = Instant::now();
    let rollouts = api(cluster, "driftless.dev", "v1alpha1", "ModelRollout");
    let pointer = format!("/status/targets/0/{field}");
    loop {
        let all = rollouts.list(&ListParams::default()).await?;
        let there = all
            .items
            .iter()
            .filter(|one| one.data.pointer(&pointer).and_then(Value::as_str) == Some(wanted))
            .count();
        if there == count {
            return Ok(began.elapsed().as_secs_f64());
        }
        if began.elapsed() > LIMIT {
            bail!("{there} of {count} rollouts say {wanted} after {LIMIT:?}");
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Measures with `count` rollouts of a Deployment each, watched for so many seconds.
pub(crate) async fn measure(
    cluster: &Cluster,
    driftless: &Driftless,
    (count, seconds): (usize, u64),
    report: &mut Report,
) -> Result<()> {
    create_namespace(&cluster.client, NAMESPACE).await?;
    let (deployments, rollouts) = (
        api(cluster, "apps", "v1", "Deployment"),
        api(cluster, "driftless.dev", "v1alpha1", "ModelRollout"),
    );
    for_each(count, async |name: String| {
        let object = serde_json::from_value(deployment(&name, "one"))?;
        deployments.create(&PostParams::default(), &object).await?;
        let object = serde_json::from_value(rollout(&name))?;
        rollouts.create(&PostParams::default(), &object).await?;
        hand_over(cluster, &name, "one").await
    })
    .await?;
    until(cluster, count, "stableVersion", "one").await?;
    report.add("rollouts_at_rest_mib", driftless.now_mib()?, "MiB");

    let began = Instant::now();
    for_each(count, async |name: String| {
        hand_over(cluster, &name, "two").await
    })
    .await?;
    until(cluster, count, "waitingFor", "WaitingForApproval").await?;
    report.add(
        "rollouts_first_step_seconds",
        began.elapsed().as_secs_f64(),
        &format!("s, {count} rollouts, new pods included"),
    );
    report.add("rollouts_on_their_way_mib", driftless.now_mib()?, "MiB");
    let (began, cpu) = (Instant::now(), driftless.cpu()?);
    let mut most: f64 = 0.0;
    while began.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(SAMPLE).await;
        most = most.max(driftless.now_mib()?);
    }
    let used = driftless.cpu()?.saturating_sub(cpu).as_secs_f64();
    let used = used / began.elapsed().as_secs_f64();
    report.add("rollouts_after_a_while_mib", driftless.now_mib()?, "MiB");
    report.add("rollouts_most_meanwhile_mib", most, "MiB");
    report.add(
        "rollouts_cpu_percent",
        used * 100.0,
        &format!("% of one core, over {seconds} s"),
    );
    report.add("rollouts_peak_mib", driftless.peak_mib()?, "MiB");
    Ok(())
}
