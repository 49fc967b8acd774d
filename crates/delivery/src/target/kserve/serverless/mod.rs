//! InferenceService of KServe in Serverless mode. The new version takes the predictor's place with
//! `canaryTrafficPercent: 0`: KServe keeps the traffic on the revision that was rolled out last, and Knative makes a revision
//! for the new one. Percentages move the traffic, and without the field the newest revision has all of it.
//!
//! - **Which revision is which version** says an annotation that KServe hands on to the revision; it changes only
//!   together with the predictor, which makes a new revision anyway.
//! - **Taking a version back** puts the earlier predictor in its place, still at 0 %. The field goes when that one's
//!   revision is ready, since Knative gives the newest ready revision what it names: without the wait that is the bad one.
//! - **Pods are Knative's.** A version counts as one unit here, ready when its revision is and it has a pod unless it may
//!   have none. With `minReplicas: 0` a revision without pods takes requests, too: the activator starts one.
//! - What served before is noted in an annotation of the Knative Service, which KServe leaves alone.

mod look;

use async_trait::async_trait;
use driftless_api::rollout::Problem;
use driftless_api::rollout::handover::{OBJECT, controller_revision_name};
use driftless_core::GroupVersionKind;
use driftless_rollout::machine::Track;
use driftless_rollout::plan::Traffic;
use serde_json::{Value, json};

use self::look::{BEFORE, Before, Look, PERCENT, bare, marks, placed, pods};
use super::{edit, step_problems};
use crate::target::json::{annotation, digest, labels, number, text};
use crate::target::kinds::deployments;
use crate::target::{
    Ctx, Error, Promoted, Result, Seen, Stable, Target, weights_only, without_canary,
};

/// Of what a step says that it is not carried out for it.
const MODE: &str = "an InferenceService in Serverless mode";

/// An InferenceService in Serverless mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serverless;

fn knative(kind: &str) -> GroupVersionKind {
    GroupVersionKind::new("serving.knative.dev", "v1", kind)
}

/// Returns the name of the predictor's Knative Service.
fn service_name(cx: &Ctx) -> String {
    format!("{}-predictor", cx.name)
}

impl Serverless {
    async fn look(cx: &Ctx) -> Result<Option<Look>> {
        let live = cx.read_target().await?;
        let Some(live) = live else { return Ok(None) };
        let name = service_name(cx);
        let service = match cx.read(&knative("Service"), &name).await {
            Err(Error::Request {
                source: driftless_kube::Error::UnknownKind { .. },
                ..
            }) => {
                return Err(Error::Refused(format!(
                    "InferenceService {} runs in Serverless mode and the cluster has no Knative Serving",
                    cx.name
                )));
            }
            other => other?,
        };
        let of_service = format!("serving.knative.dev/service={name}");
        Ok(Some(Look {
            live,
            service,
            route: cx.read(&knative("Route"), &name).await?,
            revisions: cx.list(&knative("Revision"), &of_service).await?,
            deployments: cx.list(&deployments(), &of_service).await?,
        }))
    }

    async fn look_needed(cx: &Ctx) -> Result<Look> {
        let gone = || Error::Refused(format!("InferenceService {} is not there", cx.name));
        Self::look(cx).await?.ok_or_else(gone)
    }

    async fn edit(
        cx: &Ctx,
        change: impl Fn(&Value) -> Result<Option<Value>> + Send + Sync,
    ) -> Result<()> {
        edit(cx, &cx.gvk, &cx.name, change).await
    }

    async fn note(cx: &Ctx, note: Option<String>) -> Result<()> {
        let change = |service: &Value| {
            let is_same = annotation(service, BEFORE) == note.as_deref();
            Ok((!is_same).then(|| json!({"metadata": {"annotations": {BEFORE: note}}})))
        };
        edit(cx, &knative("Service"), &service_name(cx), change).await
    }

