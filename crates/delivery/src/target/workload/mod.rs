//! Deployments and StatefulSets. The new version runs in a workload of its own beside the target, `NAME-canary`, with
//! exactly the wanted pod template; who owns which pods is told apart by their controller, and who gets which traffic by
//! the hash that Kubernetes puts on the pods of each version.

mod promote;
mod route;

use async_trait::async_trait;
use driftless_api::rollout::Problem;
use driftless_core::GroupVersionKind;
use driftless_kube::write::Propagation;
use driftless_rollout::machine::Track;
use driftless_rollout::plan::Traffic;
use serde_json::{Value, json};

use self::route::Routing;
use super::json::{
    annotation, covers, digest, is_complete, is_going, is_observed, labels, number, selector, text,
};
use super::{Ctx, Error, PodShape, Pods, Promoted, Result, Seen, Stable, Target, VERSION};

/// Annotation of a target while it becomes a version: its name.
const PROMOTING: &str = "driftless.dev/promoting";
/// Annotation of a target whose number of pods a rollout has lowered: the full number.
const REPLICAS: &str = "driftless.dev/replicas";

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Workload {
    /// Its pods change hands when a version is promoted.
    Deployment,
    /// Its pods have names and cannot change hands: they restart, one by one, while the canary serves.
    StatefulSet,
}

/// What is there.
struct Look {
    target: Option<Value>,
    canary: Option<Value>,
}

/// Pods of a Deployment, by version.
#[derive(Default)]
struct Sets {
    /// The ReplicaSet with the target's own template.
    current: Option<Value>,
    /// Whether the target owns it.
    is_adopted: bool,
    /// Others that the target owns.
    old: Vec<Value>,
}

impl Workload {
    fn gvk(self) -> GroupVersionKind {
        GroupVersionKind::new(
            "apps",
            "v1",
            match self {
                Self::Deployment => "Deployment",
                Self::StatefulSet => "StatefulSet",
            },
        )
    }

    /// Label by which pods of two versions are told apart.
    fn pin(self) -> &'static str {
        match self {
            Self::Deployment => "pod-template-hash",
            Self::StatefulSet => "controller-revision-hash",
        }
    }

    async fn look(self, cx: &Ctx) -> Result<Look> {
        let gvk = self.gvk();
        let name = canary_name(cx);
        let (target, canary) =
            futures::future::try_join(cx.read(&gvk, &cx.name), cx.read(&gvk, &name)).await?;
        if canary.as_ref().is_some_and(|canary| !cx.is_mine(canary)) {
            return Err(Error::Refused(format!(
                "{} {name} belongs to somebody else, and the new version would run under this name: rename it",
                gvk.kind
            )));
        }
        // A target that is being deleted is gone.
        let target = target.filter(|target| !is_going(target));
        Ok(Look { target, canary })
    }

    /// Returns the hash on the pods of a workload's own template.
    async fn hash(self, cx: &Ctx, workload: &Value) -> Result<String> {
        let name = text(workload, "/metadata/name").unwrap_or_default();
        let missing = || Error::Refused(format!("the pods of {name} have no hash yet"));
        match self {
            Self::StatefulSet => text(workload, "/status/updateRevision")
                .map(str::to_owned)
                .ok_or_else(missing),
            Self::Deployment => {
                let uid = text(workload, "/metadata/uid").unwrap_or_default();
                let sets = replica_sets(cx, workload).await?;
                let found = sets
                    .iter()
                    .find(|set| owner(set) == Some(uid) && has_template(set, workload));
                found
                    .and_then(|set| set.pointer("/metadata/labels")?.get(self.pin())?.as_str())
                    .map(str::to_owned)
                    .ok_or_else(missing)
            }
        }
    }

    /// Returns a target's ReplicaSets.
    async fn sets(self, cx: &Ctx, target: &Value) -> Result<Sets> {
        let uid = text(target, "/metadata/uid").unwrap_or_default();
        let mut sets = Sets::default();
        for set in replica_sets(cx, target).await? {
            let is_adopted = owner(&set) == Some(uid);
            if has_template(&set, target) {
                if sets.current.is_none() || is_adopted {
                    sets.is_adopted = is_adopted;
                    sets.current = Some(set);
                }
            } else if is_adopted {
                sets.old.push(set);
            }
        }
        Ok(sets)
    }

    /// Returns how far a promotion is: pods of both versions, and whether the old ones are gone.
    async fn midway(self, cx: &Ctx, target: &Value, canary: Option<&Value>) -> Result<Midway> {
        if self == Self::StatefulSet {
            let (old, new) = (
                number(target, "/status/readyReplicas").unwrap_or(0),
                canary.and_then(|canary| number(canary, "/status/readyReplicas")),
            );
            return Ok(Midway {
                old_ready: old,
                new_replicas: canary.and_then(|canary| number(canary, "/spec/replicas")),
                new_ready: new,
                is_over: is_complete(target),
            });
        }
        let sets = self.sets(cx, target).await?;
        let ready = |set: &Value| number(set, "/status/readyReplicas").unwrap_or(0);
        let left: u32 = sets
            .old
            .iter()
            .map(|set| number(set, "/status/replicas").unwrap_or(0))
            .sum();
        let is_paused = target.pointer("/spec/paused") == Some(&Value::Bool(true));
        Ok(Midway {
            old_ready: sets.old.iter().map(ready).sum(),
            new_replicas: sets
                .current
                .as_ref()
                .and_then(|set| number(set, "/spec/replicas")),
            new_ready: sets.current.as_ref().map(ready),
            is_over: !is_paused && canary.is_none() && sets.is_adopted && left == 0,
        })
    }
}

