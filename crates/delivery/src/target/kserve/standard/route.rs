//! The route that carries an InferenceService's weights: KServe's own, whose rules stay first, or the user's.

use driftless_rollout::managed::behind;
use driftless_rollout::plan::Traffic;
use driftless_rollout::route::{Names, Router};
use serde_json::{Value, json};

use super::{REPLICAS, Standard, entry, names};
use crate::target::json::{annotation, text};
use crate::target::kinds::http_routes;
use crate::target::kserve::ROUNDS;
use crate::target::{Ctx, Error, Result};

impl Standard {
    /// Changes the route as `change` says.
    pub(super) async fn edit_route(
        cx: &Ctx,
        change: impl Fn(&Value) -> Result<Option<Value>> + Send + Sync,
    ) -> Result<()> {
        for round in 0..ROUNDS {
            let route = read_route(cx).await?;
            let Some(mut patch) = change(&route)? else {
                return Ok(());
            };
            patch["metadata"]["resourceVersion"] = route
                .pointer("/metadata/resourceVersion")
                .cloned()
                .unwrap_or_default();
            match cx.patch(&http_routes(), &route_name(cx), &patch).await {
                Err(error) if error.is_conflict() && round + 1 < ROUNDS => {}
                other => return other.map(drop),
            }
        }
        Ok(())
    }

    /// Reads the live split. Without a canary's Service in it a route sends everything to the stable version.
    pub(super) async fn traffic(cx: &Ctx, live: &Value) -> Result<Traffic> {
        let route = read_route(cx).await?;
        let version = entry(live).map_or("", |(_, version)| version);
        split_of(cx, &route, &names(cx, live, version))
    }

    /// Leaves the route as KServe made it.
    pub(super) async fn clean_route(cx: &Ctx, canary: Option<&str>) -> Result<()> {
        let change = |route: &Value| {
            let mut rules = route.pointer("/spec/rules").cloned().unwrap_or_default();
            for rule in rules.as_array_mut().into_iter().flatten() {
                let Some(backends) = rule.get_mut("backendRefs").and_then(Value::as_array_mut)
                else {
                    continue;
                };
                if let Some(canary) = canary {
                    let is_canary = |backend: &Value| text(backend, "/name") == Some(canary);
                    if backends.len() > 1 && backends.iter().any(is_canary) {
                        backends.retain(|backend| !is_canary(backend));
                        for backend in backends.iter_mut().filter_map(Value::as_object_mut) {
                            backend.remove("weight");
                        }
                    }
                }
            }
            let is_noted = annotation(route, REPLICAS).is_some();
            let is_same = route.pointer("/spec/rules") == Some(&rules);
            Ok((is_noted || !is_same).then(|| {
                json!({
                    "metadata": {"annotations": {REPLICAS: Value::Null}},
                    "spec": {"rules": rules},
                })
            }))
        };
        match Self::edit_route(cx, change).await {
            // Nothing is left to clean.
            Err(Error::Refused(_)) => Ok(()),
            other => other,
        }
    }
}

/// Returns the route that carries the weights: the one the rollout names, or KServe's own.
pub(super) fn route_name(cx: &Ctx) -> String {
    let strategy = &cx.spec.strategy;
    let canary = strategy
        .canary
        .as_ref()
        .map(|canary| &canary.traffic_routing);
    let blue_green = strategy
        .blue_green
        .as_ref()
        .map(|spec| &spec.traffic_routing);
    let routing = canary.or(blue_green).and_then(Option::as_ref);
    routing
        .and_then(|routing| routing.http_route.as_ref())
        .map_or_else(|| cx.name.clone(), |route| route.name.clone())
}

/// Says whether the route is KServe's own, which keeps its rules first in it.
pub(super) fn is_own_route(cx: &Ctx) -> bool {
    route_name(cx) == cx.name
}

/// Reads how a live route splits traffic.
pub(super) fn split_of(cx: &Ctx, route: &Value, names: &Names) -> Result<Traffic> {
    let traffic = if is_own_route(cx) {
        behind::read(route, names)
    } else {
        Router::HttpRoute.read(route, names)
    };
    traffic.map_err(|error| Error::Refused(format!("HTTPRoute {}: {error}", route_name(cx))))
}

/// Returns the patch of a live route that splits traffic so.
pub(super) fn to_split(
    cx: &Ctx,
    route: &Value,
    names: &Names,
    traffic: &Traffic,
) -> Result<Option<Value>> {
    let patch = if is_own_route(cx) {
        behind::write(route, names, traffic)
    } else {
        Router::HttpRoute.write(route, names, traffic)
    };
    patch
        .map(Some)
        .map_err(|error| Error::Refused(format!("HTTPRoute {}: {error}", route_name(cx))))
}

pub(super) async fn read_route(cx: &Ctx) -> Result<Value> {
    let name = route_name(cx);
    match cx.read(&http_routes(), &name).await {
        Ok(Some(route)) => Ok(route),
        Ok(None) => Err(Error::Refused(format!(
            "HTTPRoute {name} is not there: KServe makes it with enableGatewayApi, or name one in trafficRouting.httpRoute"
        ))),
        Err(Error::Request {
            source: driftless_kube::Error::UnknownKind { .. },
            ..
        }) => Err(Error::Refused(
            "the cluster has no HTTPRoute: weights of an InferenceService need the Gateway API"
                .to_owned(),
        )),
        Err(error) => Err(error),
    }
}

/// Says whether all backends of a route are one Service.
pub(super) fn is_alone(route: &Value, service: &str) -> bool {
    let rules = route.pointer("/spec/rules").and_then(Value::as_array);
    rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.get("backendRefs")?.as_array())
        .flatten()
        .all(|backend| text(backend, "/name") == Some(service))
}
