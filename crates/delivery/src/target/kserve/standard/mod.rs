//! InferenceService of KServe in Standard mode (v0.20 or newer). The new version is an entry of `spec.canary`, for which
//! KServe makes a Deployment and a Service of its own; a version is promoted by giving its name to the predictor, so that
//! its pods go on. KServe refuses that when the storage URI is the same: then the stable pods are replaced instead.
//!
//! Two things KServe leaves to others:
//! - It takes the canary's pods off the stable version's (`minReplicas`): the stable predictor asks for so many more here.
//! - Its HTTPRoute names the stable Service alone, whatever `trafficPercent` says. A second backend and weights are put
//!   into that route; KServe leaves alone what it does not name itself.
//!
//! Nothing may be noted in annotations of the InferenceService: KServe hands them on to the pods, which would restart.

mod route;

use async_trait::async_trait;
use driftless_api::rollout::Problem;
use driftless_core::GroupVersionKind;
use driftless_manifest::merge_patch;
use driftless_rollout::machine::Track;
use driftless_rollout::plan::Traffic;
use driftless_rollout::route::Names;
use serde_json::{Value, json};

use self::route::{is_alone, is_own_route, read_route, route_name, split_of, to_split};
use super::{CONTAINER, ROUNDS};
use crate::target::json::{
    annotation, digest, give_resources, is_complete, labels, number, selector, text,
};
use crate::target::kinds::{deployments, http_routes};
use crate::target::{
    Ctx, Error, PodShape, Pods, Promoted, Result, Seen, Stable, Target, without_canary,
};

/// Annotation of the route: the predictor's numbers of pods before a rollout.
const REPLICAS: &str = "driftless.dev/predictor-replicas";
/// Fields of a predictor that say how many pods it has; a canary may not have most of them.
const SCALE: [&str; 6] = [
    "minReplicas",
    "maxReplicas",
    "scaleTarget",
    "scaleMetric",
    "scaleMetricType",
    "autoScaling",
];

/// An InferenceService in Standard mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standard;

/// What is there.
struct Look {
    live: Option<Value>,
    /// Deployments of both versions.
    stable: Option<Value>,
    canary: Option<Value>,
}

/// Returns the name that a version has inside the InferenceService; names begin with a letter there.
fn inner_name(version: &str) -> String {
    format!("v{version}")
}

/// Returns the name of a predictor's Deployment and Service.
fn service_name(service: &str, predictor: Option<&str>) -> String {
    match predictor.filter(|name| !name.is_empty()) {
        Some(name) => format!("{service}-{name}-predictor"),
        None => format!("{service}-predictor"),
    }
}

