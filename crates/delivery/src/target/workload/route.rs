//! Services and routes of workloads.
//!
//! The stable version's Service finds the pods of both workloads by its labels. So while a canary is there the Service asks
//! for the stable version's hash, too; the canary's Service asks for the canary's. Without a route this pin alone moves
//! traffic: on the old pods at weight 0, on the new ones at 100, on neither in between.

use std::collections::BTreeSet;

use driftless_api::rollout::Problem;
use driftless_core::GroupVersionKind;
use driftless_kube::write::Propagation;
use driftless_rollout::plan::Traffic;
use driftless_rollout::route::{Names, Router};
use serde_json::{Map, Value, json};

use super::Workload;
use crate::target::json::{annotation, text};
use crate::target::kinds::{http_routes, virtual_services};
use crate::target::{Ctx, Error, Result};

/// Annotation of a canary: the weight that was asked for, where the number of pods makes it.
const WEIGHT: &str = "driftless.dev/weight";
/// Annotation of a route that a rollout has written: its lists from before.
const BEFORE: &str = "driftless.dev/route-before";
/// Times a write is tried that lost against somebody else's.
const ROUNDS: usize = 3;

/// What routes traffic to a workload.
pub(super) struct Routing {
    at: &'static str,
    stable_field: &'static str,
    /// Service of the stable version; empty when none is named.
    stable: String,
    /// Service of the new version.
    canary: String,
    /// Whether the new version's Service is made by the rollout.
    is_made: bool,
    by: By,
}

enum By {
    Route(Router, GroupVersionKind, String),
    Nginx(String),
    Replicas,
}

fn service() -> GroupVersionKind {
    GroupVersionKind::new("", "v1", "Service")
}

fn ingress() -> GroupVersionKind {
    GroupVersionKind::new("networking.k8s.io", "v1", "Ingress")
}

impl Routing {
    pub(super) fn of(cx: &Ctx) -> Self {
        let strategy = &cx.spec.strategy;
        let (at, stable_field, stable, canary, routing) =
            match (&strategy.canary, &strategy.blue_green) {
                (Some(canary), _) => (
                    "spec.strategy.canary",
                    "stableService",
                    &canary.stable_service,
                    &canary.canary_service,
                    &canary.traffic_routing,
                ),
                (None, Some(blue_green)) => (
                    "spec.strategy.blueGreen",
                    "activeService",
                    &blue_green.active_service,
                    &blue_green.preview_service,
                    &blue_green.traffic_routing,
                ),
                (None, None) => ("spec.strategy", "canary", &NONE, &NONE, &None),
            };
        let by = match routing.as_deref() {
            Some(routing) => {
                if let Some(route) = &routing.http_route {
                    let gvk = http_routes();
                    By::Route(Router::HttpRoute, gvk, route.name.clone())
                } else if let Some(route) = &routing.virtual_service {
                    let gvk = virtual_services();
                    By::Route(Router::VirtualService, gvk, route.name.clone())
                } else if let Some(nginx) = &routing.nginx {
                    By::Nginx(nginx.stable_ingress.clone())
                } else {
                    By::Replicas
                }
            }
            None => By::Replicas,
        };
        Self {
            at,
            stable_field,
            stable: stable.clone(),
            is_made: canary.is_empty(),
            canary: if canary.is_empty() {
                format!("{stable}-canary")
            } else {
                canary.clone()
            },
            by,
        }
    }