    /// Returns what served before: as it was noted, or as it was handed over.
    async fn before(cx: &Ctx, look: &Look) -> Result<Before> {
        if let Some(before) = look.before() {
            return Ok(before);
        }
        let lost = || {
            Error::Refused(format!(
                "what served before is not known any more: it was noted in an annotation of Knative's Service {}",
                service_name(cx)
            ))
        };
        let stable = cx.stable.clone().ok_or_else(lost)?;
        let gvk = GroupVersionKind::new("apps", "v1", "ControllerRevision");
        let name = controller_revision_name(&cx.name, &stable);
        let found = cx.read(&gvk, &name).await?.ok_or_else(lost)?;
        let predictor = found.pointer(&format!("/data/{OBJECT}/spec/predictor"));
        Ok(Before {
            version: look
                .percent()?
                .map(|(_, version)| version.to_owned())
                .unwrap_or_default(),
            stable,
            predictor: predictor.cloned().ok_or_else(lost)?,
            labels: None,
            annotations: None,
        })
    }

    /// Puts the wanted version in the predictor's place.
    async fn begin(cx: &Ctx, look: &Look) -> Result<()> {
        let wanted = cx.wanted()?;
        let name = service_name(cx);
        let rolled_out = look.status("latestRolledoutRevision");
        let Some(stable) = rolled_out.filter(|name| look.is_ready(name)) else {
            return Err(Error::Refused(format!(
                "KServe has not rolled out a revision of {name} that is ready: the new version would get all traffic at once"
            )));
        };
        let shares = look
            .route
            .as_ref()
            .and_then(|route| route.pointer("/status/traffic")?.as_array());
        let is_alone = shares.is_some_and(|shares| {
            shares.iter().all(|share| {
                number(share, "/percent").unwrap_or(0) == 0
                    || text(share, "/revisionName") == Some(stable)
            })
        });
        if !is_alone {
            return Err(Error::Refused(format!(
                "Route {name} of Knative does not send everything to {stable} yet"
            )));
        }
        let applied = cx.dry_apply(&wanted.object).await?;
        let known = cx.stable.clone();
        let before = Before {
            version: wanted.version.clone(),
            stable: known.unwrap_or_else(|| digest(&bare(&look.live))),
            predictor: bare(&look.live),
            labels: Some(marks(&look.live, "labels")),
            annotations: Some(marks(&look.live, "annotations")),
        };
        Self::note(cx, Some(before.to_note())).await?;
        let (labels, annotations) = (marks(&applied, "labels"), marks(&applied, "annotations"));
        let predictor = bare(&wanted.object);
        Self::edit(cx, |live| {
            if live.pointer(PERCENT).is_some_and(|value| !value.is_null()) {
                return Err(Error::Refused(format!(
                    "somebody set canaryTrafficPercent of {}",
                    cx.name
                )));
            }
            let marks = (Some(&labels), Some(&annotations));
            Ok(Some(placed(live, &wanted.version, &predictor, marks)))
        })
        .await
    }
}

