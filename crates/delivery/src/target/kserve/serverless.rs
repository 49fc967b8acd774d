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

use async_trait::async_trait;
use driftless_api::rollout::Problem;
use driftless_api::rollout::handover::{OBJECT, controller_revision_name};
use driftless_core::GroupVersionKind;
use driftless_manifest::merge_patch;
use driftless_rollout::machine::Track;
use driftless_rollout::plan::Traffic;
use serde_json::{Map, Value, json};

use super::edit;
use crate::target::cx::VERSION;
use crate::target::json::{annotation, digest, labels, number, selector, text};
use crate::target::{Ctx, Error, PodShape, Pods, Promoted, Result, Seen, Stable, Target};

/// Annotation of the Knative Service: what served before, and which versions these are.
const BEFORE: &str = "driftless.dev/before";
const PERCENT: &str = "/spec/predictor/canaryTrafficPercent";
const MIN_SCALE: &str = "autoscaling.knative.dev/min-scale";

/// An InferenceService in Serverless mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serverless;

fn knative(kind: &str) -> GroupVersionKind {
    GroupVersionKind::new("serving.knative.dev", "v1", kind)
}

fn deployments() -> GroupVersionKind {
    GroupVersionKind::new("apps", "v1", "Deployment")
}

/// Returns the name of the predictor's Knative Service.
fn service_name(cx: &Ctx) -> String {
    format!("{}-predictor", cx.name)
}

/// Returns a predictor without what is the rollout's.
fn bare(object: &Value) -> Value {
    let predictor = object.pointer("/spec/predictor");
    let mut predictor = predictor.cloned().unwrap_or_default();
    if let Value::Object(map) = &mut predictor {
        map.remove("canaryTrafficPercent");
    }
    predictor
}

/// Returns labels or annotations without what is the rollout's.
fn marks(object: &Value, field: &str) -> Value {
    let marks = object.pointer(&format!("/metadata/{field}"));
    let mut marks = marks.cloned().unwrap_or_else(|| json!({}));
    if let Value::Object(map) = &mut marks {
        map.remove(VERSION);
    }
    marks
}

/// What served before a version came.
#[derive(Clone, PartialEq, Debug)]
struct Before {
    /// The version that came.
    version: String,
    /// The version that served.
    stable: String,
    predictor: Value,
    /// `None` when it is not known, and stays.
    labels: Option<Value>,
    annotations: Option<Value>,
}

impl Before {
    fn parse(note: &str) -> Option<Self> {
        let note: Value = serde_json::from_str(note).ok()?;
        let predictor = note.get("predictor").filter(|one| one.is_object())?;
        Some(Self {
            version: text(&note, "/version")?.to_owned(),
            stable: text(&note, "/stable")?.to_owned(),
            predictor: predictor.clone(),
            labels: note.get("labels").filter(|one| one.is_object()).cloned(),
            annotations: note
                .get("annotations")
                .filter(|one| one.is_object())
                .cloned(),
        })
    }

    fn to_note(&self) -> String {
        json!({
            "version": self.version,
            "stable": self.stable,
            "predictor": self.predictor,
            "labels": self.labels,
            "annotations": self.annotations,
        })
        .to_string()
    }
}

/// Returns the patch that puts a version in the predictor's place, without traffic.
fn placed(
    live: &Value,
    version: &str,
    predictor: &Value,
    (labels, annotations): (Option<&Value>, Option<&Value>),
) -> Value {
    let mut predictor = merge_patch::create(&bare(live), predictor);
    predictor["canaryTrafficPercent"] = 0.into();
    let difference = |field: &str, wanted: Option<&Value>| {
        wanted.map_or_else(
            || json!({}),
            |wanted| merge_patch::create(&marks(live, field), wanted),
        )
    };
    let labels = difference("labels", labels);
    let mut annotations = difference("annotations", annotations);
    annotations[VERSION] = version.into();
    json!({
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"predictor": predictor},
    })
}

/// What is there.
struct Look {
    live: Value,
    service: Option<Value>,
    route: Option<Value>,
    revisions: Vec<Value>,
    deployments: Vec<Value>,
}

