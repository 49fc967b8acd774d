//! Model of Seldon Core 2. The new version is a second Model, `NAME-canary`; an Experiment of the target's name, whose default
//! is the target, gives both their weights. The rollout makes the Experiment and takes it away.
//!
//! - **What cannot be seen**: Seldon says that an Experiment is ready, not which generation of it. A weight counts when the Experiment
//!   has it and says that it and its candidates are ready.
//! - **A Model keeps its name**: a promotion gives the target its new spec while the canary has all traffic. Seldon says that a Model is
//!   loaded, not which generation of it: it counts from the next time that the condition turned true.
//! - A mirror is the Experiment's: one, of a share of all requests, and of a Model that is no candidate at the same time.
//! - Models are loaded into servers that are there already: whether they fit is Seldon's to say.

use std::collections::BTreeSet;

use async_trait::async_trait;
use driftless_api::rollout::Problem;
use driftless_core::GroupVersionKind;
use driftless_kube::write::Propagation;
use driftless_rollout::machine::Track;
use driftless_rollout::plan::{MirrorRoute, Traffic};
use driftless_rollout::route::{Names, Router};
use serde_json::{Value, json};

use crate::target::cx::VERSION;
use crate::target::json::{annotation, digest, is_going, labels, number, text};
use crate::target::kserve::edit;
use crate::target::{
    Ctx, Error, Pods, Promoted, Result, Seen, Stable, Target, weights_only, without_canary,
};

/// Annotation of the canary: when the target's condition had turned true before its spec changed.
const LOADED: &str = "driftless.dev/loaded-before";
/// Annotation of the Experiment: the mirror that it was given.
const MIRROR: &str = "driftless.dev/mirror";

/// The Model.
#[derive(Clone, Copy, Debug)]
pub(in crate::target) struct Model;

fn experiments() -> GroupVersionKind {
    GroupVersionKind::new("mlops.seldon.io", "v1alpha1", "Experiment")
}

fn canary_name(cx: &Ctx) -> String {
    format!("{}-canary", cx.name)
}

/// Returns a spec without what a rollout may change about it.
fn bare(object: &Value) -> Value {
    let mut spec = object.pointer("/spec").cloned().unwrap_or_default();
    if let Value::Object(map) = &mut spec {
        for field in ["replicas", "minReplicas", "maxReplicas"] {
            map.remove(field);
        }
    }
    spec
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|one| text(one, "/type") == Some(kind))
}

fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|one| text(one, "/status") == Some("True"))
}

/// Returns when a Model was loaded, as long as it is.
fn loaded(model: &Value) -> Option<&str> {
    let condition = condition(model, "ModelReady").filter(|_| holds(model, "ModelReady"))?;
    Some(text(condition, "/lastTransitionTime").unwrap_or("once"))
}

/// Says whether a Model was loaded since its condition had turned true at a time from before.
fn is_loaded_anew(model: &Value, before: &str) -> bool {
    let generation = |pointer: &str| model.pointer(pointer).and_then(Value::as_i64);
    match generation("/status/observedGeneration").filter(|seen| *seen > 0) {
        Some(seen) => {
            loaded(model).is_some()
                && generation("/metadata/generation").is_none_or(|is| seen >= is)
        }
        None => loaded(model).is_some_and(|at| at != before),
    }
}

/// Returns the replicas that answer. Versions of Seldon that do not count them say whether all do.
fn ready(model: &Value) -> u32 {
    if !holds(model, "ModelReady") {
        return number(model, "/status/availableReplicas").unwrap_or(0);
    }
    number(model, "/status/availableReplicas")
        .or_else(|| number(model, "/status/replicas"))
        .unwrap_or(1)
}

fn replicas(model: &Value) -> u32 {
    number(model, "/spec/replicas")
        .or_else(|| number(model, "/spec/minReplicas"))
        .unwrap_or(1)
        .max(1)
}

/// Returns the Experiment's spec for a share of the traffic; `mirror` is null when there is none.
fn experiment_spec(cx: &Ctx, traffic: &Traffic) -> Value {
    let share = traffic.canary.min(100);
    let mut candidates = vec![json!({"name": cx.name, "weight": 100 - share})];
    // An Experiment is as ready as its candidates: one without weight has no part in it.
    if share > 0 {
        candidates.push(json!({"name": canary_name(cx), "weight": share}));
    }
    let mirror = traffic.mirrors.first();
    let mirror =
        mirror.map(|mirror| json!({"name": canary_name(cx), "percent": mirror.percentage}));
    json!({"resourceType": "model", "default": cx.name, "candidates": candidates, "mirror": mirror})
}

/// Returns what is noted of the mirror that an Experiment was given.
fn note(traffic: &Traffic) -> Value {
    let mirror = traffic.mirrors.first();
    mirror.map_or(Value::Null, |mirror| json!(mirror).to_string().into())
}

