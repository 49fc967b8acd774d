//! What is seen of an InferenceService in Serverless mode: KServe's object, Knative's Service, Route and revisions, and the note
//! of what served before.

use driftless_manifest::merge_patch;
use driftless_rollout::plan::Traffic;
use serde_json::{Map, Value, json};

use crate::target::cx::VERSION;
use crate::target::json::{annotation, give_resources, labels, number, selector, text};
use crate::target::kserve::CONTAINER;
use crate::target::{Ctx, Error, PodShape, Pods, Result};

/// Annotation of the Knative Service: what served before, and which versions these are.
pub(super) const BEFORE: &str = "driftless.dev/before";
pub(super) const PERCENT: &str = "/spec/predictor/canaryTrafficPercent";
const MIN_SCALE: &str = "autoscaling.knative.dev/min-scale";

/// Returns a predictor without what is the rollout's.
pub(super) fn bare(object: &Value) -> Value {
    let predictor = object.pointer("/spec/predictor");
    let mut predictor = predictor.cloned().unwrap_or_default();
    if let Value::Object(map) = &mut predictor {
        map.remove("canaryTrafficPercent");
    }
    predictor
}

/// Returns labels or annotations without what is the rollout's.
pub(super) fn marks(object: &Value, field: &str) -> Value {
    let marks = object.pointer(&format!("/metadata/{field}"));
    let mut marks = marks.cloned().unwrap_or_else(|| json!({}));
    if let Value::Object(map) = &mut marks {
        map.remove(VERSION);
    }
    marks
}

/// What served before a version came.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Before {
    /// The version that came.
    pub(super) version: String,
    /// The version that served.
    pub(super) stable: String,
    pub(super) predictor: Value,
    /// `None` when it is not known, and stays.
    pub(super) labels: Option<Value>,
    pub(super) annotations: Option<Value>,
}

impl Before {
    pub(super) fn parse(note: &str) -> Option<Self> {
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

    pub(super) fn to_note(&self) -> String {
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
pub(super) fn placed(
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
pub(super) struct Look {
    pub(super) live: Value,
    pub(super) service: Option<Value>,
    pub(super) route: Option<Value>,
    pub(super) revisions: Vec<Value>,
    pub(super) deployments: Vec<Value>,
}

impl Look {
    /// Returns the canary's percentage and the version that the predictor is.
    pub(super) fn percent(&self) -> Result<Option<(u32, &str)>> {
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

    pub(super) fn before(&self) -> Option<Before> {
        Before::parse(annotation(self.service.as_ref()?, BEFORE)?)
    }

    pub(super) fn status(&self, field: &str) -> Option<&str> {
        let name = text(&self.live, &format!("/status/components/predictor/{field}"))?;
        (!name.is_empty()).then_some(name)
    }

    pub(super) fn revision(&self, name: &str) -> Option<&Value> {
        let is_it = |one: &&Value| text(one, "/metadata/name") == Some(name);
        self.revisions.iter().find(is_it)
    }

    pub(super) fn version_of(&self, revision: &str) -> Option<&str> {
        annotation(self.revision(revision)?, VERSION)
    }

    /// Returns the newest revision of a version.
    pub(super) fn newest(&self, version: &str) -> Option<&Value> {
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
    pub(super) fn stable(&self) -> Option<&str> {
        let rolled_out = self.status("latestRolledoutRevision")?;
        let is_canary = self
            .before()
            .is_some_and(|before| self.version_of(rolled_out) == Some(&before.version));
        match self.percent() {
            Ok(Some(_)) if is_canary => self.status("previousRolledoutRevision"),
            _ => Some(rolled_out),
        }
    }

    pub(super) fn deployment(&self, revision: &str) -> Option<&Value> {
        self.deployments.iter().find(|one| {
            let labels = labels(one);
            labels
                .get("serving.knative.dev/revision")
                .is_some_and(|name| name == revision)
        })
    }

    /// Says whether a revision can take requests.
    pub(super) fn is_ready(&self, revision: &str) -> bool {
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
    pub(super) fn is_settled(&self, percent: u32, version: &str) -> bool {
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
    pub(super) fn traffic(&self, version: &str, percent: u32) -> Result<Traffic, String> {
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

pub(super) fn condition(object: &Value, kind: &str) -> bool {
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

/// Returns the stable version's pods with the resources that the new one asks for. They are one gang: a revision is ready
/// when all of its pods are.
pub(super) fn pods(cx: &Ctx, look: &Look) -> Pods {
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
    let resources = asked("/spec/predictor/model/resources");
    give_resources(&mut spec, |name| resources.filter(|_| name == CONTAINER));
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