impl Look {
    /// Returns the canary's percentage and the version that the predictor is.
    fn percent(&self) -> Result<Option<(u32, &str)>> {
        if self.live.pointer(PERCENT).is_none_or(Value::is_null) {
            return Ok(None);
        }
        let percent = number(&self.live, PERCENT).unwrap_or(0);
        let version = annotation(&self.live, VERSION).ok_or_else(|| {
            Error::Refused(format!(
                "canaryTrafficPercent of {} was not set by a rollout: take it out",
                text(&self.live, "/metadata/name").unwrap_or_default()
            ))
        })?;
        Ok(Some((percent, version)))
    }

    fn before(&self) -> Option<Before> {
        Before::parse(annotation(self.service.as_ref()?, BEFORE)?)
    }

    fn status(&self, field: &str) -> Option<&str> {
        let name = text(&self.live, &format!("/status/components/predictor/{field}"))?;
        (!name.is_empty()).then_some(name)
    }

    fn revision(&self, name: &str) -> Option<&Value> {
        let is_it = |one: &&Value| text(one, "/metadata/name") == Some(name);
        self.revisions.iter().find(is_it)
    }

    fn version_of(&self, revision: &str) -> Option<&str> {
        annotation(self.revision(revision)?, VERSION)
    }

    /// Returns the newest revision of a version.
    fn newest(&self, version: &str) -> Option<&Value> {
        let generation = |one: &Value| {
            let labels = labels(one);
            let number = labels.get("serving.knative.dev/configurationGeneration")?;
            number.parse::<u64>().ok()
        };
        self.revisions
            .iter()
            .filter(|one| annotation(one, VERSION) == Some(version))
            .max_by_key(|one| generation(one))
    }

    /// Returns the revision that has the stable version's traffic. KServe calls the canary the last rolled out one once
    /// it had all traffic.
    fn stable(&self) -> Option<&str> {
        let rolled_out = self.status("latestRolledoutRevision")?;
        let is_canary = self
            .before()
            .is_some_and(|before| self.version_of(rolled_out) == Some(&before.version));
        match self.percent() {
            Ok(Some(_)) if is_canary => self.status("previousRolledoutRevision"),
            _ => Some(rolled_out),
        }
    }

    fn deployment(&self, revision: &str) -> Option<&Value> {
        self.deployments.iter().find(|one| {
            let labels = labels(one);
            labels
                .get("serving.knative.dev/revision")
                .is_some_and(|name| name == revision)
        })
    }

    /// Says whether a revision can take requests.
    fn is_ready(&self, revision: &str) -> bool {
        let Some(object) = self.revision(revision) else {
            return false;
        };
        // Without traffic Knative takes its pods away, and starts them when there is some.
        let is_resting = labels(object)
            .get("serving.knative.dev/routingState")
            .is_some_and(|state| state != "active");
        let pods = || {
            self.deployment(revision)
                .and_then(|one| number(one, "/status/readyReplicas"))
                .unwrap_or(0)
        };
        condition(object, "Ready") && (least(object) == 0 || is_resting || pods() > 0)
    }

    /// Says whether KServe, Knative and its ingress have done what the InferenceService says.
    fn is_settled(&self, percent: u32, version: &str) -> bool {
        let (Some(service), Some(route)) = (&self.service, &self.route) else {
            return false;
        };
        let template = "/spec/template/metadata/annotations";
        let is_placed = service
            .pointer(template)
            .and_then(|annotations| annotations.get(VERSION)?.as_str())
            == Some(version);
        is_placed
            && latest_percent(service) == Some(percent)
            && is_observed(service)
            && is_observed(route)
            && condition(route, "Ready")
    }

    /// Returns the live share of a version.
    fn traffic(&self, version: &str, percent: u32) -> Result<Traffic, String> {
        let shares = self
            .route
            .as_ref()
            .and_then(|route| route.pointer("/status/traffic")?.as_array());
        let Some(shares) = shares else {
            return Err(format!(
                "Route {} of Knative has no traffic yet",
                self.route.as_ref().map_or("", |route| {
                    text(route, "/metadata/name").unwrap_or_default()
                })
            ));
        };
        let (mut canary, mut others) = (0, 0);
        let stable = self.stable();
        for share in shares {
            let share_of = number(share, "/percent").unwrap_or(0);
            let name = text(share, "/revisionName").unwrap_or_default();
            if self.version_of(name) == Some(version) {
                canary += share_of;
            } else if Some(name) != stable {
                others += share_of;
            }
        }
        let is_settled = self.is_settled(percent, version);
        Ok(Traffic {
            // It may be as much already as it is to be.
            canary: if is_settled {
                canary
            } else {
                canary.max(percent)
            },
            // A third revision has a part: what KServe was told is not what happens.
            moving: others > 0 || !is_settled,
            ..Traffic::default()
        })
    }
}