/// Returns the mirrors of an Experiment: the one that is noted if it is as noted, and otherwise one that nobody asked for.
fn mirrors(experiment: &Value, canary: &str) -> Vec<MirrorRoute> {
    let Some(live) = experiment
        .pointer("/spec/mirror")
        .filter(|live| !live.is_null())
    else {
        return Vec::new();
    };
    let noted = annotation(experiment, MIRROR).and_then(|text| serde_json::from_str(text).ok());
    let noted = noted.filter(|noted: &MirrorRoute| {
        text(live, "/name") == Some(canary) && number(live, "/percent") == Some(noted.percentage)
    });
    vec![noted.unwrap_or_else(|| MirrorRoute {
        rank: 0,
        name: "?".to_owned(),
        percentage: number(live, "/percent").unwrap_or(0),
        matches: Vec::new(),
    })]
}

/// What is there.
struct Look {
    live: Value,
    canary: Option<Value>,
    experiment: Option<Value>,
}

impl Look {
    fn version(&self) -> Option<&str> {
        annotation(self.canary.as_ref()?, VERSION)
    }

    fn traffic(&self, cx: &Ctx) -> Result<Traffic, String> {
        // Without an Experiment a name means its Model alone.
        let Some(experiment) = &self.experiment else {
            return Ok(Traffic::default());
        };
        let names = Names {
            stable: cx.name.clone(),
            canary: canary_name(cx),
        };
        let canary = Router::SeldonExperiment
            .weight(experiment, &names)
            .map_err(|error| format!("Experiment {}: {error}", cx.name))?;
        let mirrors = mirrors(experiment, &names.canary);
        let is_ready = holds(experiment, "ExperimentReady")
            && holds(experiment, "CandidatesReady")
            && (mirrors.is_empty() || holds(experiment, "MirrorReady"));
        let mut traffic = Traffic {
            canary,
            mirrors,
            ..Traffic::default()
        };
        traffic.moving = !is_ready && traffic.uses_canary();
        Ok(traffic)
    }

    fn is_replaced(&self, cx: &Ctx, applied: Option<&Value>) -> bool {
        let wanted = cx.wanted.as_ref().map(|wanted| wanted.version.as_str());
        let is_mine = self.version().is_some() && self.version() == wanted;
        is_mine && applied.is_some_and(|applied| bare(applied) == bare(&self.live))
    }
}

impl Model {
    async fn look(cx: &Ctx) -> Result<Option<Look>> {
        let Some(live) = cx.read_target().await? else {
            return Ok(None);
        };
        let canary = cx.read(&cx.gvk, &canary_name(cx)).await?;
        let experiment = cx.read(&experiments(), &cx.name).await?;
        for (other, kind) in [(&canary, "Model"), (&experiment, "Experiment")] {
            if let Some(other) = other.as_ref().filter(|other| !cx.is_mine(other)) {
                return Err(Error::Refused(format!(
                    "{kind} {} is not the rollout's: its name is needed",
                    text(other, "/metadata/name").unwrap_or_default()
                )));
            }
        }
        Ok(Some(Look {
            live,
            canary,
            experiment,
        }))
    }

    async fn look_needed(cx: &Ctx) -> Result<Look> {
        let gone = || Error::Refused(format!("Model {} is not there", cx.name));
        Self::look(cx).await?.ok_or_else(gone)
    }

    /// Writes the Experiment, which begins or changes it.
    async fn write(cx: &Ctx, look: &Look, traffic: &Traffic) -> Result<()> {
        let spec = experiment_spec(cx, traffic);
        if look.experiment.is_none() {
            let mut metadata = cx.made(&cx.name, look.version().unwrap_or_default());
            metadata["name"] = cx.name.as_str().into();
            metadata["annotations"][MIRROR] = note(traffic);
            return cx
                .apply(&json!({
                    "apiVersion": "mlops.seldon.io/v1alpha1",
                    "kind": "Experiment",
                    "metadata": metadata,
                    "spec": spec,
                }))
                .await;
        }
        edit(cx, &experiments(), &cx.name, |live| {
            let is_same = |field: &str| {
                let live = live.get("spec").and_then(|live| live.get(field));
                live.unwrap_or(&Value::Null) == spec.get(field).unwrap_or(&Value::Null)
            };
            let noted = note(traffic);
            let is_noted = annotation(live, MIRROR) == noted.as_str();
            let is_same = is_same("candidates") && is_same("mirror") && is_noted;
            Ok((!is_same)
                .then(|| json!({"metadata": {"annotations": {MIRROR: noted}}, "spec": spec})))
        })
        .await
    }