fn entries(live: &Value) -> &[Value] {
    live.pointer("/spec/canary")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Returns a rollout's own entry, with the version it is.
fn entry(live: &Value) -> Option<(&Value, &str)> {
    entries(live).iter().find_map(|entry| {
        let version = text(entry, "/predictor/name")?.strip_prefix('v')?;
        let is_digest = version.len() == 10 && version.bytes().all(|b| b.is_ascii_hexdigit());
        is_digest.then_some((entry, version))
    })
}

/// Returns a predictor without what a rollout may change about it.
fn bare(object: &Value) -> Value {
    let mut predictor = object
        .pointer("/spec/predictor")
        .cloned()
        .unwrap_or_default();
    if let Value::Object(map) = &mut predictor {
        for field in ["name", "minReplicas", "maxReplicas"] {
            map.remove(field);
        }
    }
    predictor
}

fn names(cx: &Ctx, live: &Value, version: &str) -> Names {
    Names {
        stable: service_name(&cx.name, text(live, "/spec/predictor/name")),
        canary: service_name(&cx.name, Some(&inner_name(version))),
    }
}

impl Standard {
    async fn look(cx: &Ctx) -> Result<Look> {
        let live = cx.read_target().await?;
        let Some(live) = live else {
            return Ok(Look {
                live: None,
                stable: None,
                canary: None,
            });
        };
        let stable = service_name(&cx.name, text(&live, "/spec/predictor/name"));
        let stable = cx.read(&deployments(), &stable).await?;
        let canary = match entry(&live) {
            Some((_, version)) => {
                let name = service_name(&cx.name, Some(&inner_name(version)));
                cx.read(&deployments(), &name).await?
            }
            None => None,
        };
        Ok(Look {
            live: Some(live),
            stable,
            canary,
        })
    }

    /// Changes the InferenceService as `change` says, which is asked again when somebody else was faster.
    async fn edit(
        cx: &Ctx,
        change: impl Fn(&Value) -> Result<Option<Value>> + Send + Sync,
    ) -> Result<()> {
        for round in 0..ROUNDS {
            let live = cx
                .read_needed(&cx.gvk, &cx.name, "the rollout names it")
                .await?;
            let Some(mut patch) = change(&live)? else {
                return Ok(());
            };
            patch["metadata"]["resourceVersion"] = live
                .pointer("/metadata/resourceVersion")
                .cloned()
                .unwrap_or_default();
            match cx.patch(&cx.gvk, &cx.name, &patch).await {
                Err(error) if error.is_conflict() && round + 1 < ROUNDS => {}
                Err(error) => return Err(error),
                Ok(written) => {
                    let asked = patch.pointer("/spec/canary/0").is_some();
                    if asked && entries(&written).is_empty() {
                        return Err(Error::Refused(
                            "this KServe drops spec.canary: version 0.20 or newer is needed"
                                .to_owned(),
                        ));
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Makes the stable predictor the new version under its old name: KServe takes a new name for a new model alone, that is
    /// for another storage URI. Its pods are replaced while the canary has all traffic.
    async fn replace(cx: &Ctx, live: &Value) -> Result<Promoted> {
        let wanted = cx.wanted()?;
        let names = names(cx, live, &wanted.version);
        let applied = cx.dry_apply(&wanted.object).await?;
        if bare(&applied) != bare(live) {
            let mut predictor = bare(&wanted.object);
            let old = bare(live);
            predictor = merge_patch::create(&old, &predictor);
            Self::edit(cx, |_| Ok(Some(json!({"spec": {"predictor": predictor}})))).await?;
            return Ok(Promoted::NotYet(
                "the stable version's pods are replaced".to_owned(),
            ));
        }
        let deployment = cx.read(&deployments(), &names.stable).await?;
        if !deployment.is_some_and(|one| is_complete(&one)) {
            return Ok(Promoted::NotYet(
                "the stable version's pods are replaced".to_owned(),
            ));
        }
        cx.has_endpoints(&names.stable).await?;
        let plain = Traffic::default();
        Self::edit_route(cx, |route| to_split(cx, route, &names, &plain)).await?;
        Self::take_out(cx, &wanted.version).await?;
        Ok(Promoted::NotYet("the canary's pods go".to_owned()))
    }

    /// Removes a version's entry, and gives the stable predictor its own numbers of pods.
    async fn take_out(cx: &Ctx, version: &str) -> Result<()> {
        let route = read_route(cx).await.ok();
        let name = inner_name(version);
        Self::edit(cx, |live| {
            let before = Before::of(route.as_ref(), live);
            let rest: Vec<&Value> = entries(live)
                .iter()
                .filter(|other| text(other, "/predictor/name") != Some(&name))
                .collect();
            Ok(Some(json!({"spec": {
                "canary": if rest.is_empty() { Value::Null } else { json!(rest) },
                "predictor": {"minReplicas": before.min, "maxReplicas": before.max},
            }})))
        })
        .await?;
        Self::clean_route(cx, Some(&service_name(&cx.name, Some(&name)))).await
    }
}

/// Numbers of pods of the predictor before the rollout.
struct Before {
    min: Option<u32>,
    max: Option<u32>,
}

impl Before {
    /// As the route notes it, or as the live object has it when no rollout has changed it yet.
    fn of(route: Option<&Value>, live: &Value) -> Self {
        let noted = route
            .and_then(|route| annotation(route, REPLICAS))
            .and_then(|text| serde_json::from_str::<Value>(text).ok());
        let from = |value: &Value, min: &str, max: &str| Self {
            min: number(value, min),
            max: number(value, max),
        };
        match noted {
            Some(noted) => from(&noted, "/min", "/max"),
            None => from(
                live,
                "/spec/predictor/minReplicas",
                "/spec/predictor/maxReplicas",
            ),
        }
    }

    fn to_note(&self) -> String {
        json!({"min": self.min, "max": self.max}).to_string()
    }

    /// What the stable predictor asks for so that it keeps `stable` pods beside `canary` others.
    fn beside(&self, stable: u32, canary: u32) -> Value {
        let min = stable.max(1) + canary;
        let mut fields = json!({"minReplicas": min});
        if let Some(max) = self.max.filter(|max| *max > 0) {
            fields["maxReplicas"] = max.max(min).into();
        }
        fields
    }
}

#[async_trait]
impl Target for Standard {
    async fn observe(&self, cx: &Ctx) -> Result<Seen> {
        let look = Self::look(cx).await?;
        let Some(live) = &look.live else {
            return Ok(Seen::nothing(full(cx, None)));
        };
        let ready = |deployment: &Option<Value>| {
            let deployment = deployment.as_ref();
            deployment.and_then(|one| number(one, "/status/readyReplicas"))
        };
        let is_wanted = match (&cx.wanted, entry(live)) {
            (Some(wanted), None) => {
                let applied = cx.dry_apply(&wanted.object).await?;
                bare(&applied) == bare(live)
            }
            _ => false,
        };
        let full = full(cx, Some(live));
        let canary = entry(live).map(|(entry, version)| Track {
            version: version.to_owned(),
            replicas: number(entry, "/predictor/minReplicas").unwrap_or(0),
            ready: ready(&look.canary).unwrap_or(0),
        });
        Ok(Seen {
            replicas: full,
            stable: Some(Stable {
                replicas: look
                    .stable
                    .as_ref()
                    .and_then(|one| number(one, "/spec/replicas"))
                    .unwrap_or(full),
                ready: ready(&look.stable).unwrap_or(0),
                digest: digest(&bare(live)),
                is_wanted,
            }),
            canary,
            traffic: Self::traffic(cx, live).await.map_err(|error| error.text()),
            pods: pods(cx, look.stable.as_ref()),
            labels: labels(live),
            finishing: None,
        })
    }

    async fn scale_canary(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        let wanted = cx.wanted()?;
        if let Some((at, why)) = unfit(cx, &wanted.object) {
            return Err(Error::Refused(format!("the target's {at}: {why}")));
        }
        let route = read_route(cx).await?;
        let live = cx
            .read_needed(&cx.gvk, &cx.name, "the rollout names it")
            .await?;
        let before = Before::of(Some(&route), &live);
        if annotation(&route, REPLICAS).is_none() {
            let note = before.to_note();
            let change =
                move |_: &Value| Ok(Some(json!({"metadata": {"annotations": {REPLICAS: note}}})));
            Self::edit_route(cx, change).await?;
        }
        let name = inner_name(&wanted.version);
        let change = |live: &Value| {
            let mut list = entries(live).to_vec();
            let known = entry(live).map(|(_, version)| version.to_owned());
            if known.as_ref().is_some_and(|known| *known != wanted.version) {
                return Err(Error::Refused(format!(
                    "spec.canary of {} is an earlier version",
                    cx.name
                )));
            }
            let mine = list
                .iter_mut()
                .find(|entry| text(entry, "/predictor/name") == Some(&name));
            match mine {
                Some(entry) if number(entry, "/predictor/minReplicas") == Some(replicas) => {
                    return Ok(None);
                }
                Some(entry) => entry["predictor"]["minReplicas"] = replicas.into(),
                None => {
                    let mut predictor = wanted
                        .object
                        .pointer("/spec/predictor")
                        .cloned()
                        .unwrap_or_default();
                    if let Value::Object(map) = &mut predictor {
                        for field in SCALE {
                            map.remove(field);
                        }
                        map.insert("name".to_owned(), name.as_str().into());
                        map.insert("minReplicas".to_owned(), replicas.into());
                    }
                    list.push(json!({"predictor": predictor, "trafficPercent": 0}));
                }
            }
            Ok(Some(json!({"spec": {
                "canary": list,
                "predictor": before.beside(before.min.unwrap_or(1), replicas),
            }})))
        };
        Self::edit(cx, change).await
    }

    async fn scale_stable(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        let route = read_route(cx).await?;
        let change = |live: &Value| {
            let beside = entry(live)
                .and_then(|(entry, _)| number(entry, "/predictor/minReplicas"))
                .unwrap_or(0);
            if replicas == 0 {
                return Err(Error::Refused(
                    "KServe keeps a pod of the stable version: it cannot make place for the new one"
                        .to_owned(),
                ));
            }
            let before = Before::of(Some(&route), live);
            Ok(Some(
                json!({"spec": {"predictor": before.beside(replicas, beside)}}),
            ))
        };
        Self::edit(cx, change).await
    }

    async fn set_traffic(&self, cx: &Ctx, traffic: &Traffic) -> Result<()> {
        let live = cx
            .read_needed(&cx.gvk, &cx.name, "the rollout names it")
            .await?;
        let version = entry(&live).map(|(_, version)| version.to_owned());
        let Some(version) = version else {
            return without_canary(traffic);
        };
        let names = names(cx, &live, &version);
        if traffic.uses_canary() {
            cx.has_endpoints(&names.canary).await?;
        }
        Self::edit_route(cx, |route| to_split(cx, route, &names, traffic)).await?;
        // KServe repeats it in its status; the route is what counts.
        Self::edit(cx, |live| {
            let mut list = entries(live).to_vec();
            let name = inner_name(&version);
            for entry in &mut list {
                if text(entry, "/predictor/name") == Some(&name) {
                    entry["trafficPercent"] = traffic.canary.into();
                }
            }
            Ok((list != entries(live)).then(|| json!({"spec": {"canary": list}})))
        })
        .await
    }

    async fn promote(&self, cx: &Ctx) -> Result<Promoted> {
        let wanted = cx.wanted()?;
        let Some(live) = Self::look(cx).await?.live else {
            cx.apply(&wanted.object).await?;
            return Ok(Promoted::Done);
        };
        let name = inner_name(&wanted.version);
        if let Some((_, version)) = entry(&live) {
            if version != wanted.version {
                return Err(Error::Refused(format!(
                    "{version} is not {}",
                    wanted.version
                )));
            }
            // A route of the user's, and a transformer, go on naming the predictor as it is called now.
            if storage(&live) == storage(&wanted.object) || !is_own_route(cx) {
                return Self::replace(cx, &live).await;
            }
            Self::edit(cx, |live| Ok(Some(renamed(live, &wanted.object, &name)))).await?;
            return Ok(Promoted::NotYet(
                "KServe takes the new version as its own".to_owned(),
            ));
        }
        if text(&live, "/spec/predictor/name") == Some(&name) {
            // The route follows when KServe has seen the change; its old backend has no weight.
            let route = read_route(cx).await?;
            let service = service_name(&cx.name, Some(&name));
            if is_own_route(cx) && !is_alone(&route, &service) {
                return Ok(Promoted::NotYet(format!(
                    "HTTPRoute {} does not name {service} alone yet",
                    cx.name
                )));
            }
            Self::clean_route(cx, None).await?;
        }
        // The name is not Git's and stays: the pods bear it.
        cx.apply(&wanted.object).await?;
        Ok(Promoted::Done)
    }

    async fn remove_canary(&self, cx: &Ctx) -> Result<()> {
        let Some(live) = Self::look(cx).await?.live else {
            return Ok(());
        };
        let Some(version) = entry(&live).map(|(_, version)| version.to_owned()) else {
            return Self::clean_route(cx, None).await;
        };
        let service = service_name(&cx.name, Some(&inner_name(&version)));
        let route = read_route(cx).await.ok();
        // The route no longer names what is about to go.
        if let Some(route) = &route {
            let split = split_of(cx, route, &names(cx, &live, &version));
            if split.is_ok_and(|split| split.uses_canary()) {
                return Err(Error::Refused(format!(
                    "HTTPRoute {} still sends traffic to {service}",
                    route_name(cx)
                )));
            }
        }
        Self::take_out(cx, &version).await
    }

    async fn endpoint(&self, cx: &Ctx) -> Result<(String, u16)> {
        let live = Self::look(cx).await?.live;
        let version = live
            .as_ref()
            .and_then(|live| entry(live).map(|(_, version)| version.to_owned()))
            .ok_or_else(|| Error::Refused("the new version is not there yet".to_owned()))?;
        let service = service_name(&cx.name, Some(&inner_name(&version)));
        cx.has_endpoints(&service).await?;
        Ok((service, 80))
    }

    fn related(&self, cx: &Ctx) -> Vec<(GroupVersionKind, String)> {
        let mut related = vec![
            (cx.gvk.clone(), cx.name.clone()),
            (http_routes(), route_name(cx)),
            (deployments(), service_name(&cx.name, None)),
        ];
        let versions = cx
            .wanted
            .iter()
            .map(|wanted| &wanted.version)
            .chain(&cx.stable);
        related.extend(versions.map(|version| {
            let name = service_name(&cx.name, Some(&inner_name(version)));
            (deployments(), name)
        }));
        related
    }

    fn problems(&self, cx: &Ctx) -> Vec<Problem> {
        let wanted = cx.wanted.as_ref();
        let found = wanted.and_then(|wanted| unfit(cx, &wanted.object));
        let problem = |(at, message): (&str, &str)| Problem {
            at: format!("the target's {at}"),
            message: message.to_owned(),
        };
        found.map(problem).into_iter().collect()
    }
}

/// Returns the part of an object with which it has no canary, and why.
fn unfit(cx: &Ctx, wanted: &Value) -> Option<(&'static str, &'static str)> {
    let has = |pointer: &str| {
        wanted
            .pointer(pointer)
            .is_some_and(|value| !value.is_null())
    };
    if has("/spec/predictor/workerSpec") {
        return Some((
            "spec.predictor.workerSpec",
            "KServe has no canary over several nodes",
        ));
    }
    (has("/spec/transformer") && is_own_route(cx)).then_some((
        "spec.transformer",
        "it calls the predictor itself: name a route to the predictors in trafficRouting.httpRoute",
    ))
}

/// Returns where a predictor's model is stored, of whatever framework it is.
fn storage(object: &Value) -> Option<&str> {
    let predictor = object.pointer("/spec/predictor")?.as_object()?;
    predictor
        .values()
        .find_map(|part| part.get("storageUri")?.as_str())
}

/// Returns the patch that gives the predictor a version's name and content, and takes its entry out.
fn renamed(live: &Value, wanted: &Value, name: &str) -> Value {
    let mut predictor = wanted
        .pointer("/spec/predictor")
        .cloned()
        .unwrap_or_default();
    predictor["name"] = name.into();
    let rest: Vec<&Value> = entries(live)
        .iter()
        .filter(|other| text(other, "/predictor/name") != Some(name))
        .collect();
    let old = live.pointer("/spec/predictor").cloned().unwrap_or_default();
    json!({"spec": {
        "predictor": merge_patch::create(&old, &predictor),
        "canary": if rest.is_empty() { Value::Null } else { json!(rest) },
    }})
}

/// Returns the full number of pods of one version.
fn full(cx: &Ctx, live: Option<&Value>) -> u32 {
    let wanted = cx.wanted.as_ref();
    let wanted = wanted.and_then(|wanted| number(&wanted.object, "/spec/predictor/minReplicas"));
    let live = || {
        let live = live.filter(|live| entry(live).is_none())?;
        number(live, "/spec/predictor/minReplicas")
    };
    wanted.or_else(live).unwrap_or(1).max(1)
}

/// Returns the stable version's pods as KServe made them, with the resources that the new one asks for.
fn pods(cx: &Ctx, stable: Option<&Value>) -> Pods {
    let Some(stable) = stable else {
        return Pods::default();
    };
    let mut spec = stable
        .pointer("/spec/template/spec")
        .cloned()
        .unwrap_or_default();
    let wanted = cx.wanted.as_ref();
    let resources =
        wanted.and_then(|wanted| wanted.object.pointer("/spec/predictor/model/resources"));
    give_resources(&mut spec, |name| resources.filter(|_| name == CONTAINER));
    Pods {
        gang: vec![PodShape { spec, count: 1 }],
        together: None,
        old: stable.pointer("/spec/selector").and_then(selector),
    }
}