/// Returns the pods that a revision has at least.
fn least(revision: &Value) -> u32 {
    let named = annotation(revision, MIN_SCALE)
        .or_else(|| annotation(revision, "autoscaling.knative.dev/minScale"));
    named.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|one| text(one, "/type") == Some(kind) && text(one, "/status") == Some("True"))
}

fn is_observed(object: &Value) -> bool {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    number("/metadata/generation").is_some_and(|generation| {
        number("/status/observedGeneration").is_some_and(|seen| seen >= generation)
    })
}

/// Returns the percentage that a Knative Service gives its newest revision.
fn latest_percent(service: &Value) -> Option<u32> {
    let targets = service.pointer("/spec/traffic")?.as_array()?;
    targets
        .iter()
        .filter(|target| target.get("latestRevision") == Some(&Value::Bool(true)))
        .map(|target| number(target, "/percent").unwrap_or(0))
        .reduce(|sum, more| sum + more)
}

impl Serverless {
    async fn look(cx: &Ctx) -> Result<Option<Look>> {
        let live = cx.read(&cx.gvk, &cx.name).await?;
        let live = live.filter(|live| text(live, "/metadata/deletionTimestamp").is_none());
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
        let Some(look) = Self::look(cx).await? else {
            return Ok(Seen {
                replicas: 1,
                stable: None,
                canary: None,
                traffic: Ok(Traffic::default()),
                pods: Pods::default(),
                labels: std::collections::BTreeMap::new(),
                finishing: None,
            });
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
        if !traffic.headers.is_empty() || !traffic.mirrors.is_empty() {
            return Err(Error::Refused(
                "routes by header and mirrors are not carried out for this kind".to_owned(),
            ));
        }
        let look = Self::look_needed(cx).await?;
        let Some((_, version)) = look.percent()? else {
            return match traffic.canary {
                0 => Ok(()),
                _ => Err(Error::Refused(
                    "the new version is not there: it gets no traffic".to_owned(),
                )),
            };
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
        steps
            .filter(|(_, step)| step.set_canary_scale.is_some())
            .map(|(index, _)| Problem {
                at: format!("spec.strategy.canary.steps[{index}].setCanaryScale"),
                message: "how many pods a version has is Knative's in Serverless mode".to_owned(),
            })
            .collect()
    }
}

/// Returns the stable version's pods with the resources that the new one asks for. They are one gang: a revision is ready
/// when all of its pods are.
fn pods(cx: &Ctx, look: &Look) -> Pods {
    let Some(stable) = look.stable() else {
        return Pods::default();
    };
    let Some(deployment) = look.deployment(stable) else {
        return Pods::default();
    };
    let template = deployment.pointer("/spec/template/spec");
    let mut spec = template
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()));
    let wanted = cx.wanted.as_ref();
    let asked = |pointer: &str| wanted.and_then(|wanted| wanted.object.pointer(pointer));
    if let Some(resources) = asked("/spec/predictor/model/resources")
        && let Some(containers) = spec.get_mut("containers").and_then(Value::as_array_mut)
    {
        for container in containers {
            if text(container, "/name") == Some("kserve-container") {
                container["resources"] = resources.clone();
            }
        }
    }
    let count = asked("/spec/predictor/minReplicas").and_then(Value::as_u64);
    Pods {
        gang: vec![PodShape {
            spec,
            count: count
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(1)
                .max(1),
        }],
        together: None,
        old: deployment.pointer("/spec/selector").and_then(selector),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(name: &str, version: Option<&str>, min: &str) -> Value {
        json!({
            "metadata": {
                "name": name,
                "annotations": {VERSION: version, MIN_SCALE: min},
                "labels": {"serving.knative.dev/routingState": "active",
                    "serving.knative.dev/configurationGeneration": name.trim_start_matches('r')},
            },
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        })
    }

    fn look(percent: u32, in_service: u32, shares: &Value) -> Look {
        Look {
            live: json!({
                "metadata": {"name": "fraud", "annotations": {VERSION: "two"}},
                "spec": {"predictor": {"canaryTrafficPercent": percent}},
                "status": {"components": {"predictor": {"latestRolledoutRevision": "r1"}}},
            }),
            service: Some(json!({
                "metadata": {"generation": 2},
                "spec": {
                    "template": {"metadata": {"annotations": {VERSION: "two"}}},
                    "traffic": [{"latestRevision": true, "percent": in_service}],
                },
                "status": {"observedGeneration": 2},
            })),
            route: Some(json!({
                "metadata": {"generation": 2},
                "status": {"observedGeneration": 2, "traffic": shares,
                    "conditions": [{"type": "Ready", "status": "True"}]},
            })),
            revisions: vec![revision("r1", None, "1"), revision("r2", Some("two"), "0")],
            deployments: Vec::new(),
        }
    }

    #[test]
    fn a_share_is_what_the_route_gives_the_revisions_of_a_version() {
        let shares = json!([{"revisionName": "r2", "latestRevision": true, "percent": 20},
            {"revisionName": "r1", "percent": 80}]);
        let settled = look(20, 20, &shares).traffic("two", 20).unwrap();
        assert_eq!(
            settled,
            Traffic {
                canary: 20,
                ..Traffic::default()
            }
        );
        // KServe has not handed the percentage on: it may be in force at any moment.
        let early = look(50, 20, &shares).traffic("two", 50).unwrap();
        assert_eq!((early.canary, early.moving), (50, true));
        // Less is not there until it is.
        let back = look(0, 0, &shares).traffic("two", 0).unwrap();
        assert_eq!((back.canary, back.moving), (20, false));
        let shares =
            json!([{"revisionName": "r1", "percent": 60}, {"revisionName": "r0", "percent": 40}]);
        assert!(look(0, 0, &shares).traffic("two", 0).unwrap().moving);
    }

    #[test]
    fn the_newest_revision_is_not_the_new_version_until_it_is_ready() {
        let shares = json!([{"revisionName": "r1", "latestRevision": true, "percent": 20},
            {"revisionName": "r1", "percent": 80}]);
        assert_eq!(look(20, 20, &shares).traffic("two", 20).unwrap().canary, 0);
    }

    #[test]
    fn a_revision_without_pods_is_ready_when_it_may_have_none() {
        let mut look = look(0, 0, &json!([]));
        assert!(look.is_ready("r2"));
        assert!(!look.is_ready("r1"));
        look.deployments = vec![json!({
            "metadata": {"labels": {"serving.knative.dev/revision": "r1"}},
            "status": {"readyReplicas": 1},
        })];
        assert!(look.is_ready("r1"));
        look.deployments.clear();
        // Out of the route its pods are gone until it is in it again.
        look.revisions[0]["metadata"]["labels"]["serving.knative.dev/routingState"] =
            "reserve".into();
        assert!(look.is_ready("r1"));
        assert!(!look.is_ready("r9"));
    }

    #[test]
    fn what_served_before_comes_back_whole() {
        let live = json!({
            "metadata": {"annotations": {"a": "1", VERSION: "two"}, "labels": {"l": "1"}},
            "spec": {"predictor": {"model": {"storageUri": "two", "env": []}, "minReplicas": 2}},
        });
        let before = Before {
            version: "two".into(),
            stable: "one".into(),
            predictor: json!({"model": {"storageUri": "one"}, "minReplicas": 1}),
            labels: Some(json!({"l": "1"})),
            annotations: Some(json!({"b": "2"})),
        };
        assert_eq!(Before::parse(&before.to_note()), Some(before.clone()));
        assert_eq!(Before::parse("{}"), None);
        let marks = (before.labels.as_ref(), before.annotations.as_ref());
        assert_eq!(
            placed(&live, "one", &before.predictor, marks),
            json!({
                "metadata": {"labels": {}, "annotations": {"a": null, "b": "2", VERSION: "one"}},
                "spec": {"predictor": {
                    "model": {"storageUri": "one", "env": null}, "minReplicas": 1, "canaryTrafficPercent": 0,
                }},
            })
        );
    }

    #[test]
    fn a_percentage_that_nobody_owns_is_an_error() {
        let mut look = look(20, 20, &json!([]));
        look.live["metadata"]["annotations"] = json!({});
        assert!(look.percent().is_err());
    }
}