/// How far a promotion is.
struct Midway {
    old_ready: u32,
    new_replicas: Option<u32>,
    new_ready: Option<u32>,
    /// Only the new version is there.
    is_over: bool,
}

/// Says whether the target's pods are as the wanted object asks. What an apply would take away counts, too, so that the
/// API server is asked unless the answer is no anyway.
async fn is_wanted(cx: &Ctx, target: &Value) -> Result<bool> {
    let Some(wanted) = &cx.wanted else {
        return Ok(false);
    };
    let template = |object: &Value| {
        object
            .pointer("/spec/template")
            .cloned()
            .unwrap_or_default()
    };
    let live = template(target);
    if !covers(&live, &template(&wanted.object)) {
        return Ok(false);
    }
    let applied = cx.dry_apply(&wanted.object).await?;
    Ok(template(&applied) == live)
}

fn canary_name(cx: &Ctx) -> String {
    format!("{}-canary", cx.name)
}

async fn replica_sets(cx: &Ctx, workload: &Value) -> Result<Vec<Value>> {
    let selector = workload.pointer("/spec/selector").and_then(selector);
    let selector = selector
        .ok_or_else(|| Error::Refused(format!("the selector of {} cannot be read", cx.name)))?;
    cx.list(
        &GroupVersionKind::new("apps", "v1", "ReplicaSet"),
        &selector,
    )
    .await
}

fn owner(object: &Value) -> Option<&str> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = owners
        .iter()
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    controller.get("uid")?.as_str()
}

/// Says whether a ReplicaSet has a Deployment's template, apart from the hash.
fn has_template(set: &Value, workload: &Value) -> bool {
    let bare = |object: &Value| {
        let mut template = object
            .pointer("/spec/template")
            .cloned()
            .unwrap_or_default();
        if let Some(Value::Object(labels)) = template.pointer_mut("/metadata/labels") {
            labels.remove(Workload::Deployment.pin());
        }
        template
    };
    bare(set) == bare(workload)
}

/// Returns the full number of pods of one version.
fn full(cx: &Ctx, target: Option<&Value>) -> u32 {
    let wanted = cx.wanted.as_ref();
    let wanted = wanted.and_then(|wanted| number(&wanted.object, "/spec/replicas"));
    let lowered = || annotation(target?, REPLICAS)?.parse().ok();
    let live = || target.and_then(|target| number(target, "/spec/replicas"));
    wanted.or_else(lowered).or_else(live).unwrap_or(1)
}

#[async_trait]
impl Target for Workload {
    async fn observe(&self, cx: &Ctx) -> Result<Seen> {
        let look = self.look(cx).await?;
        let full = full(cx, look.target.as_ref());
        let routing = Routing::of(cx);
        let mut traffic = routing
            .traffic(self, cx, look.canary.as_ref())
            .await
            .map_err(|error| error.text());
        let mut canary = look.canary.as_ref().map(|canary| Track {
            version: annotation(canary, VERSION).unwrap_or_default().to_owned(),
            replicas: number(canary, "/spec/replicas").unwrap_or(1),
            ready: number(canary, "/status/readyReplicas").unwrap_or(0),
        });
        let mut finishing = None;
        let mut stable = None;
        if let Some(target) = &look.target {
            let template = |object: &Value| object.pointer("/spec/template").cloned();
            let promoting = annotation(target, PROMOTING);
            let is_wanted = promoting.is_none() && is_wanted(cx, target).await?;
            let mut replicas = number(target, "/spec/replicas").unwrap_or(1);
            let mut ready = number(target, "/status/readyReplicas").unwrap_or(0);
            if let Some(version) = promoting {
                let midway = self.midway(cx, target, look.canary.as_ref()).await?;
                // While it is promoted the new version is still the one beside, wherever its pods are.
                canary = Some(Track {
                    version: version.to_owned(),
                    replicas: midway.new_replicas.unwrap_or(0),
                    ready: midway.new_ready.unwrap_or(0),
                });
                replicas = replicas.max(full);
                ready = midway.old_ready;
                if midway.is_over {
                    finishing = Some(version.to_owned());
                }
                // The Service finds the new pods wherever they belong.
                if midway.is_over || routing.is_by_replicas() {
                    traffic = Ok(Traffic {
                        canary: 100,
                        ..Traffic::default()
                    });
                }
            }
            stable = Some(Stable {
                replicas,
                ready,
                digest: digest(&template(target).unwrap_or_default()),
                is_wanted,
            });
        }
        Ok(Seen {
            replicas: full,
            stable,
            canary,
            traffic,
            labels: look.target.as_ref().map(labels).unwrap_or_default(),
            pods: pods(cx, look.target.as_ref()),
            finishing,
        })
    }