#[async_trait]
impl Target for Serverless {
    async fn observe(&self, cx: &Ctx) -> Result<Seen> {
        // The mode may not have been known when the rollout was checked.
        if let Some(problem) = step_problems(cx, MODE).into_iter().next() {
            return Err(Error::Refused(format!(
                "{}: {}",
                problem.at, problem.message
            )));
        }
        let Some(look) = Self::look(cx).await? else {
            return Ok(Seen::nothing(1));
        };
        let percent = look.percent()?;
        let is_wanted = match (&cx.wanted, percent) {
            (Some(wanted), None) => {
                let applied = cx.dry_apply(&wanted.object).await?;
                bare(&applied) == bare(&look.live)
            }
            _ => false,
        };
        let stable = look.stable();
        let before = look.before();
        // While the earlier version is put back the one that goes is still there.
        let canary = percent.map(|(_, version)| match &before {
            Some(before) if before.stable == version => before.version.clone(),
            _ => version.to_owned(),
        });
        let traffic = match (&canary, percent) {
            (Some(canary), Some((percent, placed))) if canary == placed => {
                look.traffic(canary, percent)
            }
            (Some(canary), Some((percent, _))) => {
                // The template is the earlier version's again: what counts is that nothing goes to the later one.
                look.traffic(canary, percent).map(|traffic| Traffic {
                    moving: traffic.canary > 0,
                    ..traffic
                })
            }
            _ => Ok(Traffic::default()),
        };
        let ready = |is: bool| u32::from(is);
        let digest = digest(&bare(&look.live));
        Ok(Seen {
            // A version is one unit: its pods are Knative's.
            replicas: 1,
            stable: Some(Stable {
                replicas: 1,
                ready: ready(stable.is_some_and(|name| look.is_ready(name))),
                digest: before.map_or(digest, |before| before.stable),
                is_wanted,
            }),
            canary: canary.map(|version| Track {
                replicas: 1,
                ready: ready(look.newest(&version).is_some_and(|revision| {
                    look.is_ready(text(revision, "/metadata/name").unwrap_or_default())
                })),
                version,
            }),
            traffic,
            labels: labels(&look.live),
            pods: pods(cx, &look),
            finishing: None,
        })
    }

    async fn scale_canary(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        if replicas > 1 {
            return Err(Error::Refused(
                "how many pods a revision has is Knative's: setCanaryScale means nothing here"
                    .to_owned(),
            ));
        }
        let look = Self::look_needed(cx).await?;
        match look.percent()? {
            Some((_, version)) if version == cx.wanted()?.version => Ok(()),
            Some((_, version)) => Err(Error::Refused(format!(
                "the predictor of {} is {version}, which goes first",
                cx.name
            ))),
            None => Self::begin(cx, &look).await,
        }
    }

    async fn scale_stable(&self, cx: &Ctx, _: u32) -> Result<()> {
        Err(Error::Refused(format!(
            "how many pods {} has is Knative's: it cannot make place for the new version",
            cx.name
        )))
    }

    async fn set_traffic(&self, cx: &Ctx, traffic: &Traffic) -> Result<()> {
        weights_only(traffic)?;
        let look = Self::look_needed(cx).await?;
        let Some((_, version)) = look.percent()? else {
            return without_canary(traffic);
        };
        if traffic.canary > 0 {
            let is_back = look.before().is_some_and(|before| before.stable == version);
            let newest = look
                .newest(version)
                .and_then(|one| text(one, "/metadata/name"));
            if is_back || !newest.is_some_and(|name| look.is_ready(name)) {
                return Err(Error::Refused(format!(
                    "the revision of {version} is not ready: it gets no traffic"
                )));
            }
        }
        let percent = traffic.canary;
        if number(&look.live, PERCENT) == Some(percent) {
            return Err(Error::Refused(format!(
                "Route {} of Knative is not ready with it yet",
                service_name(cx)
            )));
        }
        Self::edit(cx, |live| {
            Ok((number(live, PERCENT) != Some(percent))
                .then(|| json!({"spec": {"predictor": {"canaryTrafficPercent": percent}}})))
        })
        .await
    }

    async fn promote(&self, cx: &Ctx) -> Result<Promoted> {
        let wanted = cx.wanted()?;
        let Some(look) = Self::look(cx).await? else {
            cx.apply(&wanted.object).await?;
            return Ok(Promoted::Done);
        };
        if let Some((_, version)) = look.percent()? {
            if version != wanted.version {
                return Err(Error::Refused(format!(
                    "{version} is not {}",
                    wanted.version
                )));
            }
            Self::edit(cx, |_| {
                Ok(Some(
                    json!({"spec": {"predictor": {"canaryTrafficPercent": Value::Null}}}),
                ))
            })
            .await?;
            return Ok(Promoted::NotYet(
                "KServe rolls the new version out".to_owned(),
            ));
        }
        let is_mine = |before: &Before| before.version == wanted.version;
        if look.before().as_ref().is_some_and(is_mine) {
            let traffic = look.traffic(&wanted.version, 100).map_err(Error::Refused)?;
            if traffic.canary < 100 || traffic.moving {
                return Ok(Promoted::NotYet(
                    "KServe rolls the new version out".to_owned(),
                ));
            }
        }
        cx.apply(&wanted.object).await?;
        if look.service.is_some() {
            Self::note(cx, None).await?;
        }
        Ok(Promoted::Done)
    }

