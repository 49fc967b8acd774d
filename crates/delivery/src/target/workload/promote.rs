//! A version becomes the stable one.
//!
//! A Deployment takes its canary's pods over: it is paused with the new template, the canary is deleted without its
//! ReplicaSet, which the target then adopts, since its selector matches and its template is the target's own; when the
//! target goes on, the old pods go and none of the new ones restarts. A StatefulSet's pods bear its name: they are
//! replaced one by one while the canary has all traffic.

use driftless_core::GroupVersionKind;
use driftless_kube::write::Propagation;
use driftless_manifest::merge_patch;
use serde_json::{Value, json};

use super::route::Routing;
use super::{Look, PROMOTING, REPLICAS, Workload, canary_name, full};
use crate::target::json::{annotation, is_complete, number, text};
use crate::target::{Ctx, Error, Promoted, Result, VERSION};

fn not_yet(text: impl Into<String>) -> Promoted {
    Promoted::NotYet(text.into())
}

fn gone() -> Error {
    Error::Refused("the target is not there".to_owned())
}

pub(super) async fn deployment(cx: &Ctx, look: Look) -> Result<Promoted> {
    let target = look.target.ok_or_else(gone)?;
    let kind = Workload::Deployment;
    let promoting = annotation(&target, PROMOTING).map(str::to_owned);
    if promoting.is_none() {
        let Some(canary) = &look.canary else {
            // There is nothing to take over: the target becomes the version as any Deployment does.
            return finish(kind, cx).await;
        };
        return begin(cx, &target, canary).await;
    }
    if let Some(canary) = &look.canary {
        cx.delete(
            &kind.gvk(),
            &canary_name(cx),
            Some(canary),
            Propagation::Orphan,
        )
        .await?;
        return Ok(not_yet("the pods change hands"));
    }
    let sets = kind.sets(cx, &target).await?;
    if sets.current.is_some() && !sets.is_adopted {
        return Ok(not_yet("the pods change hands"));
    }
    let full = full(cx, Some(&target));
    if target.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        let patch = json!({
            "metadata": {"annotations": {REPLICAS: Value::Null}},
            "spec": {"paused": Value::Null, "replicas": full},
        });
        cx.patch(&kind.gvk(), &cx.name, &patch).await?;
        return Ok(not_yet("the old pods go"));
    }
    if !is_complete(&target) {
        return Ok(not_yet("the old pods go"));
    }
    finish(kind, cx).await
}

/// Pauses the target with the canary's template.
async fn begin(cx: &Ctx, target: &Value, canary: &Value) -> Result<Promoted> {
    let kind = Workload::Deployment;
    let wanted = cx.wanted()?;
    if annotation(canary, VERSION) != Some(&wanted.version) {
        return Err(Error::Refused(format!(
            "{} is not {}",
            canary_name(cx),
            wanted.version
        )));
    }
    let replicas = number(target, "/spec/replicas").unwrap_or(1);
    let beside = number(canary, "/spec/replicas").unwrap_or(1);
    let template = |object: &Value| {
        object
            .pointer("/spec/template")
            .cloned()
            .unwrap_or_default()
    };
    let is_paused = target.pointer("/spec/paused") == Some(&Value::Bool(true));
    // A paused Deployment scales a lone ReplicaSet to its own number and several in proportion: neither may happen. So an
    // empty old one goes first, and the surge is as large as all pods that are there.
    if replicas == 0 {
        if !is_paused {
            let patch = guarded(target, json!({"spec": {"paused": true}}));
            cx.patch(&kind.gvk(), &cx.name, &patch).await?;
            return Ok(not_yet("the pods change hands"));
        }
        let sets = kind.sets(cx, target).await?;
        let gvk = GroupVersionKind::new("apps", "v1", "ReplicaSet");
        for set in sets.old.iter().chain(&sets.current) {
            let is_theirs = super::owner(set) == text(target, "/metadata/uid");
            if is_theirs && number(set, "/status/replicas").unwrap_or(0) == 0 {
                let name = text(set, "/metadata/name").unwrap_or_default();
                cx.delete(&gvk, name, Some(set), Propagation::Background)
                    .await?;
            }
        }
    }
    let mut spec = json!({
        "paused": true,
        "template": merge_patch::create(&template(target), &template(canary)),
    });
    if replicas == 0 {
        spec["replicas"] = beside.into();
    } else if text(target, "/spec/strategy/type") != Some("Recreate") {
        spec["strategy"] =
            json!({"rollingUpdate": {"maxSurge": beside.max(1), "maxUnavailable": 0}});
    }
    let patch = json!({
        "metadata": {"annotations": {PROMOTING: wanted.version}},
        "spec": spec,
    });
    cx.patch(&kind.gvk(), &cx.name, &guarded(target, patch))
        .await?;
    Ok(not_yet("the pods change hands"))
}