    async fn remove(cx: &Ctx, gvk: &GroupVersionKind, live: Option<&Value>) -> Result<()> {
        let Some(live) = live.filter(|live| !is_going(live)) else {
            return Ok(());
        };
        let name = text(live, "/metadata/name").unwrap_or_default();
        cx.delete(gvk, name, Some(live), Propagation::Background)
            .await
    }
}

#[async_trait]
impl Target for Model {
    async fn observe(&self, cx: &Ctx) -> Result<Seen> {
        let asked = cx.wanted.as_ref().map(|wanted| replicas(&wanted.object));
        let Some(look) = Self::look(cx).await? else {
            return Ok(Seen::nothing(asked.unwrap_or(1)));
        };
        let applied = match &cx.wanted {
            Some(wanted) => Some(cx.dry_apply(&wanted.object).await?),
            None => None,
        };
        let is_same = applied
            .as_ref()
            .is_some_and(|applied| bare(applied) == bare(&look.live));
        let finishing = look
            .is_replaced(cx, applied.as_ref())
            .then(|| look.version().map(str::to_owned))
            .flatten();
        Ok(Seen {
            replicas: asked.unwrap_or_else(|| replicas(&look.live)),
            stable: Some(Stable {
                replicas: replicas(&look.live),
                ready: ready(&look.live),
                digest: digest(&bare(&look.live)),
                is_wanted: look.canary.is_none() && is_same,
            }),
            canary: look.canary.as_ref().map(|model| Track {
                version: annotation(model, VERSION).unwrap_or_default().to_owned(),
                replicas: if is_going(model) { 0 } else { replicas(model) },
                ready: ready(model),
            }),
            traffic: look.traffic(cx),
            labels: labels(&look.live),
            pods: Pods::default(),
            finishing,
        })
    }

    async fn scale_canary(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        let wanted = cx.wanted()?;
        let look = Self::look_needed(cx).await?;
        if look.canary.is_some() {
            if look.version() != Some(&wanted.version) {
                return Err(Error::Refused(format!(
                    "{} is an earlier version, which goes first",
                    canary_name(cx)
                )));
            }
            return edit(cx, &cx.gvk, &canary_name(cx), |live| {
                Ok((number(live, "/spec/replicas") != Some(replicas))
                    .then(|| json!({"spec": {"replicas": replicas}})))
            })
            .await;
        }
        let mut spec = wanted.object.pointer("/spec").cloned().unwrap_or_default();
        if let Value::Object(map) = &mut spec {
            map.remove("minReplicas");
            map.remove("maxReplicas");
            map.insert("replicas".to_owned(), replicas.into());
        }
        cx.apply(&json!({
            "apiVersion": wanted.object.get("apiVersion"),
            "kind": wanted.object.get("kind"),
            "metadata": cx.made(&canary_name(cx), &wanted.version),
            "spec": spec,
        }))
        .await
    }

    async fn scale_stable(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        edit(cx, &cx.gvk, &cx.name, |live| {
            Ok((number(live, "/spec/replicas") != Some(replicas))
                .then(|| json!({"spec": {"replicas": replicas}})))
        })
        .await
    }

    async fn set_traffic(&self, cx: &Ctx, traffic: &Traffic) -> Result<()> {
        if !traffic.headers.is_empty() {
            return weights_only(traffic);
        }
        let look = Self::look_needed(cx).await?;
        let canary = look.canary.as_ref().filter(|model| !is_going(model));
        let Some(canary) = canary else {
            without_canary(traffic)?;
            return Self::remove(cx, &experiments(), look.experiment.as_ref()).await;
        };
        if traffic.uses_canary() && ready(canary) == 0 {
            return Err(Error::Refused(format!(
                "Model {} is not loaded: it gets no traffic",
                canary_name(cx)
            )));
        }
        Self::write(cx, &look, traffic).await
    }

    async fn promote(&self, cx: &Ctx) -> Result<Promoted> {
        let wanted = cx.wanted()?;
        let waits = |text: &str| Ok(Promoted::NotYet(text.to_owned()));
        let Some(look) = Self::look(cx).await? else {
            cx.apply(&wanted.object).await?;
            return Ok(Promoted::Done);
        };
        let Some(canary) = &look.canary else {
            if look.experiment.is_some() {
                Self::remove(cx, &experiments(), look.experiment.as_ref()).await?;
                return waits("the Experiment goes");
            }
            cx.apply(&wanted.object).await?;
            return Ok(Promoted::Done);
        };
        if look.version() != Some(&wanted.version) {
            return Err(Error::Refused(format!(
                "{} is not {}",
                canary_name(cx),
                wanted.version
            )));
        }
        let applied = cx.dry_apply(&wanted.object).await?;
        if !look.is_replaced(cx, Some(&applied)) {
            let before = loaded(&look.live).unwrap_or_default().to_owned();
            edit(cx, &cx.gvk, &canary_name(cx), |canary| {
                let is_noted = annotation(canary, LOADED) == Some(&before);
                Ok((!is_noted).then(|| json!({"metadata": {"annotations": {LOADED: before}}})))
            })
            .await?;
            cx.apply(&wanted.object).await?;
            return waits("the target is loaded anew");
        }
        let before = annotation(canary, LOADED).unwrap_or_default();
        if !is_loaded_anew(&look.live, before) {
            return waits("the target is loaded anew");
        }
        let traffic = look.traffic(cx).map_err(Error::Refused)?;
        if traffic.uses_canary() {
            Self::write(cx, &look, &Traffic::default()).await?;
            return waits("traffic goes over to the target");
        }
        if look.experiment.is_some() {
            Self::remove(cx, &experiments(), look.experiment.as_ref()).await?;
            return waits("the Experiment goes");
        }
        Self::remove(cx, &cx.gvk, Some(canary)).await?;
        waits("the canary goes")
    }