    async fn remove_canary(&self, cx: &Ctx) -> Result<()> {
        let Some(look) = Self::look(cx).await? else {
            return Ok(());
        };
        let Some((percent, version)) = look.percent()? else {
            return match look.before() {
                Some(_) => Self::note(cx, None).await,
                None => Ok(()),
            };
        };
        let before = Self::before(cx, &look).await?;
        if version != before.stable {
            let traffic = look.traffic(version, percent).map_err(Error::Refused)?;
            if traffic.canary > 0 || percent > 0 {
                return Err(Error::Refused(format!(
                    "Route {} of Knative still sends traffic to {version}",
                    service_name(cx)
                )));
            }
            return Self::edit(cx, |live| {
                let marks = (before.labels.as_ref(), before.annotations.as_ref());
                Ok(Some(placed(live, &before.stable, &before.predictor, marks)))
            })
            .await;
        }
        let latest = look.service.as_ref().and_then(|service| {
            let created = text(service, "/status/latestCreatedRevisionName")?;
            let ready = text(service, "/status/latestReadyRevisionName")?;
            (created == ready && look.version_of(ready) == Some(&before.stable)).then_some(ready)
        });
        if !(look.is_settled(0, version) && latest.is_some_and(|name| look.is_ready(name))) {
            return Err(Error::Refused(format!(
                "{version} is put back in place: its new revision is not ready yet, and the one from before serves"
            )));
        }
        Self::edit(cx, |_| {
            Ok(Some(
                json!({"spec": {"predictor": {"canaryTrafficPercent": Value::Null}}}),
            ))
        })
        .await?;
        Self::note(cx, None).await
    }

    async fn endpoint(&self, cx: &Ctx) -> Result<(String, u16)> {
        let look = Self::look_needed(cx).await?;
        let version = &cx.wanted()?.version;
        let revision = look
            .newest(version)
            .and_then(|one| text(one, "/metadata/name"));
        let revision = revision
            .ok_or_else(|| Error::Refused("the new version is not there yet".to_owned()))?;
        // The revision's own Service leads past its pods when it may have none.
        let gvk = GroupVersionKind::new(
            "networking.internal.knative.dev",
            "v1alpha1",
            "ServerlessService",
        );
        let serverless = cx
            .read_needed(&gvk, revision, "Knative makes it for each revision")
            .await?;
        let private = text(&serverless, "/status/privateServiceName").unwrap_or_default();
        if private.is_empty() {
            return Err(Error::Refused(format!("{revision} has no Service yet")));
        }
        cx.has_endpoints(private).await?;
        Ok((private.to_owned(), 80))
    }

    fn related(&self, cx: &Ctx) -> Vec<(GroupVersionKind, String)> {
        vec![
            (cx.gvk.clone(), cx.name.clone()),
            (knative("Service"), service_name(cx)),
            (knative("Route"), service_name(cx)),
        ]
    }

    fn problems(&self, cx: &Ctx) -> Vec<Problem> {
        let canary = cx.spec.strategy.canary.iter();
        let steps = canary.flat_map(|canary| &canary.steps).enumerate();
        let scales = steps
            .filter(|(_, step)| step.set_canary_scale.is_some())
            .map(|(index, _)| Problem {
                at: format!("spec.strategy.canary.steps[{index}].setCanaryScale"),
                message: "how many pods a version has is Knative's in Serverless mode".to_owned(),
            });
        step_problems(cx, MODE).into_iter().chain(scales).collect()
    }
}