    async fn scale_canary(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        let look = self.look(cx).await?;
        let wanted = cx.wanted()?;
        let name = canary_name(cx);
        if let Some(canary) = look.canary {
            if annotation(&canary, VERSION) != Some(&wanted.version) {
                return Err(Error::Refused(format!("{name} is an earlier version")));
            }
            if number(&canary, "/spec/replicas") != Some(replicas) {
                let patch = json!({"spec": {"replicas": replicas}});
                cx.patch(&self.gvk(), &name, &patch).await?;
            }
            return Ok(());
        }
        // The Service of the stable version must not find the new pods.
        if let Some(target) = &look.target {
            Routing::of(cx).shield(self, cx, target).await?;
        }
        let mut spec = wanted.object.get("spec").cloned().unwrap_or_default();
        if let Value::Object(spec) = &mut spec {
            spec.insert("replicas".to_owned(), replicas.into());
            spec.remove("paused");
        }
        let canary = json!({
            "apiVersion": "apps/v1",
            "kind": self.gvk().kind.as_ref(),
            "metadata": cx.made(&name, &wanted.version),
            "spec": spec,
        });
        cx.apply(&canary).await
    }

    async fn scale_stable(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        let Some(target) = self.look(cx).await?.target else {
            return Ok(());
        };
        let full = full(cx, Some(&target));
        let note = if replicas < full {
            Value::from(full.to_string())
        } else {
            Value::Null
        };
        let patch = json!({
            "metadata": {"annotations": {REPLICAS: note}},
            "spec": {"replicas": replicas},
        });
        cx.patch(&self.gvk(), &cx.name, &patch).await.map(drop)
    }

    async fn set_traffic(&self, cx: &Ctx, traffic: &Traffic) -> Result<()> {
        let look = self.look(cx).await?;
        Routing::of(cx)
            .set(
                self,
                cx,
                look.target.as_ref(),
                look.canary.as_ref(),
                traffic,
            )
            .await
    }

    async fn promote(&self, cx: &Ctx) -> Result<Promoted> {
        let look = self.look(cx).await?;
        match self {
            Self::Deployment => promote::deployment(cx, look).await,
            Self::StatefulSet => promote::stateful_set(cx, look).await,
        }
    }

    async fn remove_canary(&self, cx: &Ctx) -> Result<()> {
        let look = self.look(cx).await?;
        if let Some(target) = &look.target
            && annotation(target, PROMOTING).is_some()
        {
            promote::undo(self, cx, target).await?;
        }
        let routing = Routing::of(cx);
        if look.target.is_none() {
            // There is nobody to give it to; what is left of the route must not name what goes.
            routing.write(cx, &Traffic::default()).await?;
        }
        let Some(canary) = look.canary else {
            return routing.clean(self, cx).await;
        };
        let name = canary_name(cx);
        if number(&canary, "/spec/replicas") != Some(0) {
            let patch = json!({"spec": {"replicas": 0}});
            cx.patch(&self.gvk(), &name, &patch).await?;
            return Ok(());
        }
        if !is_observed(&canary) || number(&canary, "/status/replicas").unwrap_or(0) > 0 {
            return Ok(());
        }
        // Without pods of its own it takes no part in any Service: now the Services are as Git says again.
        routing.clean(self, cx).await?;
        cx.delete(&self.gvk(), &name, Some(&canary), Propagation::Background)
            .await
    }

    async fn endpoint(&self, cx: &Ctx) -> Result<(String, u16)> {
        let look = self.look(cx).await?;
        let canary = look
            .canary
            .ok_or_else(|| Error::Refused("the new version is not there yet".to_owned()))?;
        Routing::of(cx).endpoint(self, cx, &canary).await
    }

    fn related(&self, cx: &Ctx) -> Vec<(GroupVersionKind, String)> {
        let mut related = vec![(self.gvk(), cx.name.clone()), (self.gvk(), canary_name(cx))];
        related.extend(Routing::of(cx).object());
        related
    }

    fn problems(&self, cx: &Ctx) -> Vec<Problem> {
        Routing::of(cx).problems(cx)
    }
}

fn pods(cx: &Ctx, target: Option<&Value>) -> Pods {
    let wanted = cx.wanted.as_ref();
    let spec = wanted.and_then(|wanted| wanted.object.pointer("/spec/template/spec").cloned());
    Pods {
        gang: spec
            .map(|spec| PodShape { spec, count: 1 })
            .into_iter()
            .collect(),
        together: None,
        old: target.and_then(|target| target.pointer("/spec/selector").and_then(selector)),
    }
}