/// Only the new version is there: traffic is the stable version's again, and the target as Git says.
async fn finish(kind: Workload, cx: &Ctx) -> Result<Promoted> {
    Routing::of(cx).hand_back(&kind, cx).await?;
    let promoting = cx
        .read(&kind.gvk(), &cx.name)
        .await?
        .and_then(|target| annotation(&target, PROMOTING).map(str::to_owned));
    let wanted = cx.wanted.as_ref();
    // A newer version may be asked for meanwhile: then the rest of this one's object is not known any more, and of no use.
    let wanted = wanted.filter(|wanted| {
        promoting
            .as_ref()
            .is_none_or(|promoting| *promoting == wanted.version)
    });
    if let Some(wanted) = wanted {
        cx.apply(&wanted.object).await?;
    }
    // What an apply does not own stays.
    if let Some(target) = cx.read(&kind.gvk(), &cx.name).await?
        && annotation(&target, PROMOTING).is_some()
    {
        let mut patch = json!({"metadata": {"annotations": {PROMOTING: Value::Null}}});
        if kind == Workload::Deployment {
            patch["spec"] = json!({"paused": Value::Null, "strategy": Value::Null});
        }
        cx.patch(&kind.gvk(), &cx.name, &patch).await?;
    }
    Ok(Promoted::Done)
}

pub(super) async fn stateful_set(cx: &Ctx, look: Look) -> Result<Promoted> {
    let kind = Workload::StatefulSet;
    let target = look.target.ok_or_else(gone)?;
    if annotation(&target, PROMOTING).is_none() {
        let wanted = cx.wanted()?;
        if look.canary.is_none() {
            return finish(kind, cx).await;
        }
        // The note belongs to the applied object, and goes when it is applied without it.
        let mut object = (*wanted.object).clone();
        object["metadata"]["annotations"][PROMOTING] = wanted.version.as_str().into();
        cx.apply(&object).await?;
        return Ok(not_yet("the pods are replaced one by one"));
    }
    let is_new =
        text(&target, "/status/currentRevision") == text(&target, "/status/updateRevision");
    if !is_complete(&target) || !is_new {
        return Ok(not_yet("the pods are replaced one by one"));
    }
    finish(kind, cx).await
}

/// Takes a promotion back that is not over: the target gets its old template again.
pub(super) async fn undo(kind: &Workload, cx: &Ctx, target: &Value) -> Result<()> {
    let template = target
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_default();
    let mut old = match kind {
        Workload::Deployment => {
            let sets = kind.sets(cx, target).await?;
            let old = sets
                .old
                .iter()
                .max_by_key(|set| number(set, "/spec/replicas").unwrap_or(0));
            old.and_then(|set| set.pointer("/spec/template").cloned())
        }
        Workload::StatefulSet => {
            let gvk = GroupVersionKind::new("apps", "v1", "ControllerRevision");
            let name = text(target, "/status/currentRevision").unwrap_or_default();
            let revision = cx.read(&gvk, name).await?;
            revision.and_then(|revision| revision.pointer("/data/spec/template").cloned())
        }
    };
    let Some(old) = &mut old else {
        return Err(Error::Refused(format!(
            "the old template of {} is not there any more",
            cx.name
        )));
    };
    if let Value::Object(map) = old {
        map.remove("$patch");
    }
    if let Some(Value::Object(labels)) = old.pointer_mut("/metadata/labels") {
        labels.remove(Workload::Deployment.pin());
    }
    let mut spec = json!({"template": merge_patch::create(&template, old)});
    if *kind == Workload::Deployment {
        spec["paused"] = Value::Null;
    }
    let patch = json!({"metadata": {"annotations": {PROMOTING: Value::Null}}, "spec": spec});
    cx.patch(&kind.gvk(), &cx.name, &guarded(target, patch))
        .await
        .map(drop)
}

/// Lets a patch fail when the object has changed since it was read.
fn guarded(live: &Value, mut patch: Value) -> Value {
    if let Some(version) = live.pointer("/metadata/resourceVersion") {
        patch["metadata"]["resourceVersion"] = version.clone();
    }
    patch
}
