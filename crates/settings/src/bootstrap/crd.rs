//! Installing the CRDs (`--apply-crds`).

use std::sync::Arc;
use std::time::Duration;

use driftless_core::{GroupKind, GroupVersionKind};
use driftless_kube::write::ApplyMode;
use driftless_kube::{ApplyOptions, Cluster, Resolved, WriteCtx};
use driftless_manifest::Object;

use super::{Error, object, read};

const READY_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// What became of one CRD.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrdOutcome {
    /// It was not there.
    Created,
    /// It was ours and is now as this version wants it.
    Updated,
    /// It is somebody else's and stays as it is.
    Kept,
}

/// Installs the CRDs and waits until they can be used. One that somebody else installed is kept:
/// the incumbent's own CRDs work too.
pub async fn apply_crds(
    cluster: &Arc<Cluster>,
    ctx: &WriteCtx,
) -> Result<Vec<(String, CrdOutcome)>, Error> {
    let gvk = GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let mut outcomes = Vec::new();
    let mut kinds = Vec::new();
    for crd in crds() {
        let crd = object(crd)?;
        kinds.extend(defines(&crd));
        let name = crd.name().to_owned();
        let outcome = match read(cluster, &gvk, "", &name).await? {
            None => install(cluster, ctx, &crd).await?,
            Some(found) if is_ours(&found) => {
                apply(cluster, ctx, &crd, ApplyMode::ServerSide).await?;
                CrdOutcome::Updated
            }
            Some(_) => CrdOutcome::Kept,
        };
        outcomes.push((name, outcome));
    }
    for (name, _) in &outcomes {
        wait(cluster, &gvk, name).await?;
    }
    wait_served(cluster, &kinds).await?;
    Ok(outcomes)
}

/// Returns all CRDs that an installation needs.
fn crds() -> Vec<serde_json::Value> {
    let mut crds = driftless_api::crds();
    crds.extend(driftless_api::analysis_crds());
    crds
}

/// Returns the kind that a CRD defines.
fn defines(crd: &Object) -> Option<GroupKind> {
    let group = crd.str_at(&["spec", "group"])?;
    Some(GroupKind::new(
        group,
        crd.str_at(&["spec", "names", "kind"])?,
    ))
}

/// Waits until discovery names the kinds: on a busy API server that is a while after they are established.
async fn wait_served(cluster: &Arc<Cluster>, kinds: &[GroupKind]) -> Result<(), Error> {
    let deadline = tokio::time::Instant::now() + READY_WITHIN;
    loop {
        let discovery = cluster
            .refresh_discovery()
            .await
            .map_err(|source| Error::Cluster {
                what: "reading the kinds of the cluster".to_owned(),
                source,
            })?;
        let missing = |kind: &&GroupKind| !matches!(discovery.preferred(kind), Resolved::Known(_));
        let Some(kind) = kinds.iter().find(missing) else {
            return Ok(());
        };
        if tokio::time::Instant::now() >= deadline {
            return Err(Error::CrdNotReady {
                name: kind.to_string(),
                message: "not named by discovery yet".to_owned(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn is_ours(crd: &Object) -> bool {
    crd.label("app.kubernetes.io/managed-by") == Some("driftless")
}

async fn install(
    cluster: &Arc<Cluster>,
    ctx: &WriteCtx,
    crd: &Object,
) -> Result<CrdOutcome, Error> {
    match apply(cluster, ctx, crd, ApplyMode::Create).await {
        Ok(()) => Ok(CrdOutcome::Created),
        // Another instance was first.
        Err(Error::Cluster {
            source: driftless_kube::Error::AlreadyExists { .. },
            ..
        }) => Ok(CrdOutcome::Kept),
        Err(error) => Err(error),
    }
}

async fn apply(
    cluster: &Arc<Cluster>,
    ctx: &WriteCtx,
    crd: &Object,
    mode: ApplyMode,
) -> Result<(), Error> {
    let options = ApplyOptions {
        mode,
        ..ApplyOptions::default()
    };
    cluster
        .writer()
        .apply(ctx, crd, &options)
        .await
        .map(|_| ())
        .map_err(|source| Error::Cluster {
            what: format!("installing CustomResourceDefinition {}", crd.name()),
            source,
        })
}

async fn wait(cluster: &Arc<Cluster>, gvk: &GroupVersionKind, name: &str) -> Result<(), Error> {
    let mut message = "no conditions yet".to_owned();
    let polled = tokio::time::timeout(READY_WITHIN, async {
        loop {
            if let Some(crd) = read(cluster, gvk, "", name).await? {
                match established(&crd) {
                    Ok(()) => return Ok(()),
                    Err(why) => message = why,
                }
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    polled.unwrap_or_else(|_| {
        Err(Error::CrdNotReady {
            name: name.to_owned(),
            message,
        })
    })
}

fn established(crd: &Object) -> Result<(), String> {
    let conditions = crd
        .at(&["status", "conditions"])
        .and_then(|conditions| conditions.as_array())
        .map(Vec::as_slice)
        .unwrap_or_default();
    let is = |kind: &str, status: &str| {
        conditions.iter().find(|condition| {
            condition.get("type").is_some_and(|value| value == kind)
                && condition.get("status").is_some_and(|value| value == status)
        })
    };
    if is("Established", "True").is_some() {
        return Ok(());
    }
    let refused = is("NamesAccepted", "False").and_then(|condition| condition.get("message"));
    Err(refused
        .and_then(|message| message.as_str())
        .unwrap_or("not established yet")
        .to_owned())
}
