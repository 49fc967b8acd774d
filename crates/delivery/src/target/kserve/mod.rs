//! InferenceService of KServe: which of its deployment modes a target runs in, and what both have in common.

mod llm;
mod serverless;
mod standard;

use async_trait::async_trait;
use driftless_api::rollout::Problem;
use driftless_core::GroupVersionKind;
use driftless_rollout::plan::Traffic;
use serde_json::Value;

pub(super) use self::llm::LlmInferenceService;
use self::serverless::Serverless;
use self::standard::Standard;
use super::json::{annotation, text};
use super::{Ctx, Error, Promoted, Result, Seen, Target};

/// The container that runs a predictor's model.
const CONTAINER: &str = "kserve-container";
/// Annotation with the deployment mode.
const MODE: &str = "serving.kserve.io/deploymentMode";
/// Times a write is tried that lost against somebody else's.
const ROUNDS: usize = 3;
/// Namespaces in which KServe is installed; the first one with its settings counts.
const HOMES: [&str; 4] = [
    "kserve",
    "kubeflow",
    "opendatahub",
    "redhat-ods-applications",
];

/// The InferenceService.
#[derive(Clone, Copy, Debug)]
pub(super) struct InferenceService;

/// Returns what carries out a deployment mode; `None` for one that has no canary.
fn of_mode(mode: &str) -> Option<&'static dyn Target> {
    match mode {
        "Standard" | "RawDeployment" => Some(&Standard),
        "Knative" | "Serverless" => Some(&Serverless),
        _ => None,
    }
}

fn annotated(object: &Value) -> Option<&str> {
    annotation(object, MODE).filter(|mode| !mode.is_empty())
}

impl InferenceService {
    /// Returns what carries out the target's mode: KServe notes it in the status, the annotation says it before, and the
    /// settings of KServe when nobody else does.
    async fn mode(cx: &Ctx) -> Result<&'static dyn Target> {
        let live = cx.read_target().await?;
        let known = live.as_ref().and_then(|live| {
            text(live, "/status/deploymentMode")
                .filter(|mode| !mode.is_empty())
                .or_else(|| annotated(live))
        });
        let wanted = || annotated(&cx.wanted.as_ref()?.object);
        let mode = match known.or_else(wanted) {
            Some(mode) => mode.to_owned(),
            // What is not there runs in no mode: all that can be done is to create it.
            None if live.is_none() => "Standard".to_owned(),
            None => default_mode(cx).await?,
        };
        of_mode(&mode).ok_or_else(|| {
            Error::Refused(format!(
                "InferenceService {} runs in mode {mode}: rollouts need Standard or Knative",
                cx.name
            ))
        })
    }
}

/// Reads the mode that KServe takes when an InferenceService names none.
async fn default_mode(cx: &Ctx) -> Result<String> {
    let maps = GroupVersionKind::new("", "v1", "ConfigMap");
    for namespace in HOMES {
        let read = Ctx::read_of(&cx.cluster, &maps, namespace, "inferenceservice-config");
        let Some(map) = read.await? else { continue };
        let deploy: Option<Value> =
            text(&map, "/data/deploy").and_then(|text| serde_json::from_str(text).ok());
        let mode = deploy
            .as_ref()
            .and_then(|deploy| deploy.get("defaultDeploymentMode")?.as_str());
        return match mode {
            Some(mode) => Ok(mode.to_owned()),
            None => Err(Error::Refused(format!(
                "ConfigMap {namespace}/inferenceservice-config has no defaultDeploymentMode"
            ))),
        };
    }
    Err(Error::Refused(format!(
        "the deployment mode of InferenceService {} is not known yet: KServe notes it in the status, or set the annotation {MODE}",
        cx.name
    )))
}