    pub(super) fn problems(&self, cx: &Ctx) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |at: String, message: String| problems.push(Problem { at, message });
        if self.stable.is_empty() && !matches!(self.by, By::Replicas) {
            add(
                format!("{}.{}", self.at, self.stable_field),
                "required: name the Service that the route sends traffic to".to_owned(),
            );
        }
        if self.stable.is_empty() && cx.spec.strategy.blue_green.is_some() {
            add(
                format!("{}.{}", self.at, self.stable_field),
                "required: name the Service that is switched".to_owned(),
            );
        }
        let steps = cx
            .spec
            .strategy
            .canary
            .iter()
            .flat_map(|canary| &canary.steps);
        let mut headers = BTreeSet::new();
        for (index, step) in steps.enumerate() {
            let at = format!("{}.steps[{index}]", self.at);
            let named = [
                ("setHeaderRoute", step.set_header_route.is_some()),
                ("setMirrorRoute", step.set_mirror_route.is_some()),
            ];
            for (name, _) in named.iter().filter(|(_, is_set)| *is_set) {
                if self.is_by_replicas() {
                    let message = "needs trafficRouting by httpRoute, virtualService or nginx: a Service alone does not look at requests";
                    add(format!("{at}.{name}"), message.to_owned());
                }
            }
            if let By::Nginx(_) = self.by {
                if step.set_mirror_route.is_some() {
                    let message = "NGINX copies all requests of an Ingress to a URL, not a share of them to a Service: use httpRoute or virtualService";
                    add(format!("{at}.setMirrorRoute"), message.to_owned());
                }
                if let Some(route) = &step.set_header_route {
                    headers.insert(route.name.as_str());
                    if route.r#match.len() > 1 || headers.len() > 1 {
                        let message = "NGINX looks at one header of one route: leave one, or use httpRoute or virtualService";
                        add(format!("{at}.setHeaderRoute"), message.to_owned());
                    }
                }
            }
            if step.warmup.is_some() && self.stable.is_empty() {
                add(
                    format!("{}.steps[{index}].warmup", self.at),
                    format!("needs a Service: set {}", self.stable_field),
                );
            }
        }
        problems
    }

    /// Returns the object that carries weights.
    pub(super) fn object(&self) -> Option<(GroupVersionKind, String)> {
        match &self.by {
            By::Route(_, gvk, name) => Some((gvk.clone(), name.clone())),
            By::Nginx(name) => Some((ingress(), format!("{name}-canary"))),
            By::Replicas => None,
        }
    }

    pub(super) fn is_by_replicas(&self) -> bool {
        matches!(self.by, By::Replicas)
    }

    fn names(&self) -> Names {
        Names {
            stable: self.stable.clone(),
            canary: self.canary.clone(),
        }
    }

    async fn stable_service(&self, cx: &Ctx) -> Result<Value> {
        let hint = format!("{}.{} names it", self.at, self.stable_field);
        cx.read_needed(&service(), &self.stable, &hint).await
    }

    /// Reads the live route.
    pub(super) async fn traffic(
        &self,
        kind: &Workload,
        cx: &Ctx,
        canary: Option<&Value>,
    ) -> Result<Traffic> {
        let weight = match &self.by {
            By::Route(router, gvk, name) => {
                let route = cx.read_needed(gvk, name, "the rollout names it").await?;
                let traffic = router.read(&route, &self.names());
                return traffic
                    .map_err(|error| Error::Refused(format!("{} {name}: {error}", gvk.kind)));
            }
            By::Nginx(name) => match cx.read(&ingress(), &format!("{name}-canary")).await? {
                None => 0,
                Some(route) => {
                    return Router::NginxCanary
                        .read(&route, &self.names())
                        .map_err(|error| {
                            Error::Refused(format!("Ingress {name}-canary: {error}"))
                        });
                }
            },
            By::Replicas => {
                let asked = canary
                    .and_then(|canary| annotation(canary, WEIGHT)?.parse().ok())
                    .unwrap_or(0);
                match (self.stable.is_empty(), canary) {
                    (_, None) => 0,
                    (true, Some(_)) => asked,
                    (false, Some(canary)) => {
                        let service = self.stable_service(cx).await?;
                        match pinned(&service, *kind) {
                            None => asked,
                            Some(hash)
                                if kind.hash(cx, canary).await.ok().as_deref() == Some(hash) =>
                            {
                                100
                            }
                            Some(_) => 0,
                        }
                    }
                }
            }
        };
        Ok(Traffic {
            canary: weight,
            ..Traffic::default()
        })
    }

    /// Keeps the stable version's Service on its own pods.
    pub(super) async fn shield(&self, kind: &Workload, cx: &Ctx, target: &Value) -> Result<()> {
        if self.stable.is_empty() {
            return Ok(());
        }
        let hash = kind.hash(cx, target).await?;
        self.pin(kind, cx, &self.stable, Some(&hash)).await
    }

    async fn pin(&self, kind: &Workload, cx: &Ctx, name: &str, hash: Option<&str>) -> Result<()> {
        for round in 0..ROUNDS {
            let Some(live) = cx.read(&service(), name).await? else {
                return match hash {
                    None => Ok(()),
                    Some(_) => Err(Error::Refused(format!("Service {name} is not there"))),
                };
            };
            if pinned(&live, *kind) == hash {
                return Ok(());
            }
            let patch = json!({
                "metadata": {"resourceVersion": live.pointer("/metadata/resourceVersion")},
                "spec": {"selector": {kind.pin(): hash}},
            });
            match cx.patch(&service(), name, &patch).await {
                Err(error) if error.is_conflict() && round + 1 < ROUNDS => {}
                other => return other.map(drop),
            }
        }
        Ok(())
    }

    /// Makes sure that the new version's Service finds its pods.
    async fn open(&self, kind: &Workload, cx: &Ctx, canary: &Value) -> Result<()> {
        let hash = kind.hash(cx, canary).await?;
        if self.is_made && cx.read(&service(), &self.canary).await?.is_none() {
            let stable = self.stable_service(cx).await?;
            let mut spec = Map::new();
            for field in [
                "ports",
                "selector",
                "appProtocol",
                "ipFamilyPolicy",
                "publishNotReadyAddresses",
            ] {
                if let Some(value) = stable.pointer(&format!("/spec/{field}")) {
                    spec.insert(field.to_owned(), value.clone());
                }
            }
            if let Some(Value::Array(ports)) = spec.get_mut("ports") {
                for port in ports.iter_mut().filter_map(Value::as_object_mut) {
                    port.remove("nodePort");
                }
            }
            let mut object = json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": cx.made(&self.canary, text(canary, "/metadata/name").unwrap_or_default()),
                "spec": spec,
            });
            object["spec"]["selector"][kind.pin()] = hash.as_str().into();
            cx.apply(&object).await?;
        }
        self.pin(kind, cx, &self.canary, Some(&hash)).await
    }

    pub(super) async fn set(
        &self,
        kind: &Workload,
        cx: &Ctx,
        target: Option<&Value>,
        canary: Option<&Value>,
        traffic: &Traffic,
    ) -> Result<()> {
        if let By::Replicas = self.by {
            let weight = traffic.canary;
            return self.set_by_replicas(kind, cx, target, canary, weight).await;
        }
        if traffic.uses_canary() {
            let canary = canary.ok_or_else(|| {
                Error::Refused("the new version is not there: it gets no traffic".to_owned())
            })?;
            self.open(kind, cx, canary).await?;
            cx.has_endpoints(&self.canary).await?;
        }
        self.write(cx, traffic).await
    }

    async fn set_by_replicas(
        &self,
        kind: &Workload,
        cx: &Ctx,
        target: Option<&Value>,
        canary: Option<&Value>,
        weight: u32,
    ) -> Result<()> {
        if let Some(canary) = canary {
            let name = text(canary, "/metadata/name").unwrap_or_default();
            let patch = json!({"metadata": {"annotations": {WEIGHT: weight.to_string()}}});
            cx.patch(&kind.gvk(), name, &patch).await?;
        }
        if self.stable.is_empty() {
            return Ok(());
        }
        let hash = match (weight, target, canary) {
            (0, Some(target), _) => Some(kind.hash(cx, target).await?),
            (100, _, Some(canary)) => Some(kind.hash(cx, canary).await?),
            _ => None,
        };
        self.pin(kind, cx, &self.stable, hash.as_deref()).await
    }

    /// Writes the route, with the version it was read at.
    pub(super) async fn write(&self, cx: &Ctx, traffic: &Traffic) -> Result<()> {
        let (router, gvk, name) = match &self.by {
            By::Route(router, gvk, name) => (*router, gvk.clone(), name.clone()),
            By::Nginx(name) => {
                let canary = format!("{name}-canary");
                if cx.read(&ingress(), &canary).await?.is_none() {
                    if !traffic.uses_canary() {
                        return Ok(());
                    }
                    self.make_ingress(cx, name, &canary).await?;
                }
                (Router::NginxCanary, ingress(), canary)
            }
            By::Replicas => return Ok(()),
        };
        for round in 0..ROUNDS {
            let live = cx.read_needed(&gvk, &name, "the rollout names it").await?;
            let refused = |error| Error::Refused(format!("{} {name}: {error}", gvk.kind));
            let mut patch = router
                .write(&live, &self.names(), traffic)
                .map_err(refused)?;
            if let Some(list) = list_of(router)
                && annotation(&live, BEFORE).is_none()
            {
                let before = live
                    .pointer(&format!("/spec/{list}"))
                    .cloned()
                    .unwrap_or_default();
                patch["metadata"]["annotations"][BEFORE] = before.to_string().into();
            }
            match cx.patch(&gvk, &name, &patch).await {
                Err(error) if error.is_conflict() && round + 1 < ROUNDS => {}
                Ok(written) => {
                    return self
                        .verify(cx, (router, &gvk, &name), &written, traffic)
                        .await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes mirrors back that the API server did not keep as they were written: an older version of the Gateway API drops
    /// the share, and would copy every request.
    async fn verify(
        &self,
        cx: &Ctx,
        (router, gvk, name): (Router, &GroupVersionKind, &str),
        written: &Value,
        traffic: &Traffic,
    ) -> Result<()> {
        let is_kept = |live: &Traffic| live.mirrors == traffic.mirrors;
        let live = router.read(written, &self.names());
        if traffic.mirrors.is_empty() || live.as_ref().is_ok_and(is_kept) {
            return Ok(());
        }
        let without = Traffic {
            mirrors: Vec::new(),
            ..traffic.clone()
        };
        let patch = router.write(written, &self.names(), &without);
        let patch = patch.map_err(|error| Error::Refused(error.to_string()))?;
        cx.patch(gvk, name, &patch).await?;
        Err(Error::Refused(format!(
            "{} {name} does not keep a mirror as it was written: a share of requests needs version 1.3 of the Gateway API, \
             100 % does not",
            gvk.kind
        )))
    }

    async fn make_ingress(&self, cx: &Ctx, stable: &str, name: &str) -> Result<()> {
        let live = cx
            .read_needed(
                &ingress(),
                stable,
                "trafficRouting.nginx.stableIngress names it",
            )
            .await?;
        let mut spec = live.get("spec").cloned().unwrap_or_default();
        rename(&mut spec, &self.stable, &self.canary);
        let mut metadata = cx.made(name, stable);
        metadata["annotations"]["nginx.ingress.kubernetes.io/canary"] = "true".into();
        metadata["annotations"]["nginx.ingress.kubernetes.io/canary-weight"] = "0".into();
        if let Some(class) = annotation(&live, "kubernetes.io/ingress.class") {
            metadata["annotations"]["kubernetes.io/ingress.class"] = class.into();
        }
        cx.apply(&json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": metadata, "spec": spec,
        }))
        .await
    }

    /// Gives traffic to the stable version alone, whose Service finds the pods that were the canary's.
    pub(super) async fn hand_back(&self, kind: &Workload, cx: &Ctx) -> Result<()> {
        if self.stable.is_empty() {
            return Ok(());
        }
        // A StatefulSet's canary is still there: its pods stay out of the stable version's Service.
        let target = cx.read(&kind.gvk(), &cx.name).await?;
        match target {
            Some(target) if *kind == Workload::StatefulSet => {
                self.shield(kind, cx, &target).await?;
            }
            _ => self.pin(kind, cx, &self.stable, None).await?,
        }
        if !matches!(self.by, By::Replicas) {
            let live = self.traffic(kind, cx, None).await?;
            if live.uses_canary() {
                cx.has_endpoints(&self.stable).await?;
                self.write(cx, &Traffic::default()).await?;
            }
        }
        if *kind == Workload::Deployment {
            self.clean(kind, cx).await?;
        }
        Ok(())
    }

    /// Leaves Services and route as they were before the rollout. The new version has no pods of its own and no traffic.
    pub(super) async fn clean(&self, kind: &Workload, cx: &Ctx) -> Result<()> {
        if self.stable.is_empty() {
            return Ok(());
        }
        self.restore(cx).await?;
        self.pin(kind, cx, &self.stable, None).await?;
        if self.is_made {
            if let Some(live) = cx.read(&service(), &self.canary).await?
                && cx.is_mine(&live)
            {
                cx.delete(
                    &service(),
                    &self.canary,
                    Some(&live),
                    Propagation::Background,
                )
                .await?;
            }
        } else {
            self.pin(kind, cx, &self.canary, None).await?;
        }
        Ok(())
    }

    async fn restore(&self, cx: &Ctx) -> Result<()> {
        match &self.by {
            By::Replicas => Ok(()),
            By::Nginx(name) => {
                let name = format!("{name}-canary");
                match cx.read(&ingress(), &name).await? {
                    Some(live) if cx.is_mine(&live) => {
                        cx.delete(&ingress(), &name, Some(&live), Propagation::Background)
                            .await
                    }
                    _ => Ok(()),
                }
            }
            By::Route(router, gvk, name) => {
                let Some(live) = cx.read(gvk, name).await? else {
                    return Ok(());
                };
                let (Some(before), Some(list)) = (annotation(&live, BEFORE), list_of(*router))
                else {
                    return Ok(());
                };
                let traffic = router.read(&live, &self.names());
                if traffic.is_ok_and(|traffic| traffic.uses_canary()) {
                    return Err(Error::Refused(format!(
                        "{} {name} still sends traffic to {}",
                        gvk.kind, self.canary
                    )));
                }
                let mut patch = json!({"metadata": {
                    "resourceVersion": live.pointer("/metadata/resourceVersion"),
                    "annotations": {BEFORE: Value::Null},
                }});
                let before: Value = serde_json::from_str(before).unwrap_or_default();
                let now = live
                    .pointer(&format!("/spec/{list}"))
                    .cloned()
                    .unwrap_or_default();
                // Somebody may have changed the rest of the route meanwhile: that is not undone.
                let (was, is) = (self.without_weights(&before), self.without_weights(&now));
                if was == is {
                    patch["spec"] = json!({list: before});
                }
                cx.patch(gvk, name, &patch).await.map(drop)
            }
        }
    }

    /// Returns the rules of a route without backends of the new version and without weights of the stable one.
    fn without_weights(&self, rules: &Value) -> Value {
        let mut rules = rules.clone();
        for rule in rules.as_array_mut().into_iter().flatten() {
            for list in ["backendRefs", "route"] {
                let Some(backends) = rule.get_mut(list).and_then(Value::as_array_mut) else {
                    continue;
                };
                backends.retain(|backend| !names(backend, &self.canary));
                for backend in backends.iter_mut() {
                    if names(backend, &self.stable)
                        && let Value::Object(backend) = backend
                    {
                        backend.remove("weight");
                    }
                }
            }
        }
        rules
    }

    /// Returns Service and port for requests of a warm-up.
    pub(super) async fn endpoint(
        &self,
        kind: &Workload,
        cx: &Ctx,
        canary: &Value,
    ) -> Result<(String, u16)> {
        self.open(kind, cx, canary).await?;
        cx.has_endpoints(&self.canary).await?;
        let live = cx
            .read_needed(&service(), &self.canary, "it was made for the new version")
            .await?;
        let port = live
            .pointer("/spec/ports/0/port")
            .and_then(Value::as_u64)
            .and_then(|port| u16::try_from(port).ok());
        let port =
            port.ok_or_else(|| Error::Refused(format!("Service {} has no port", self.canary)))?;
        Ok((self.canary.clone(), port))
    }
}

static NONE: String = String::new();

fn pinned(service: &Value, kind: Workload) -> Option<&str> {
    service.pointer("/spec/selector")?.get(kind.pin())?.as_str()
}

fn list_of(router: Router) -> Option<&'static str> {
    match router {
        Router::HttpRoute => Some("rules"),
        Router::VirtualService => Some("http"),
        _ => None,
    }
}

fn names(backend: &Value, service: &str) -> bool {
    let host = backend
        .get("name")
        .or_else(|| backend.pointer("/destination/host"));
    host.and_then(Value::as_str)
        .is_some_and(|host| host == service || host.split('.').next() == Some(service))
}

/// Puts another Service in place of one, wherever an Ingress names it.
fn rename(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Object(service)) = map.get_mut("service")
                && service.get("name").and_then(Value::as_str) == Some(from)
            {
                service.insert("name".to_owned(), to.into());
            }
            for inner in map.values_mut() {
                rename(inner, from, to);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| rename(inner, from, to)),
        _ => {}
    }
}