    async fn remove_canary(&self, cx: &Ctx) -> Result<()> {
        let Some(look) = Self::look(cx).await? else {
            return Ok(());
        };
        if look.traffic(cx).is_ok_and(|traffic| traffic.uses_canary()) {
            return Err(Error::Refused(format!(
                "Experiment {} still sends traffic to {}",
                cx.name,
                canary_name(cx)
            )));
        }
        if look.experiment.is_some() {
            // Its candidate goes when it does not name it any more.
            return Self::remove(cx, &experiments(), look.experiment.as_ref()).await;
        }
        Self::remove(cx, &cx.gvk, look.canary.as_ref()).await
    }

    async fn endpoint(&self, cx: &Ctx) -> Result<(String, u16)> {
        Err(Error::Refused(format!(
            "requests to {} go through Seldon's mesh by a header: a warm-up is not carried out",
            canary_name(cx)
        )))
    }

    fn related(&self, cx: &Ctx) -> Vec<(GroupVersionKind, String)> {
        vec![
            (cx.gvk.clone(), cx.name.clone()),
            (cx.gvk.clone(), canary_name(cx)),
            (experiments(), cx.name.clone()),
        ]
    }

    fn problems(&self, cx: &Ctx) -> Vec<Problem> {
        let canary = cx.spec.strategy.canary.iter();
        let steps = canary.flat_map(|canary| &canary.steps).enumerate();
        let (mut problems, mut mirrors, mut weight) = (Vec::new(), BTreeSet::new(), 0);
        for (index, step) in steps {
            let mut add = |field: &str, message: &str| {
                problems.push(Problem {
                    at: format!("spec.strategy.canary.steps[{index}]{field}"),
                    message: message.to_owned(),
                });
            };
            if step.set_header_route.is_some() {
                let message = "not carried out for Model: use setWeight or setMirrorRoute";
                add(".setHeaderRoute", message);
            }
            if step.warmup.is_some() {
                let message = "not carried out for Model: requests go through Seldon's mesh";
                add(".warmup", message);
            }
            if let Some(route) = &step.set_mirror_route {
                if route.share() > 0 {
                    mirrors.insert(route.name.as_str());
                } else {
                    mirrors.remove(route.name.as_str());
                }
                if !route.r#match.is_empty() {
                    let message = "an Experiment copies a share of all requests: take match out";
                    add(".setMirrorRoute.match", message);
                }
            }
            weight = step.set_weight.unwrap_or(weight);
            if mirrors.len() > 1 {
                let message = "an Experiment has one mirror: end the other one before";
                add(".setMirrorRoute", message);
            }
            if !mirrors.is_empty() && weight > 0 {
                add(
                    "",
                    "a Model is a candidate or the mirror of an Experiment: end the mirror (percentage: 0) before a weight",
                );
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_loaded_from_the_moment_its_condition_turned_true() {
        let model = |status: &str| {
            json!({"status": {"replicas": 2, "conditions": [
            {"type": "ModelReady", "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})
        };
        assert_eq!(loaded(&model("True")), Some("2026-01-01T00:00:00Z"));
        assert_eq!(loaded(&model("False")), None);
        assert_eq!((ready(&model("True")), ready(&model("False"))), (2, 0));
        assert_eq!(ready(&json!({})), 0);
        let before = "2026-01-01T00:00:00Z";
        assert!(!is_loaded_anew(&model("True"), before));
        assert!(is_loaded_anew(&model("True"), "2025-12-31T00:00:00Z"));
        assert!(!is_loaded_anew(&model("False"), ""));
        let mut seen = model("True");
        seen["metadata"]["generation"] = 2.into();
        seen["status"]["observedGeneration"] = 1.into();
        assert!(!is_loaded_anew(&seen, "2025-12-31T00:00:00Z"));
        seen["status"]["observedGeneration"] = 2.into();
        assert!(is_loaded_anew(&seen, before));
    }
}