/// Changes an object as `change` says, which is asked again when somebody else was faster. `None` from it writes nothing.
pub(in crate::target) async fn edit(
    cx: &Ctx,
    gvk: &GroupVersionKind,
    name: &str,
    change: impl Fn(&Value) -> Result<Option<Value>> + Send + Sync,
) -> Result<()> {
    for round in 0..ROUNDS {
        let live = cx.read_needed(gvk, name, "a rollout needs it").await?;
        let Some(mut patch) = change(&live)? else {
            return Ok(());
        };
        patch["metadata"]["resourceVersion"] = live
            .pointer("/metadata/resourceVersion")
            .cloned()
            .unwrap_or_default();
        match cx.patch(gvk, name, &patch).await {
            Err(error) if error.is_conflict() && round + 1 < ROUNDS => {}
            other => return other.map(drop),
        }
    }
    Ok(())
}

/// What of the steps no kind of KServe can do.
pub(in crate::target) fn step_problems(cx: &Ctx, kind: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let canary = cx.spec.strategy.canary.iter();
    let steps = canary.flat_map(|canary| &canary.steps);
    for (index, step) in steps.enumerate() {
        for (name, is_set) in [
            ("setHeaderRoute", step.set_header_route.is_some()),
            ("setMirrorRoute", step.set_mirror_route.is_some()),
        ] {
            if is_set {
                problems.push(Problem {
                    at: format!("spec.strategy.canary.steps[{index}].{name}"),
                    message: format!("not carried out for {kind}: use setWeight"),
                });
            }
        }
    }
    problems
}

/// What of the wanted object is the rollout's own.
fn shared_problems(cx: &Ctx) -> Vec<Problem> {
    let mut problems = Vec::new();
    for field in ["canary", "predictor/canaryTrafficPercent"] {
        let wanted = cx.wanted.as_ref();
        let value = wanted.and_then(|wanted| wanted.object.pointer(&format!("/spec/{field}")));
        if value.is_some_and(|value| !value.is_null()) {
            problems.push(Problem {
                at: format!("the target's spec.{}", field.replace('/', ".")),
                message: "is the rollout's: take it out of Git".to_owned(),
            });
        }
    }
    problems
}

#[async_trait]
impl Target for InferenceService {
    async fn observe(&self, cx: &Ctx) -> Result<Seen> {
        Self::mode(cx).await?.observe(cx).await
    }

    async fn scale_canary(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        Self::mode(cx).await?.scale_canary(cx, replicas).await
    }

    async fn scale_stable(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        Self::mode(cx).await?.scale_stable(cx, replicas).await
    }

    async fn set_traffic(&self, cx: &Ctx, traffic: &Traffic) -> Result<()> {
        Self::mode(cx).await?.set_traffic(cx, traffic).await
    }

    async fn promote(&self, cx: &Ctx) -> Result<Promoted> {
        Self::mode(cx).await?.promote(cx).await
    }

    async fn remove_canary(&self, cx: &Ctx) -> Result<()> {
        Self::mode(cx).await?.remove_canary(cx).await
    }

    async fn endpoint(&self, cx: &Ctx) -> Result<(String, u16)> {
        Self::mode(cx).await?.endpoint(cx).await
    }

    fn related(&self, cx: &Ctx) -> Vec<(GroupVersionKind, String)> {
        // What is in the cluster is not known here: a kind that is not there has no changes.
        match cx
            .wanted
            .as_ref()
            .and_then(|wanted| of_mode(annotated(&wanted.object)?))
        {
            Some(target) => target.related(cx),
            None => {
                let mut related = Standard.related(cx);
                let others = Serverless.related(cx).into_iter();
                related.extend(others.filter(|(gvk, _)| *gvk != cx.gvk));
                related
            }
        }
    }

    fn problems(&self, cx: &Ctx) -> Vec<Problem> {
        let mut problems = shared_problems(cx);
        let wanted = cx.wanted.as_ref();
        let mode = wanted.and_then(|wanted| of_mode(annotated(&wanted.object)?));
        if let Some(target) = mode {
            problems.extend(target.problems(cx));
        }
        problems
    }
}
